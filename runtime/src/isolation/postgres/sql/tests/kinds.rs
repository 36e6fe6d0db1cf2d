use super::super::*;
use super::{kind, kind_with};

/// Kinds with names and places are compared by how they read.
fn reads(sql: &str) -> String {
    match kind(sql) {
        Kind::Savepoint(name) => format!("savepoint {name}"),
        Kind::Release(name) => format!("release {name}"),
        Kind::RollbackTo(name) => format!("rollback to {name}"),
        Kind::Prepare(name) => format!("prepare {name}"),
        Kind::Execute(name) => format!("execute {name}"),
        Kind::Deallocate(name) => format!("deallocate {}", or_all(name)),
        Kind::Close(name) => format!("close {}", or_all(name)),
        Kind::Declare { cursor, hold } => format!("declare {cursor} {hold}"),
        Kind::Fetch(name) => format!("fetch {name}"),
        Kind::Listen(name) => format!("listen {name}"),
        Kind::Unlisten(name) => format!("unlisten {}", or_all(name)),
        Kind::Notify { channel, payload } => {
            format!("notify {channel} {}", String::from_utf8_lossy(&payload))
        }
        Kind::Reset(name) => format!("reset {}", or_all(name)),
        Kind::Set(Setting { scope, name, to }) => match to {
            Assigned::Default => format!("{scope:?} {name} default"),
            Assigned::Current => format!("{scope:?} {name} current"),
            Assigned::Written(value) => format!("{scope:?} {name} := {}", &sql[value]),
        },
        Kind::SetConstraints(Constraints { named, deferred }) => {
            let path = |path: &Vec<Name>| {
                let path: Vec<String> = path.iter().map(Name::to_string).collect();
                path.join(".")
            };
            let named: Option<Vec<String>> = named.map(|n| n.iter().map(path).collect());
            format!("constraints {named:?} {deferred}")
        }
        Kind::Barred(what) => format!("barred {what}"),
        other => format!("{other:?}"),
    }
}

fn or_all(name: Option<Name>) -> String {
    name.map_or_else(|| "all".to_owned(), |name| name.to_string())
}

fn check(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(reads(sql), *expected, "{sql}");
    }
}

#[test]
fn transactions_are_read_to_their_end() {
    let modes = Modes {
        isolation: Some(Isolation::Serializable),
        read_only: Some(true),
        deferrable: Some(false),
    };
    let begin = "BEGIN WORK ISOLATION LEVEL READ COMMITTED, read only not deferrable, \
                 isolation/**/level serializable";
    assert_eq!(kind(begin), Kind::Begin(modes));
    let plain = Kind::Begin(Modes::default());
    for sql in ["begin", "Begin transaction", "start transaction"] {
        assert_eq!(kind(sql), plain, "{sql}");
    }
    for (sql, chain) in [
        ("commit", false),
        ("END work and no chain", false),
        ("commit and chain", true),
    ] {
        assert_eq!(kind(sql), Kind::Commit { chain }, "{sql}");
    }
    for (sql, chain) in [
        ("rollback", false),
        ("abort transaction", false),
        ("ROLLBACK WORK AND CHAIN", true),
    ] {
        assert_eq!(kind(sql), Kind::Rollback { chain }, "{sql}");
    }
    for malformed in [
        "begin isolation",
        "begin read only,",
        "start",
        "commit x",
        "end and",
        "rollback to",
        "abort to x",
        "savepoint select",
        "savepoint left",
        "savepoint 'a'",
        "release savepoint a b",
        "commit prepared x",
        "start work",
        "begin \"transaction\"",
        "rollback to savepoint savepoint savepoint",
    ] {
        assert_eq!(kind(malformed), Kind::Malformed, "{malformed}");
    }
    assert_eq!(
        kind("prepare transaction 'a''b'"),
        Kind::PrepareTransaction(b"a'b".to_vec())
    );
    assert_eq!(
        kind("commit prepared E'\\x41'"),
        Kind::CommitPrepared(b"A".to_vec())
    );
    assert_eq!(
        kind("rollback prepared $$x$$"),
        Kind::RollbackPrepared(b"x".to_vec())
    );
}

#[test]
fn names_are_folded_unquoted_and_cut() {
    check(&[
        ("savepoint Ab", "savepoint ab"),
        ("savepoint ÉÀ", "savepoint ÉÀ"),
        ("savepoint \"A\"\"b\"", "savepoint A\"b"),
        ("savepoint u&\"d\\0061t\\+000061\"", "savepoint data"),
        ("savepoint u&\"d!0061!!\" uescape '!'", "savepoint da!"),
        ("savepoint savepoint", "savepoint savepoint"),
        ("release savepoint", "release savepoint"),
        ("release savepoint x", "release x"),
        ("rollback work to savepoint \"X\"", "rollback to X"),
        ("rollback to savepoint", "rollback to savepoint"),
        ("savepoint a$1", "savepoint a$1"),
    ]);
    let long = format!("savepoint {}", "é".repeat(40));
    assert_eq!(reads(&long), format!("savepoint {}", "é".repeat(31)));
    for malformed in [
        "savepoint u&\"\\\"",
        "savepoint u&\"\\d83d\"",
        "savepoint u&\"a\" uescape 'a'",
        "savepoint \"\"",
    ] {
        assert_eq!(kind(malformed), Kind::Malformed, "{malformed}");
    }
}

#[test]
fn names_say_where_they_are_written() {
    let sql = "rollback to /**/ u&\"A\" uescape '!'";
    let Kind::RollbackTo(name) = kind(sql) else {
        panic!("{sql}");
    };
    assert_eq!(&sql[name.at()], "u&\"A\" uescape '!'");
    let Kind::Savepoint(name) = kind("savepoint \"a\"\"b\"") else {
        panic!("a savepoint");
    };
    assert_eq!(name.in_quotes(), b"\"a\"\"b\"");
    assert_eq!(name.at(), 10..16);
}

#[test]
fn what_the_session_holds_is_named() {
    check(&[
        ("prepare a as select 1", "prepare a"),
        ("prepare transaction as select 1", "prepare transaction"),
        ("prepare a(int, numeric(1,2)) as select 1", "prepare a"),
        ("execute a", "execute a"),
        ("execute a(')', (1))", "execute a"),
        ("explain (analyze) execute a", "execute a"),
        ("explain analyze verbose execute a(1)", "execute a"),
        ("explain select 1", "Other"),
        ("deallocate all", "deallocate all"),
        ("deallocate prepare", "deallocate prepare"),
        ("deallocate prepare \"ALL\"", "deallocate ALL"),
        ("declare c cursor for select 1", "declare c false"),
        (
            "declare c no scroll binary cursor with hold for select 1",
            "declare c true",
        ),
        (
            "declare c scroll cursor without hold for select 1",
            "declare c false",
        ),
        ("fetch next from c", "fetch c"),
        ("move next", "fetch next"),
        ("fetch -3 c", "fetch c"),
        ("close all", "close all"),
        ("close c", "close c"),
        ("listen \"C\"", "listen C"),
        ("unlisten *", "unlisten all"),
        ("unlisten c", "unlisten c"),
        ("notify c", "notify c "),
        ("notify c, 'a' --\n'b'", "notify c ab"),
        ("notify c, U&'\\0041;'", "notify c A;"),
        ("discard temporary", "Discard(Temporary)"),
        ("lock t", "Lock"),
        ("do $$begin commit; end$$", "Do"),
        ("call p()", "Call"),
        ("prepare a", "Malformed"),
        ("execute a b", "Malformed"),
        ("notify c, N'a'", "Malformed"),
        ("discard", "Malformed"),
        ("declare c cursor select 1", "Malformed"),
    ]);
    let escaped = kind_with(r"notify c, 'a\n\''", Strings::Escaping);
    assert!(matches!(escaped, Kind::Notify { payload, .. } if payload == b"a\n'"));
}

#[test]
fn settings_are_named_as_the_server_names_them() {
    check(&[
        ("set Work_Mem to '1MB'", "Session work_mem := '1MB'"),
        (
            "set session \"DateStyle\" = iso, dmy ",
            "Session datestyle := iso, dmy",
        ),
        ("set local App.X=-1", "Local app.x := -1"),
        ("set local.x = 1", "Session local.x := 1"),
        ("set session to 1", "Session session := 1"),
        ("set local session = 1", "Local session := 1"),
        ("set constraints to 1", "Session constraints := 1"),
        ("set a to default", "Session a default"),
        ("set a from current", "Session a current"),
        ("set time zone 'UTC'", "Session timezone := 'UTC'"),
        ("set local time zone local", "Local timezone default"),
        ("set names", "Session client_encoding default"),
        ("set names 'utf8'", "Session client_encoding := 'utf8'"),
        ("set schema 'a'", "Session search_path := 'a'"),
        ("set role bob", "Session role := bob"),
        ("set local role none", "Local role := none"),
        ("set role to bob", "Session role := bob"),
        (
            "set session authorization default",
            "Session session_authorization default",
        ),
        (
            "set session session authorization 'bob'",
            "Session session_authorization := 'bob'",
        ),
        (
            "set local session authorization bob",
            "Local session_authorization := bob",
        ),
        ("set xml option document", "Session xmloption := document"),
        ("reset all", "reset all"),
        ("reset \"Work_mem\"", "reset work_mem"),
        ("reset time zone", "reset timezone"),
        ("reset session authorization", "reset session_authorization"),
        (
            "reset transaction isolation level",
            "reset transaction_isolation",
        ),
        ("set constraints all deferred", "constraints None true"),
        (
            "set constraints a, \"S\".b immediate",
            "constraints Some([\"a\", \"S.b\"]) false",
        ),
        ("set", "Malformed"),
        ("set local", "Malformed"),
        ("set a", "Malformed"),
        ("set a to", "Malformed"),
        ("set role", "Malformed"),
        ("set transaction", "Malformed"),
        ("set constraints all", "Malformed"),
        ("reset", "Malformed"),
    ]);
    let serializable = Modes {
        isolation: Some(Isolation::Serializable),
        ..Modes::default()
    };
    let level = "isolation level serializable";
    assert_eq!(
        kind(&format!("set transaction {level}")),
        Kind::SetTransaction(serializable)
    );
    assert_eq!(
        kind(&format!("set local transaction {level}")),
        Kind::SetTransaction(serializable)
    );
    assert_eq!(
        kind(&format!(
            "set session characteristics as transaction {level}"
        )),
        Kind::SetCharacteristics(serializable)
    );
    assert_eq!(
        kind("set transaction snapshot 'a'"),
        Kind::SetSnapshot(b"a".to_vec())
    );
}

#[test]
fn copies_say_between_whom() {
    check(&[
        ("copy t from stdin", "Copy(In)"),
        (
            "copy s.\"T\" (a, b) from stdin with (format csv)",
            "Copy(In)",
        ),
        ("copy binary t from stdout", "Copy(In)"),
        (
            "copy (select ')' from (values (1)) x) to stdout",
            "Copy(Out)",
        ),
        ("copy t to stdin", "Copy(Out)"),
        ("copy t from '/stdin'", "Copy(Elsewhere)"),
        ("copy t to program 'x'", "Copy(Elsewhere)"),
        ("copy (select 1) from stdin", "Malformed"),
        ("copy t", "Malformed"),
    ]);
}

#[test]
fn what_a_transaction_block_bars_is_told() {
    check(&[
        ("vacuum full t", "barred VACUUM"),
        ("create database a", "barred CREATE DATABASE"),
        ("drop database a", "barred DROP DATABASE"),
        (
            "create tablespace a location 'x'",
            "barred CREATE TABLESPACE",
        ),
        ("drop tablespace a", "barred DROP TABLESPACE"),
        (
            "create unique index concurrently on t(a)",
            "barred CREATE INDEX CONCURRENTLY",
        ),
        ("create index \"concurrently\" on t(a)", "Ddl"),
        (
            "drop index concurrently a",
            "barred DROP INDEX CONCURRENTLY",
        ),
        ("drop index a", "Ddl"),
        ("reindex table t", "Other"),
        ("reindex (concurrently off) table t", "Other"),
        (
            "reindex (verbose, concurrently) table t",
            "barred REINDEX CONCURRENTLY",
        ),
        (
            "reindex index concurrently t",
            "barred REINDEX CONCURRENTLY",
        ),
        ("reindex schema s", "barred REINDEX SCHEMA"),
        ("alter system reset all", "barred ALTER SYSTEM"),
        (
            "alter database d set tablespace t",
            "barred ALTER DATABASE SET TABLESPACE",
        ),
        ("alter database d set tablespace to t", "Ddl"),
        (
            "alter table t detach partition p concurrently",
            "barred ALTER TABLE ... DETACH CONCURRENTLY",
        ),
        ("alter table t detach partition p", "Ddl"),
        ("alter type t add value 'a'", "Ddl"),
        ("cluster", "barred CLUSTER"),
        ("cluster verbose", "barred CLUSTER"),
        ("cluster t", "Other"),
        (
            "create subscription s connection '' publication p",
            "barred CREATE SUBSCRIPTION ... WITH (create_slot = true)",
        ),
        (
            "create subscription s connection '' publication p with (connect=false)",
            "Ddl",
        ),
        (
            "alter subscription s refresh publication",
            "barred ALTER SUBSCRIPTION ... REFRESH",
        ),
        (
            "alter subscription s add publication p with (refresh = 'off')",
            "Ddl",
        ),
        ("alter subscription s disable", "Ddl"),
        ("create table t (a int)", "Ddl"),
        ("import foreign schema a from server b into c", "Ddl"),
        ("grant select on t to a", "Other"),
    ]);
    assert_eq!(kind("discard all").barred(), Some("DISCARD ALL"));
    assert_eq!(
        kind("commit prepared 'a'").barred(),
        Some("COMMIT PREPARED")
    );
    assert_eq!(kind("discard plans").barred(), None);
}

#[test]
fn only_the_ends_of_a_transaction_are_taken_after_an_error() {
    for sql in [
        "commit",
        "rollback",
        "rollback to a",
        "prepare transaction 'a'",
        "abort",
    ] {
        assert!(kind(sql).ends_failed_transaction(), "{sql}");
    }
    for sql in [
        "savepoint a",
        "release a",
        "select 1",
        "begin",
        "commit prepared 'a'",
    ] {
        assert!(!kind(sql).ends_failed_transaction(), "{sql}");
    }
}

#[test]
fn everything_else_is_read_no_further() {
    for sql in [
        "select 1",
        "(select 1)",
        "insert into t values (1)",
        "table t",
        "$1",
        "\"begin\"",
        "beginning",
        "é",
    ] {
        assert_eq!(kind(sql), Kind::Other, "{sql}");
    }
    assert_eq!(classify(b" -- nothing", Strings::Standard), Kind::Empty);
    assert!(name::keywords_are_sorted());
}
