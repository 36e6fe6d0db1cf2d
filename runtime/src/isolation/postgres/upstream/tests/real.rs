use super::throwaway::{PASSWORD, Throwaway};
use crate::isolation::postgres::config::Config;
use crate::isolation::postgres::upstream::*;

fn server() -> &'static Throwaway {
    Throwaway::get()
}

/// A statement that comes too early for a cancel runs to its end.
async fn until_asleep(process: u32) {
    let config = server().unix("postgres", "postgres");
    let mut looks = Upstream::connect(&config).await.unwrap();
    let sql =
        format!("SELECT FROM pg_stat_activity WHERE pid = {process} AND wait_event = 'PgSleep'");
    while looks.simple(&sql).await.unwrap().rows.is_empty() {}
    looks.close().await;
}

async fn who(config: &Config) -> String {
    let mut upstream = Upstream::connect(config).await.unwrap();
    let sql = "SELECT current_user || ' ' || coalesce((SELECT version FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()), 'plain')";
    let rows = upstream.simple(sql).await.unwrap();
    let text = rows.first().unwrap().to_owned();
    upstream.close().await;
    text
}

async fn refused(config: &Config) -> String {
    let error = Upstream::connect(config).await.unwrap_err();
    let text = with_causes(&error);
    assert!(!text.contains("wörd") && !text.contains(PASSWORD), "{text}");
    text
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}\n  caused by: {error}");
        cause = error.source();
    }
    text
}

/// The server's certificate is signed with SHA-384, so a wrong hash for the channel would fail the login.
#[tokio::test]
async fn every_method_over_every_transport() {
    for (account, rest, expected) in [
        ("trusted", "postgres?sslmode=disable", "trusted plain"),
        ("trusted", "postgres?sslmode=allow", "trusted plain"),
        ("trusted", "postgres?sslmode=prefer", "trusted TLSv1.3"),
        ("trusted", "postgres?sslmode=require", "trusted TLSv1.3"),
        ("with_md5:PW", "postgres?sslmode=disable", "with_md5 plain"),
        (
            "with_md5:PW",
            "postgres?sslmode=require",
            "with_md5 TLSv1.3",
        ),
        (
            "with_clear:PW",
            "postgres?sslmode=disable",
            "with_clear plain",
        ),
        (
            "with_clear:PW",
            "postgres?sslmode=require",
            "with_clear TLSv1.3",
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=disable",
            "with_scram plain",
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=require",
            "with_scram TLSv1.3",
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=verify-ca&sslrootcert=CA",
            "with_scram TLSv1.3",
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=verify-full&sslrootcert=CA",
            "with_scram TLSv1.3",
        ),
        ("only_tls:PW", "postgres?sslmode=prefer", "only_tls TLSv1.3"),
        ("only_tls:PW", "postgres?sslmode=allow", "only_tls TLSv1.3"),
        (
            "only_plain:PW",
            "postgres?sslmode=prefer",
            "only_plain plain",
        ),
        (
            "only_plain:PW",
            "postgres?sslmode=allow",
            "only_plain plain",
        ),
        (
            "with_cert",
            "postgres?sslmode=require&sslcert=CERT&sslkey=KEY",
            "with_cert TLSv1.3",
        ),
        (
            "with_cert",
            "postgres?sslmode=verify-full&sslrootcert=CA&sslcert=CERT&sslkey=KEY",
            "with_cert TLSv1.3",
        ),
        (
            "cert_and_scram:PW",
            "postgres?sslmode=require&sslcert=CERT&sslkey=KEY",
            "cert_and_scram TLSv1.3",
        ),
    ] {
        let rest = rest
            .replace("CA", &server().file("ca.crt"))
            .replace("CERT", &server().file("client.crt"))
            .replace("KEY", &server().file("client.key"));
        let config = server().tcp(&account.replace("PW", PASSWORD), &rest);
        assert_eq!(who(&config).await, expected, "{account} {rest}");
    }
    assert_eq!(
        who(&server().unix("humble", "postgres")).await,
        "humble plain"
    );
}

#[tokio::test]
async fn scram_binds_to_the_channel() {
    let config = server().tcp(
        &format!("with_scram:{PASSWORD}"),
        "postgres?sslmode=require",
    );
    let upstream = Upstream::connect(&config).await.unwrap();
    let Stream::Tls(stream) = &upstream.stream else {
        panic!("encrypted");
    };
    // SHA-384, as the certificate is signed: had it not been used, this would say nothing.
    assert_eq!(tls::end_point(stream).unwrap().len(), 48);
    let log = std::fs::read_to_string(server().file("log")).unwrap();
    assert!(!log.contains("channel binding"), "{log}");
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn what_a_server_refuses_is_said_with_the_remedy() {
    for (account, rest, expected) in [
        (
            "with_scram:wrong",
            "postgres",
            &[
                "SQLSTATE 28P01",
                "password authentication failed",
                "as `with_scram`",
                "~/.pgpass",
            ][..],
        ),
        (
            "with_md5:wrong",
            "postgres",
            &["SQLSTATE 28P01", "correct the password"],
        ),
        ("with_clear:wrong", "postgres", &["SQLSTATE 28P01"]),
        (
            "with_scram",
            "postgres",
            &["wants a password", "PGPASSWORD"],
        ),
        ("with_md5", "postgres", &["wants a password"]),
        (
            "trusted",
            "missing",
            &[
                "SQLSTATE 3D000",
                "database `missing` at localhost:",
                "`createdb missing`",
            ],
        ),
        (
            "nobody_knows",
            "postgres",
            &[
                "SQLSTATE 28000",
                "pg_hba.conf",
                "`host postgres nobody_knows",
            ],
        ),
        // What the second attempt met, without and with TLS.
        (
            "only_plain:wrong",
            "postgres?sslmode=prefer",
            &["SQLSTATE 28P01"],
        ),
        (
            "only_tls:wrong",
            "postgres?sslmode=allow",
            &["SQLSTATE 28P01"],
        ),
        ("only_tls:PW", "missing?sslmode=allow", &["SQLSTATE 3D000"]),
        (
            "only_tls:PW",
            "postgres?sslmode=disable",
            &["SQLSTATE 28000", "no encryption"],
        ),
        (
            "only_plain:PW",
            "postgres?sslmode=require",
            &["SQLSTATE 28000", "SSL encryption"],
        ),
        ("stranger", "postgres", &["SQLSTATE 28000", "pg_hba.conf"]),
        (
            "trusted",
            "closed",
            &[
                "SQLSTATE 42501",
                "GRANT CONNECT ON DATABASE \"closed\" TO \"trusted\"",
            ],
        ),
        (
            "with_cert",
            "postgres?sslmode=require",
            &["SQLSTATE 28000", "certificate"],
        ),
        (
            "with_cert",
            "postgres?sslmode=require&sslcert=FORGED&sslkey=FKEY",
            &["help:"],
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=verify-full",
            &["not trusted", "sslrootcert="],
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=verify-ca&sslrootcert=STRANGER",
            &["not trusted"],
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=verify-ca&sslrootcert=/none/ca.crt",
            &["/none/ca.crt cannot be read", "PGSSLROOTCERT"],
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=verify-ca&sslrootcert=CONF",
            &["is not a usable PEM"],
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=require&sslcert=/c",
            &["no key", "sslkey="],
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=require&sslkey=/c",
            &["no certificate", "sslcert="],
        ),
        (
            "with_scram:PW",
            "postgres?sslmode=require&sslcert=CLIENT&sslkey=CLIENT",
            &["the key in", "not a usable PEM"],
        ),
        (
            "with_scram:PW",
            "postgres?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=CA",
            &["for another host", "verify-ca"],
        ),
    ] {
        let rest = rest
            .replace("CA", &server().file("ca.crt"))
            .replace("STRANGER", &server().file("stranger.crt"))
            .replace("FORGED", &server().file("forged.crt"))
            .replace("FKEY", &server().file("forged.key"))
            .replace("CLIENT", &server().file("client.crt"))
            .replace("CONF", &server().file("data/pg_hba.conf"));
        let config = server().tcp(&account.replace("PW", PASSWORD), &rest);
        let text = refused(&config).await;
        for expected in expected {
            assert!(text.contains(expected), "{account} {rest}:\n{text}");
        }
    }
    let config = server().unix("stranger", "postgres");
    let text = refused(&config).await;
    assert!(text.contains("CREATE ROLE \"stranger\" LOGIN"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = Config::from_url(&format!("postgres://u@{closed}/d")).unwrap();
    let error = Upstream::connect(&config).await.unwrap_err();
    assert!(error.is_transient());
    let text = error.to_string();
    assert!(
        text.contains(&format!("nothing listens on {closed}")),
        "{text}"
    );
    let config = Config::from_url("postgres:///d?host=/none&user=u").unwrap();
    let text = refused(&config).await;
    assert!(
        text.contains("no server has its socket there") && text.contains("/none/.s.PGSQL.5432"),
        "{text}"
    );
    let config = Config::from_url("postgres://u@host.invalid/d").unwrap();
    let text = refused(&config).await;
    assert!(text.contains("reach the host `host.invalid`"), "{text}");
}

#[tokio::test]
async fn parameters_and_settings_arrive() {
    let rest = "postgres?application_name=my%20app&options=-c%20geqo%3Doff&options[work_mem]=5MB";
    let mut upstream = Upstream::connect(&server().tcp("trusted", rest))
        .await
        .unwrap();
    assert_eq!(upstream.parameters()["client_encoding"], "UTF8");
    assert_eq!(upstream.parameters()["application_name"], "my app");
    assert!(upstream.parameters()["server_version"].starts_with("15"));
    let rows = upstream
        .simple("SELECT current_setting('geqo'), current_setting('work_mem'), pg_backend_pid()")
        .await
        .unwrap();
    let process = upstream.process().to_string();
    assert_eq!(
        rows.rows,
        [[
            Some("off".to_owned()),
            Some("5MB".to_owned()),
            Some(process)
        ]]
    );
    upstream
        .simple("SET application_name = 'other'")
        .await
        .unwrap();
    assert_eq!(upstream.parameters()["application_name"], "other");
}

#[tokio::test]
async fn internal_statements_answer_rows_errors_and_status() {
    let mut upstream = Upstream::connect(&server().unix("humble", "postgres"))
        .await
        .unwrap();
    let rows = upstream
        .simple("SELECT 1 AS a, NULL AS b; SELECT 'ä' AS c; ; BEGIN")
        .await
        .unwrap();
    assert_eq!(rows.columns, ["c"]);
    assert_eq!(
        rows.rows,
        [vec![Some("1".to_owned()), None], vec![Some("ä".to_owned())]]
    );
    assert_eq!(rows.tags, ["SELECT 1", "SELECT 1", "BEGIN"]);
    assert_eq!(rows.status, b'T');
    let error = upstream.simple("SELECT 1/0").await.unwrap_err();
    assert_eq!(error.code(), Some("22012"));
    assert_eq!(upstream.simple("ROLLBACK").await.unwrap().status, b'I');
    let error = upstream
        .simple("COPY pg_class TO STDOUT; CREATE TEMP TABLE t (i int); COPY t FROM STDIN")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("heirloom copies nothing here"),
        "{error}"
    );
    assert_eq!(upstream.simple("").await.unwrap().status, b'I');
    let error = upstream.simple("SELECT \0").await.unwrap_err();
    assert!(matches!(error, QueryError::Protocol(_)));
    assert_eq!(
        upstream.simple("SELECT 3").await.unwrap().first(),
        Some("3")
    );
    let error = upstream
        .simple("SELECT pg_terminate_backend(pg_backend_pid())")
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("57P01"));
    let error = upstream.simple("SELECT 1").await.unwrap_err();
    assert!(matches!(error, QueryError::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn a_cancelled_statement_ends_and_the_session_goes_on() {
    for config in [
        server().unix("humble", "postgres"),
        server().tcp("trusted", "postgres?sslmode=disable"),
        server().tcp("trusted", "postgres?sslmode=require"),
    ] {
        let mut upstream = Upstream::connect(&config).await.unwrap();
        let canceller = upstream.canceller().clone();
        let process = canceller.process();
        let (answer, sent) = tokio::join!(upstream.simple("SELECT pg_sleep(20)"), async {
            until_asleep(process).await;
            canceller.cancel().await
        });
        sent.unwrap();
        assert_eq!(answer.unwrap_err().code(), Some("57014"));
        assert_eq!(
            upstream.simple("SELECT 1").await.unwrap().first(),
            Some("1")
        );
        assert!(!format!("{canceller:?}").contains("secret"));
    }
}

/// Encrypted ones, too; and after the runtime they came from is gone.
#[test]
fn a_session_moves_between_runtimes() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    for config in [
        server().unix("humble", "postgres"),
        server().tcp("trusted", "postgres?sslmode=disable"),
        server().tcp("trusted", "postgres?sslmode=require"),
    ] {
        let first = runtime();
        let upstream = first.block_on(Upstream::connect(&config)).unwrap();
        let mut parked = upstream.park().unwrap();
        drop(first);
        for round in 0..3 {
            parked = runtime().block_on(async {
                let mut upstream = Upstream::resume(parked).unwrap();
                let rows = upstream.simple(&format!("SELECT {round}")).await.unwrap();
                assert_eq!(rows.first(), Some(&*round.to_string()));
                upstream.park().unwrap()
            });
        }
    }
}

#[tokio::test]
async fn a_closed_session_is_gone_when_close_returns() {
    let mut watch = Upstream::connect(&server().unix("postgres", "postgres"))
        .await
        .unwrap();
    for config in [
        server().unix("humble", "postgres"),
        server().tcp("trusted", "postgres?sslmode=require"),
    ] {
        let upstream = Upstream::connect(&config).await.unwrap();
        let process = upstream.process();
        upstream.close().await;
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}");
        assert_eq!(watch.simple(&sql).await.unwrap().first(), Some("0"));
    }
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_transient() {
    let mut held = Vec::new();
    let config = server().unix("creator", "template1");
    let mut admin = Upstream::connect(&server().unix("postgres", "postgres"))
        .await
        .unwrap();
    admin
        .simple("ALTER ROLE barred CONNECTION LIMIT 2")
        .await
        .unwrap();
    let config = Config::from(
        config
            .options(false)
            .username("barred")
            .database("postgres"),
    );
    let error = loop {
        match Upstream::connect(&config).await {
            Ok(upstream) => held.push(upstream),
            Err(error) => break error,
        }
        assert!(held.len() < 5);
    };
    assert_eq!(error.code(), Some("53300"));
    assert!(error.is_transient());
    assert!(error.to_string().contains("max_connections"), "{error}");
    assert_eq!(held.len(), 2);
}
