//! `pg_dump`: the schema, the data, and whether both are those of a real server.

use crate::{printed, program};
use tokio::process::Command;

/// Of these every program writes another one each time, or each server its own.
const DIFFER: &[&str] = &[
    r"\restrict ",
    r"\unrestrict ",
    "-- Dumped ",
    // What a rollback leaves of a sequence is no one's business.
    "SELECT pg_catalog.setval(",
    // heirloom's templates keep autovacuum off.
    "WITH (autovacuum_enabled='false'",
];

async fn dump(url: &str, arguments: &[&str]) -> String {
    let output = Command::new(program("pg_dump"))
        .args(["--exclude-table=_sqlx_migrations*", "--no-owner"])
        .args(arguments)
        .arg(url)
        .output()
        .await
        .expect("pg_dump is there");
    let text = printed("pg_dump", &output);
    let differs = |line: &&str| DIFFER.iter().any(|start| line.starts_with(start));
    let lines = text.lines().filter(|line| !differs(line));
    // With the line above taken out, this closes a table on a line of its own.
    lines
        .map(|line| line.trim_end_matches(';'))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Enough rows that they do not fit into one message.
const ROWS: &str = r"
INSERT INTO guests (id, email, name)
    SELECT 900000000 + i, 'dump-' || i || '@h', repeat(E'\ttab\\ é ', i % 50) FROM generate_series(1, 3000) i;
INSERT INTO visits (id, guest, note) SELECT 900000000 + i, 900000000 + i, '' FROM generate_series(1, 100) i;
";

/// The schema is the same as at `real`, a server's own database that was migrated the same way; so is the data, once
/// both hold the same rows. They are written to both.
pub async fn dumps_the_same(url: &str, real: &str) {
    let schema = dump(url, &["--schema-only"]).await;
    assert_eq!(schema, dump(real, &["--schema-only"]).await);
    for part in [
        "CREATE TABLE public.guests",
        "CREATE VIEW public.regulars",
        "CREATE FUNCTION public.greet",
        "DEFERRABLE INITIALLY DEFERRED",
    ] {
        assert!(schema.contains(part), "{part}:\n{schema}");
    }
    for url in [url, real] {
        fill(url).await;
    }
    for form in [
        &["--data-only"][..],
        &["--data-only", "--rows-per-insert=100"],
    ] {
        let data = dump(url, form).await;
        assert!(data.contains("dump-3000@h") && data.contains('\u{e9}'));
        // In which order rows lie in a table's file is no one's business either.
        assert_eq!(rows(&data), rows(&dump(real, form).await));
    }
}

fn rows(data: &str) -> Vec<&str> {
    let mut rows: Vec<_> = data
        .lines()
        .map(|line| line.trim_end_matches([',', ';']))
        .collect();
    rows.sort_unstable();
    rows
}

async fn fill(url: &str) {
    let output = Command::new(program("psql"))
        .args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"])
        .args(["-c", ROWS])
        .arg(url)
        .output()
        .await;
    let said = printed("psql", &output.expect("psql is there"));
    assert_eq!(said, "");
}
