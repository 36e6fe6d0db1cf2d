use super::*;

fn tenant(repo: &'static str) -> Tenant {
    Tenant {
        token: String::new(),
        package: String::new(),
        repo,
        name: "shop::sells".to_owned(),
    }
}

/// The database of a repo, where these variables are set.
fn database(repo: &'static str, set: &[(&str, &str)]) -> Result<String, String> {
    let variable = |name: &str| {
        let found = set.iter().find(|(set, _)| *set == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let config = find(&tenant(repo), variable).map_err(|error| format!("{error:?}"))?;
    Ok(config.place().to_string())
}

const SHOP: (&str, &str) = ("DATABASE_URL", "postgres://ada@db/shop");

#[test]
fn the_main_database_has_the_well_known_variable() {
    let there = database("default", &[SHOP]).unwrap();
    assert_eq!(there, "database `shop` at db:5432 as `ada`");
    // However the other is called, it is no name for this one.
    let odd = ("DEFAULT_DATABASE_URL", "postgres://eve@db/odd");
    assert_eq!(database("default", &[SHOP, odd]).unwrap(), there);
}

#[test]
fn a_named_repo_has_a_variable_of_its_own_before_a_database_beside_the_main_one() {
    let own = ("AUDIT_LOG_DATABASE_URL", "postgres://eve@other:1/audit");
    for repo in ["audit-log", "audit log", "Audit.Log"] {
        assert_eq!(
            database(repo, &[SHOP, own]).unwrap(),
            "database `audit` at other:1 as `eve`"
        );
    }
    assert_eq!(
        database("audit-log", &[SHOP]).unwrap(),
        "database `shop_audit-log` at db:5432 as `ada`"
    );
    assert_eq!(
        database("audit-log", &[SHOP, (own.0, " ")]).unwrap(),
        "database `shop_audit-log` at db:5432 as `ada`"
    );
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    let text = database("default", &[]).unwrap_err();
    for part in [
        "`shop::sells`",
        "repo `default`",
        "`DATABASE_URL`",
        ".env",
        "DATABASE_URL=postgres://",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    let text = database("audit", &[("DATABASE_URL", "")]).unwrap_err();
    assert!(text.contains("`AUDIT_DATABASE_URL`"), "{text}");
}

#[test]
fn a_url_that_cannot_be_read_is_named_by_its_variable_and_never_shown() {
    for url in [
        "mysql://u:sesame@h/d",
        "postgres://u:sesame@h:port/d",
        "sesame",
    ] {
        let text = database("default", &[("DATABASE_URL", url)]).unwrap_err();
        assert!(
            text.contains("`DATABASE_URL`") && text.contains("help:"),
            "{text}"
        );
        assert!(!text.contains("sesame"), "{text}");
    }
}
