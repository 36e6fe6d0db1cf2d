use super::*;
use proptest::prelude::*;
use std::str::FromStr as _;

/// A test process may have been started with any of these.
fn has_pg_variables() -> bool {
    std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("PG"))
}

fn config(url: &str) -> Config {
    Config::from_url(url).unwrap()
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp(host.to_owned(), port)
}

fn unix(path: &str) -> Address {
    Address::Unix(path.into())
}

#[test]
fn urls_are_read_as_sqlx_reads_them() {
    #[rustfmt::skip]
    let table = [
        ("postgres://ada:pw@db.example:6432/shop", tcp("db.example", 6432), "ada", Some("pw"), "shop"),
        ("postgresql://ada@db.example/shop", tcp("db.example", 5432), "ada", None, "shop"),
        ("postgres://ada@db.example", tcp("db.example", 5432), "ada", None, "ada"),
        ("postgres://ada:p%40ss%2Fw%23%3A%20%2B+@db/shop", tcp("db", 5432), "ada", Some("p@ss/w#: ++"), "shop"),
        ("postgres://a%40b:x@db/my%20shop", tcp("db", 5432), "a@b", Some("x"), "my shop"),
        ("postgres://ada:p@ssw0rd@db/shop", tcp("db", 5432), "ada", Some("p@ssw0rd"), "shop"),
        ("postgres://ada:%C3%A4%F0%9F%A6%80@db/shop", tcp("db", 5432), "ada", Some("ä🦀"), "shop"),
        ("postgres://ada:x@[::1]:5433/shop", tcp("::1", 5433), "ada", Some("x"), "shop"),
        ("postgres://ada@127.0.0.1/shop", tcp("127.0.0.1", 5432), "ada", None, "shop"),
        ("postgres:///shop?host=/run/pg&user=ada", unix("/run/pg/.s.PGSQL.5432"), "ada", None, "shop"),
        ("postgres:///shop?host=/run/pg&port=6000&user=ada&password=a%26b", unix("/run/pg/.s.PGSQL.6000"), "ada", Some("a&b"), "shop"),
        ("postgres://ada@%2Frun%2Fpg/shop", unix("/run/pg/.s.PGSQL.5432"), "ada", None, "shop"),
        ("postgres:///?host=h&dbname=d&user=u", tcp("h", 5432), "u", None, "d"),
        ("postgres:///d?hostaddr=10.0.0.1&user=u", tcp("10.0.0.1", 5432), "u", None, "d"),
        // The last one wins, and the query wins over the rest.
        ("postgres://a:b@h:1/d?user=u&password=p&host=k&port=2&dbname=e", tcp("k", 2), "u", Some("p"), "e"),
        // sqlx takes the socket wherever it was named.
        ("postgres://u@h/d?host=/run/pg", unix("/run/pg/.s.PGSQL.5432"), "u", None, "d"),
        ("postgres://u@h/d?channel_binding=require&nonsense=1", tcp("h", 5432), "u", None, "d"),
    ];
    for (url, address, user, password, database) in table {
        let read = config(url);
        assert_eq!(*read.address(), address, "{url}");
        assert_eq!(read.user(), user, "{url}");
        assert_eq!(read.password(), password, "{url}");
        assert_eq!(read.database(), database, "{url}");
        let sqlx = PgConnectOptions::from_str(url).unwrap();
        let back = read.options(true);
        assert_eq!(back.get_host(), sqlx.get_host(), "{url}");
        assert_eq!(back.get_port(), sqlx.get_port(), "{url}");
        assert_eq!(back.get_socket(), sqlx.get_socket(), "{url}");
        assert_eq!(back.get_username(), sqlx.get_username(), "{url}");
        assert_eq!(back.get_database(), sqlx.get_database(), "{url}");
    }
}

#[test]
fn tls_settings_are_read_as_sqlx_reads_them() {
    let file = |path: &str| Some(Pem::File(path.into()));
    let read = config(
        "postgres://u@h/d?sslmode=verify-full&sslrootcert=/a/ca.crt&sslcert=/a%20b/c.crt&sslkey=/k.key",
    );
    assert!(matches!(read.ssl_mode(), PgSslMode::VerifyFull));
    assert_eq!(read.certificates().root, file("/a/ca.crt"));
    assert_eq!(read.certificates().client, file("/a b/c.crt"));
    assert_eq!(read.certificates().key, file("/k.key"));
    let read = config("postgres://u@h/d?ssl-mode=Require&ssl-ca=ca&ssl-cert=c&ssl-key=k");
    assert!(matches!(read.ssl_mode(), PgSslMode::Require));
    assert_eq!(read.certificates().root, file("ca"));
    assert_eq!(read.certificates().client, file("c"));
    assert_eq!(read.certificates().key, file("k"));
    let pem = "-----BEGIN CERTIFICATE-----\nAB+/=\n-----END CERTIFICATE-----\n";
    let options = PgConnectOptions::from_str("postgres://u@h/d").unwrap();
    let read = Config::from(options.ssl_client_cert_from_pem(pem));
    assert_eq!(
        read.certificates().client,
        Some(Pem::Inline(pem.to_owned()))
    );
    assert_eq!(read.certificates().root, None);
}

#[test]
fn a_unix_socket_is_never_encrypted() {
    let read = config("postgres:///d?host=/run/pg&sslmode=require");
    assert!(matches!(read.ssl_mode(), PgSslMode::Disable));
}

#[test]
fn sqlx_is_told_what_the_server_agreed_to() {
    for (mode, with, without) in [
        ("disable", "Require", "Disable"),
        ("allow", "Require", "Disable"),
        ("prefer", "Require", "Disable"),
        ("require", "Require", "Disable"),
        ("verify-ca", "VerifyCa", "Disable"),
        ("verify-full", "VerifyFull", "Disable"),
    ] {
        let read = config(&format!("postgres://u@h/d?sslmode={mode}"));
        let modes = [true, false].map(|tls| format!("{:?}", read.options(tls).get_ssl_mode()));
        assert_eq!(modes, [with, without], "{mode}");
    }
}

#[test]
fn session_settings_are_read_as_sqlx_reads_them() {
    let read = config(
        "postgres://u@h/d?application_name=my%20app&options=-c%20geqo%3Doff&options[search_path]=a%20b",
    );
    assert_eq!(read.application_name(), Some("my app"));
    assert_eq!(read.switches(), Some(r"-c geqo=off -c search_path=a\ b"));
    assert_eq!(read.switches(), read.options(true).get_options());
}

#[test]
fn names_that_make_no_url_do_not_panic() {
    let options = PgConnectOptions::from_str("postgres://u:p%25q@h/d").unwrap();
    let odd = options
        .username("a/b?c#d[")
        .host("x y")
        .database("%zz")
        .socket("");
    let read = Config::from(odd);
    assert_eq!(read.password(), Some("p%q"));
    assert_eq!(*read.address(), unix("/.s.PGSQL.5432"));
}

#[test]
fn another_database_keeps_the_rest() {
    let read = config("postgres://ada:pw@h:1/d?application_name=x").with_database("e");
    assert_eq!(
        (read.database(), read.password(), read.user()),
        ("e", Some("pw"), "ada")
    );
    assert_eq!(read.options(true).get_database(), Some("e"));
    assert_eq!(read.place().to_string(), "database `e` at h:1 as `ada`");
}

#[test]
fn what_is_wrong_with_a_url_is_said_without_its_password() {
    for (url, expected) in [
        ("mysql://u:sesame@h/d", "`mysql:`, which is not PostgreSQL"),
        ("sqlite::memory:", "`sqlite:`, which is not PostgreSQL"),
        ("", "relative URL without a base"),
        ("localhost/shop", "relative URL without a base"),
        ("postgres://u:sesame@h:port/d", "invalid port number"),
        ("postgres://u:sesame@h:99999/d", "invalid port number"),
        ("postgres://u:sesame@h/d?port=x", "invalid digit"),
        (
            "postgres://u:sesame@h/d?sslmode=maybe",
            "unknown value \"maybe\"",
        ),
        ("postgres://u:sesame@h/d?hostaddr=h", "invalid IP address"),
        ("postgres://u:sesame%FF@h/d", "invalid utf-8"),
        (
            "postgres://u:sesame@h/d?statement-cache-capacity=-1",
            "invalid digit",
        ),
    ] {
        let error = Config::from_url(url).unwrap_err();
        let source = std::error::Error::source(&error);
        let text = format!(
            "{error} {}",
            source.map(ToString::to_string).unwrap_or_default()
        );
        assert!(text.contains(expected), "{url}: {text}");
        assert!(text.contains("postgres://user:password@"), "{text}");
        assert!(
            !format!("{text}{error:?}").contains("sesame"),
            "{text} {error:?}"
        );
    }
}

#[test]
fn debug_hides_the_password_and_keys() {
    let options = PgConnectOptions::from_str("postgres://ada:sesame@h/d").unwrap();
    let key = "-----BEGIN PRIVATE KEY-----\nsesame\n-----END PRIVATE KEY-----\n";
    let debug = format!("{:?}", Config::from(options.ssl_client_key_from_pem(key)));
    assert!(!debug.contains("sesame"), "{debug}");
    assert!(
        debug.contains("ada") && debug.contains("(hidden)"),
        "{debug}"
    );
}

/// Sets the variables in a process of its own, which prints what it read.
#[test]
fn variables_and_pgpass_fill_what_the_url_leaves_open() {
    let home = std::env::temp_dir().join(format!("heirloom-config-{}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let pgpass = home.join(".pgpass");
    std::fs::write(&pgpass, "# mine\nh:7000:d:u:from\\:file\n*:*:*:eve:other\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&pgpass, mode).unwrap();
    let read = |url: &str, variables: &[(&str, &str)]| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                child.env_remove(name);
            }
        }
        let out = child
            .args(["--exact", "--ignored", "--nocapture"])
            .arg(format!(
                "{}::reads_its_variables",
                module_path!().split_once("::").unwrap().1
            ))
            .envs(variables.iter().copied())
            .env("HOME", &home)
            .env("HEIRLOOM_TEST_URL", url)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let line = text.lines().find_map(|line| line.split_once("read: "));
        line.unwrap_or_else(|| panic!("{text}")).1.to_owned()
    };
    let all = [
        ("PGHOST", "h"),
        ("PGPORT", "7000"),
        ("PGUSER", "u"),
        ("PGDATABASE", "d"),
        ("PGSSLMODE", "verify-ca"),
        ("PGSSLROOTCERT", "/ca"),
        ("PGAPPNAME", "app"),
        ("PGOPTIONS", "-c geqo=off"),
    ];
    let rest = r#"VerifyCa Some("/ca") Some("app") Some("-c geqo=off")"#;
    assert_eq!(
        read("", &all),
        format!("database `d` at h:7000 as `u` Some(\"from:file\") {rest}")
    );
    let with_password = [&all[..], &[("PGPASSWORD", "env")]].concat();
    assert_eq!(
        read("postgres://", &with_password),
        format!("database `d` at h:7000 as `u` Some(\"env\") {rest}")
    );
    assert_eq!(
        read("postgres://eve@k/e?sslmode=disable", &all),
        "database `e` at k:7000 as `eve` Some(\"other\") Disable Some(\"/ca\") Some(\"app\") Some(\"-c geqo=off\")"
    );
    let socket = read("", &[("PGHOST", "/run/x"), ("PGUSER", "u")]);
    assert!(
        socket.starts_with("database `u` at /run/x/.s.PGSQL.5432 as `u` None Disable"),
        "{socket}"
    );
    let address = read(
        "",
        &[("PGHOST", "h"), ("PGHOSTADDR", "10.1.1.1"), ("PGUSER", "u")],
    );
    assert!(
        address.starts_with("database `u` at 10.1.1.1:5432"),
        "{address}"
    );
    std::fs::remove_dir_all(&home).unwrap();
}

#[test]
#[ignore = "started by `variables_and_pgpass_fill_what_the_url_leaves_open`"]
fn reads_its_variables() {
    let url = std::env::var("HEIRLOOM_TEST_URL").unwrap();
    let read = match &*url {
        "" => Config::from_env(),
        url => config(url),
    };
    println!(
        "\nread: {} {:?} {:?} {:?} {:?} {:?}",
        read.place(),
        read.password(),
        read.ssl_mode(),
        read.certificates().root,
        read.application_name(),
        read.switches()
    );
}

/// A name that a URL can have: one of dots alone means a directory there, whatever it is written as.
fn name_in_a_url() -> impl Strategy<Value = String> {
    "\\PC{1,20}".prop_filter("a directory", |name| !matches!(&**name, "." | ".."))
}

/// As a person would write it who percent-encodes everything.
fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

proptest! {
    #[test]
    fn any_name_and_password_survives_the_url(
        user in "\\PC{1,20}", password in "\\PC{1,30}", database in name_in_a_url(), port in 1_u16.., name in "\\PC{1,20}",
    ) {
        let url = format!(
            "postgres://{}:{}@h:{port}/{}?application_name={}",
            encoded(&user), encoded(&password), encoded(&database), encoded(&name),
        );
        let read = config(&url);
        prop_assert_eq!(read.user(), user);
        prop_assert_eq!(read.password(), Some(&*password));
        prop_assert_eq!(read.database(), database);
        prop_assert_eq!(read.application_name(), Some(&*name));
        prop_assert_eq!(read.address(), &tcp("h", port));
        let (debug, shown) = (format!("{read:?}"), format!("Some({password:?})"));
        prop_assert!(!debug.contains(&shown));
    }

    #[test]
    fn options_that_were_set_by_hand_survive(
        user in "\\PC{0,20}", password in "\\PC{1,30}", database in "\\PC{0,20}", host in "\\PC{0,20}",
        cert in "[ -~]{1,40}", dir in proptest::option::of("/\\PC{0,20}"),
    ) {
        let mut options = PgConnectOptions::from_str("postgres://u@h/d").unwrap()
            .username(&user).password(&password).database(&database).host(&host).ssl_client_cert(&cert);
        if let Some(dir) = &dir {
            options = options.socket(dir);
        }
        let read = Config::from(options);
        prop_assert_eq!(read.user(), user);
        prop_assert_eq!(read.password(), Some(&*password));
        prop_assert_eq!(read.database(), database);
        prop_assert_eq!(&read.certificates().client, &Some(Pem::File(cert.into())));
    }

    #[test]
    fn any_text_is_read_or_refused(url in "(postgres|postgresql)?(:|://)?\\PC{0,60}") {
        match (Config::from_url(&url), PgConnectOptions::from_str(&url)) {
            (Ok(read), Ok(sqlx)) => prop_assert_eq!(read.user(), sqlx.get_username()),
            (Err(_), _) => {}
            (Ok(_), Err(error)) => prop_assert!(false, "sqlx refuses it: {error}"),
        }
    }
}

#[test]
fn the_default_is_that_of_sqlx() {
    if !has_pg_variables() {
        let (read, sqlx) = (Config::from_env(), PgConnectOptions::new());
        assert_eq!(read.user(), sqlx.get_username());
        assert_eq!(read.database(), sqlx.get_username());
        assert!(matches!(
            read.options(true).get_ssl_mode(),
            PgSslMode::Require
        ));
    }
}
