use super::*;
use crate::isolation::schema::Schema;
use std::time::Duration;

#[tokio::test]
async fn a_template_is_made_once_and_found_again() {
    let suite = Suite::new("once", NOTES).await;
    let config = app("once");
    let (template, session) = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap();
    assert!(
        template.name().starts_with("once_heirloom_"),
        "{}",
        template.name()
    );
    let mut session = session.unwrap();
    assert_eq!(
        session
            .simple("SELECT current_database()")
            .await
            .unwrap()
            .first(),
        Some(template.name())
    );
    assert_eq!(
        session
            .simple("SELECT count(*) FROM notes")
            .await
            .unwrap()
            .first(),
        Some("1")
    );
    assert_eq!(
        session
            .simple("SELECT count(*) FROM _sqlx_migrations WHERE success")
            .await
            .unwrap()
            .first(),
        Some("2")
    );
    let made = "SELECT oid FROM pg_database WHERE datname = current_database()";
    let made = session.simple(made).await.unwrap();
    let (again, session) = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap();
    assert_eq!(again.name(), template.name());
    let oid = "SELECT oid FROM pg_database WHERE datname = current_database()";
    assert_eq!(session.unwrap().simple(oid).await.unwrap().rows, made.rows);
    assert_eq!(databases("once").await, [template.name()]);
    let comment = ask(
        &config.with_database("postgres"),
        &format!(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{}'",
            template.name()
        ),
    )
    .await
    .unwrap();
    assert!(
        comment.starts_with("heirloom: template, used 1") && comment.ends_with(", of once"),
        "{comment}"
    );
}

#[tokio::test]
async fn tables_are_kept_from_autovacuum_and_have_statistics() {
    let files = [
        NOTES,
        &[
            ("3_parts.sql", "CREATE SCHEMA \"Odd one\"; CREATE TABLE \"Odd one\".\"T\" (i int); CREATE TABLE p (i int) PARTITION BY RANGE (i); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9)"),
        ],
    ]
    .concat();
    let suite = Suite::new("statistics", &files).await;
    let (_, session) = ensure(&app("statistics"), &suite.wanted(Purpose::Sessions))
        .await
        .unwrap();
    let mut session = session.unwrap();
    let without = session
        .simple("SELECT relname FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace::regnamespace::text !~ '^pg_|^information_schema' AND NOT coalesce('autovacuum_enabled=false' = ANY (reloptions), false)")
        .await.unwrap();
    assert_eq!(without.rows, Vec::<Vec<Option<String>>>::new());
    let toast = session
        .simple("SELECT count(*) FROM pg_class WHERE relkind = 't' AND 'autovacuum_enabled=false' = ANY (reloptions)")
        .await.unwrap();
    assert_ne!(toast.first(), Some("0"));
    let unknown = session
        .simple("SELECT relname FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace::regnamespace::text !~ '^pg_|^information_schema' AND reltuples < 0")
        .await.unwrap();
    assert_eq!(unknown.rows, Vec::<Vec<Option<String>>>::new());
}

#[tokio::test]
async fn a_changed_schema_or_extension_is_another_template() {
    let mut suite = Suite::new("changed", NOTES).await;
    let config = app("changed");
    let first = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap()
        .0;
    suite.hash.push('2');
    let second = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap()
        .0;
    let other = app("changed_not").with_database("changed_too");
    let third = ensure(&other, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap()
        .0;
    suite.extensions.push("plpgsql".to_owned());
    let fourth = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap()
        .0;
    let source = ensure(&config, &suite.wanted(Purpose::Source))
        .await
        .unwrap()
        .0;
    let names: std::collections::HashSet<_> = [&first, &second, &third, &fourth, &source]
        .map(Template::name)
        .into();
    assert_eq!(names.len(), 5);
}

#[tokio::test]
async fn eight_tasks_at_once_make_one() {
    let suite = std::sync::Arc::new(Suite::new("tasks", NOTES).await);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let suite = std::sync::Arc::clone(&suite);
            tokio::spawn(async move {
                let (template, session) = ensure(&app("tasks"), &suite.wanted(Purpose::Sessions))
                    .await
                    .unwrap();
                let mut session = session.unwrap();
                let oid = session
                    .simple("SELECT oid FROM pg_database WHERE datname = current_database()")
                    .await
                    .unwrap();
                (template.name().to_owned(), oid.rows)
            })
        })
        .collect();
    let mut made = Vec::new();
    for task in tasks {
        made.push(task.await.unwrap());
    }
    made.dedup();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(databases("tasks").await, [&*made[0].0]);
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_and_says_which_and_why() {
    let files = [
        NOTES,
        &[(
            "3_broken_thing.sql",
            "CREATE TABLE ok (i int);\nINSERT INTO nowhere VALUES (1)",
        )],
    ]
    .concat();
    let suite = Suite::new("failing", &files).await;
    let schema = Schema::Directory(suite.dir.clone());
    let resolved = schema.resolve().await.unwrap();
    let wanted = Wanted {
        migrator: resolved.migrator(),
        hash: &resolved.hash,
        ..suite.wanted(Purpose::Sessions)
    };
    for _ in 0..2 {
        let error = ensure(&app("failing"), &wanted).await.unwrap_err();
        let text = whole(&error);
        assert!(
            text.contains("relation \"nowhere\" does not exist"),
            "{text}"
        );
        assert!(text.contains("while executing migration 3"), "{text}");
        assert_eq!(databases("failing").await, Vec::<String>::new());
        let TemplateError::Migrate { source, .. } = error else {
            panic!("{error}");
        };
        // As the caller words it.
        let text = whole(&resolved.failed(&schema, *source));
        assert!(
            text.contains("migration 3 (broken thing) failed")
                && text.contains("3_broken_thing.sql"),
            "{text}"
        );
        assert!(
            text.contains("relation \"nowhere\" does not exist"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_role_without_the_right_is_told_which_one() {
    let suite = Suite::new("humble", NOTES).await;
    for purpose in [Purpose::Sessions, Purpose::Source] {
        let config = server().unix("humble", "shop");
        let text = ensure(&config, &suite.wanted(purpose))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("role `humble` may not create databases"),
            "{text}"
        );
        assert!(
            text.contains("`ALTER ROLE \"humble\" CREATEDB`")
                && text.contains("database `shop` as it is, with `migrations = false`"),
            "{text}"
        );
    }
    assert_eq!(databases("shop").await, Vec::<String>::new());
}

#[tokio::test]
async fn extensions_come_before_the_migrations() {
    let files = [("1_x.sql", "CREATE TABLE t (c citext)")];
    let mut suite = Suite::new("extensions", &files).await;
    suite.extensions = vec!["citext".to_owned()];
    match ensure(&app("extensions"), &suite.wanted(Purpose::Sessions)).await {
        Ok(_) => {}
        // `postgresql-contrib` is not everywhere.
        Err(TemplateError::Extension { error, .. }) => {
            assert!(error.message.contains("citext"), "{error}");
        }
        Err(other) => panic!("{other}"),
    }
    suite.extensions = vec!["no such thing".to_owned()];
    let text = ensure(&app("extensions"), &suite.wanted(Purpose::Sessions))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("extension `no such thing` cannot be created")
            && text.contains("`template1`"),
        "{text}"
    );
    assert!(
        !databases("extensions")
            .await
            .iter()
            .any(|name| name.ends_with("_new"))
    );
}

#[tokio::test]
async fn odd_names_are_quoted() {
    let suite = Suite::new("odd", NOTES).await;
    for base in [
        "My \"Shop\"; it's a\\b",
        "läden-🦀-läden-🦀-läden-🦀-läden-🦀",
    ] {
        let config = Config::from(server().unix("creator", "x").options(false).database(base));
        let (template, _session) = ensure(&config, &suite.wanted(Purpose::Sessions))
            .await
            .unwrap();
        assert!(template.name().len() <= 63);
        assert_eq!(count(template.config()).await.as_deref(), Some("1"));
        let (again, _session) = ensure(&config, &suite.wanted(Purpose::Sessions))
            .await
            .unwrap();
        assert_eq!(again.name(), template.name());
        // Another schema looks through all of the family.
        let mut other = Suite::of(&suite.dir, "odd too").await;
        ensure(&config, &other.wanted(Purpose::Sessions))
            .await
            .unwrap();
        other.dir = PathBuf::new();
    }
}

#[tokio::test]
async fn every_way_to_log_in_works_for_the_migrations_as_well() {
    let suite = Suite::new("ways", NOTES).await;
    admin().await.simple("ALTER ROLE only_tls CREATEDB; ALTER ROLE only_plain CREATEDB; ALTER ROLE with_scram CREATEDB").await.unwrap();
    let encrypted: &[_] = if cfg!(feature = "postgres-tls") {
        &[
            ("only_tls", "ways1?sslmode=prefer"),
            ("only_tls", "ways2?sslmode=allow"),
        ]
    } else {
        &[]
    };
    let plain = &[
        ("only_plain", "ways3?sslmode=prefer"),
        ("with_scram", "ways4?sslmode=disable"),
    ];
    for (role, rest) in encrypted.iter().chain(plain) {
        let config = server().tcp(&format!("{role}:p%3A%40ss%2Fw%C3%B6rd"), rest);
        let (template, _session) = ensure(&config, &suite.wanted(Purpose::Sessions))
            .await
            .unwrap();
        assert_eq!(count(template.config()).await.as_deref(), Some("1"));
    }
}

/// Sleeps until [`wake`] cancels that, which is no error. An advisory lock could not be held against it: those are of one
/// database, and that of the migration is not there before.
const SLEEPS: &str =
    "DO $$ BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END $$";

/// Waits until a migration of this application sleeps: by then the template is locked. Its server process.
async fn until_asleep(application: &str) -> String {
    let mut looks = admin().await;
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname LIKE 'busy_heirloom_%' AND wait_event = 'PgSleep' \
         AND application_name = '{application}'"
    );
    loop {
        if let Some(process) = looks.simple(&sql).await.unwrap().first() {
            return process.to_owned();
        }
    }
}

async fn wake(process: &str) {
    let sql = format!("SELECT pg_cancel_backend({process})");
    admin().await.simple(&sql).await.unwrap();
}

#[tokio::test]
async fn whoever_waits_too_long_is_told_for_whom() {
    let suite = Suite::new("busy", &[("1_slow.sql", SLEEPS)]).await;
    let slow = server()
        .unix("creator", "busy")
        .options(false)
        .application_name("slow one");
    let slow = Config::from(slow);
    let wanted = suite.wanted(Purpose::Sessions);
    let (made, text) = tokio::join!(ensure(&slow, &wanted), async {
        let asleep = until_asleep("slow one").await;
        let wanted = Wanted {
            patience: Duration::from_millis(50),
            ..wanted
        };
        let text = ensure(&app("busy"), &wanted).await.unwrap_err().to_string();
        wake(&asleep).await;
        text
    });
    made.unwrap();
    assert!(
        text.contains("waited 50ms for the template database `busy_heirloom_"),
        "{text}"
    );
    assert!(text.contains("`slow one` (server process "), "{text}");
}

/// Makes a template look as if it had been used last that long ago.
async fn age(template: &str, base: &str, age: Duration) {
    let sql = format!(
        "SELECT extract(epoch FROM now())::bigint - {}",
        age.as_secs()
    );
    let mut admin = admin().await;
    let then = admin
        .simple(&sql)
        .await
        .unwrap()
        .first()
        .unwrap()
        .to_owned();
    let sql = format!(
        "COMMENT ON DATABASE \"{template}\" IS 'heirloom: template, used {then}, of {base}'"
    );
    admin.simple(&sql).await.unwrap();
}

#[tokio::test]
async fn old_templates_are_dropped_unless_somebody_is_in_them() {
    let mut suite = Suite::new("old", NOTES).await;
    let config = app("old");
    let long_ago = KEPT_UNUSED + Duration::from_mins(1);
    let lately = KEPT_UNUSED.saturating_sub(Duration::from_mins(1));
    let mut make = async |hash: &str| {
        suite.hash = hash.to_owned();
        ensure(&config, &suite.wanted(Purpose::Sessions))
            .await
            .unwrap()
    };
    let (unused, session) = make("unused").await;
    session.unwrap().close().await;
    let (recent, session) = make("recent").await;
    session.unwrap().close().await;
    let (entered, in_it) = make("entered").await;
    let (foreign, session) = make("foreign").await;
    session.unwrap().close().await;
    let (used_again, session) = make("used again").await;
    session.unwrap().close().await;
    let mut admin = admin().await;
    admin
        .simple("CREATE DATABASE old_heirloom_0123456789abcdef OWNER creator")
        .await
        .unwrap();
    admin
        .simple("CREATE DATABASE old_heirloom_backup OWNER creator")
        .await
        .unwrap();
    admin
        .simple("CREATE DATABASE old_heirloom_0123456789abcdee_new OWNER creator")
        .await
        .unwrap();
    for template in [&unused, &entered, &used_again] {
        age(template.name(), "old", long_ago).await;
    }
    age(recent.name(), "old", lately).await;
    age(foreign.name(), "old2", long_ago).await;
    let (same, session) = make("used again").await;
    assert_eq!(same.name(), used_again.name());
    session.unwrap().close().await;
    let (last, _session) = make("last").await;
    let mut expected = vec![
        recent.name(),
        entered.name(),
        foreign.name(),
        used_again.name(),
        last.name(),
        // No comment of ours, so not ours.
        "old_heirloom_0123456789abcdef",
        "old_heirloom_backup",
    ];
    expected.sort_unstable();
    let mut found = databases("old_heirloom_").await;
    found.sort_unstable();
    assert_eq!(found, expected);
    drop(in_it);
}

#[tokio::test]
async fn an_interrupted_removal_is_made_good() {
    let suite = Suite::new("invalid", NOTES).await;
    let config = app("invalid");
    let (template, session) = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap();
    session.unwrap().close().await;
    let sql = format!(
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{}'",
        template.name()
    );
    admin().await.simple(&sql).await.unwrap();
    let (again, session) = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap();
    assert_eq!(again.name(), template.name());
    assert_eq!(
        session
            .unwrap()
            .simple("SELECT count(*) FROM notes")
            .await
            .unwrap()
            .first(),
        Some("1")
    );
}

#[tokio::test]
async fn a_maker_that_is_cancelled_leaves_nothing_in_the_way() {
    let suite = Suite::new(
        "cancelled",
        &[(
            "1_slow.sql",
            "SELECT pg_sleep(1); CREATE TABLE notes (i int)",
        )],
    )
    .await;
    let wanted = suite.wanted(Purpose::Sessions);
    for _ in 0..2 {
        let cut = tokio::time::timeout(
            Duration::from_millis(500),
            ensure(&app("cancelled"), &wanted),
        )
        .await;
        assert!(cut.is_err());
    }
    let (template, _session) = ensure(&app("cancelled"), &wanted).await.unwrap();
    assert_eq!(count(template.config()).await.as_deref(), Some("0"));
    assert_eq!(databases("cancelled").await, [template.name()]);
}

#[tokio::test]
async fn tidying_takes_back_what_tests_left() {
    let suite = Suite::new("tidy", NOTES).await;
    let (template, session) = ensure(&app("tidy"), &suite.wanted(Purpose::Sessions))
        .await
        .unwrap();
    let mut session = session.unwrap();
    assert_eq!(tidy(&mut session).await.unwrap(), 0);
    let plan = async |session: &mut Upstream| {
        let sql = "EXPLAIN (COSTS off) SELECT * FROM tags WHERE tag = 'x'; SELECT pg_relation_size('tags')";
        session.simple(sql).await.unwrap().rows
    };
    let before = plan(&mut session).await;
    let fill = "BEGIN; INSERT INTO tags SELECT 1, repeat('x', 100) FROM generate_series(1, 5000); ROLLBACK";
    session.simple(fill).await.unwrap();
    assert_ne!(plan(&mut session).await, before);
    // Another test is at work in it meanwhile.
    let mut other = Upstream::connect(template.config()).await.unwrap();
    other
        .simple("BEGIN; SELECT count(*) FROM notes; INSERT INTO notes (body) VALUES ('mine')")
        .await
        .unwrap();
    assert_eq!(tidy(&mut session).await.unwrap(), 1);
    assert_eq!(plan(&mut session).await, before);
    assert_eq!(tidy(&mut session).await.unwrap(), 0);
    // One that is locked is not waited for.
    session.simple(fill).await.unwrap();
    other.simple("LOCK TABLE tags").await.unwrap();
    assert_eq!(tidy(&mut session).await.unwrap(), 0);
    other.simple("ROLLBACK").await.unwrap();
    assert_eq!(tidy(&mut session).await.unwrap(), 1);
    assert_eq!(plan(&mut session).await, before);
}
