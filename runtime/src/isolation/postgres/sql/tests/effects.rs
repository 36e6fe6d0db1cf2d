//! What statements do to the session beside their own work: temporary tables, calls of `set_config`.

use super::super::{AtCommit, Configured, Kind, Strings, classify};

fn kind(sql: &str) -> Kind {
    classify(sql.as_bytes(), Strings::Standard)
}

fn temporary(sql: &str) -> Option<(String, Option<AtCommit>)> {
    match kind(sql) {
        Kind::Temporary { table, at_commit } => Some((table.to_string(), at_commit)),
        _ => None,
    }
}

fn calls(sql: &str) -> Vec<(String, Option<String>, bool)> {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let read = |call: &Configured| (text(&call.name), call.value.as_ref().map(text), call.local);
    match kind(sql) {
        Kind::Configure(calls) => calls.iter().map(read).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn temporary_tables_are_known_by_what_becomes_of_them() {
    for (sql, expected) in [
        ("CREATE TEMP TABLE tt (n int)", None),
        (
            "create local temporary table TT (n int) on commit drop",
            Some(AtCommit::Drop),
        ),
        (
            "CREATE TEMP TABLE IF NOT EXISTS pg_temp.tt ON COMMIT DELETE ROWS AS SELECT 1",
            Some(AtCommit::DeleteRows),
        ),
        ("CREATE TEMP TABLE tt (n int) ON COMMIT PRESERVE ROWS", None),
    ] {
        let expected = Some(("tt".to_owned(), expected));
        assert_eq!(temporary(sql), expected, "{sql}");
    }
    assert_eq!(kind("CREATE TEMP SEQUENCE s"), Kind::Ddl);
}

#[test]
fn set_config_is_read_as_far_as_its_arguments_are_constants() {
    let one = |name: &str, value: Option<&str>, local| {
        vec![(name.to_owned(), value.map(str::to_owned), local)]
    };
    for (sql, expected) in [
        (
            "SELECT set_config('App.Tenant', '7', true)",
            one("app.tenant", Some("7"), true),
        ),
        (
            "SELECT pg_catalog.set_config('work_mem', $1, false)",
            one("work_mem", None, false),
        ),
        (
            "SELECT 1, set_config('a.b', coalesce($1, 'x, y'), true), 2",
            one("a.b", None, true),
        ),
    ] {
        assert_eq!(calls(sql), expected, "{sql}");
    }
    // Which setting it is, or for how long, is only known when it runs.
    assert_eq!(kind("SELECT set_config($1, 'x', true)"), Kind::Other);
    assert_eq!(kind("SELECT set_config('a.b', 'x', $1)"), Kind::Other);
    assert_eq!(kind("SELECT 'set_config'"), Kind::Other);
}

#[test]
fn definitions_that_may_bring_deferred_constraints_stand_out() {
    let sql = "CREATE TABLE d (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)";
    assert_eq!(kind(sql), Kind::Deferring);
    assert_eq!(kind("CREATE TABLE d (id int UNIQUE)"), Kind::Ddl);
}

#[test]
fn a_snapshot_is_taken_for_what_reads_or_writes() {
    for (sql, takes) in [
        ("SELECT 1", true),
        ("INSERT INTO t VALUES (1)", true),
        ("SHOW work_mem", false),
        ("SET work_mem = 1", false),
        ("LOCK TABLE t", false),
        ("SAVEPOINT a", false),
        ("FETCH 1 FROM c", false),
    ] {
        assert_eq!(kind(sql).takes_snapshot(), takes, "{sql}");
    }
}
