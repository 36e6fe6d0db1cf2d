//! Statements about transactions and about what a session holds: savepoints, constraints, cursors, statements, channels.

use crate::random::Random;

/// What people say where the transaction stands so.
pub(super) fn fitting(random: &mut Random, status: u8) -> String {
    let sql: &[&str] = match status {
        b'E' => &[
            "ROLLBACK",
            "ROLLBACK",
            "ROLLBACK",
            "COMMIT",
            "ROLLBACK TO a",
            "ROLLBACK TO a",
            "END",
            "ABORT",
        ],
        b'T' => &["COMMIT", "COMMIT", "ROLLBACK", "END"],
        _ => &["BEGIN", "BEGIN", "START TRANSACTION", "BEGIN; SAVEPOINT a"],
    };
    random.pick(sql).to_owned()
}

pub(super) fn transaction(random: &mut Random) -> String {
    let sql = random.pick(&[
        "BEGIN",
        "BEGIN",
        "BEGIN",
        "begin work",
        "BEGIN TRANSACTION",
        "START TRANSACTION",
        "COMMIT",
        "COMMIT",
        "COMMIT",
        "Commit Work",
        "COMMIT TRANSACTION",
        "END",
        "END TRANSACTION",
        "ROLLBACK",
        "ROLLBACK",
        "rollback work",
        "ABORT",
        "ABORT TRANSACTION",
        "/* c */ BEGIN -- so",
        "COMMIT /* ; */",
    ]);
    sql.to_owned()
}

/// Transactions that are read-only, or say that they are not.
pub(super) fn modes(random: &mut Random) -> String {
    let sql = random.pick(&[
        "BEGIN READ ONLY",
        "BEGIN READ WRITE",
        "START TRANSACTION READ ONLY",
        "BEGIN TRANSACTION READ WRITE, NOT DEFERRABLE",
        "SET TRANSACTION READ ONLY",
        "SET TRANSACTION READ WRITE",
        "SHOW transaction_read_only",
    ]);
    sql.to_owned()
}

/// Isolation levels; what a lone client sees does not depend on them.
pub(super) fn isolation(random: &mut Random) -> String {
    let sql = random.pick(&[
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "BEGIN ISOLATION LEVEL NONE",
    ]);
    sql.to_owned()
}

pub(super) fn chain(random: &mut Random) -> String {
    let sql = random.pick(&[
        "COMMIT AND CHAIN",
        "ROLLBACK AND CHAIN",
        "COMMIT AND NO CHAIN",
        "ROLLBACK WORK AND NO CHAIN",
        "END AND CHAIN",
        "ABORT AND CHAIN",
    ]);
    sql.to_owned()
}

/// The same names again, in each spelling, and some that another layer might use itself.
pub(super) fn savepoint(random: &mut Random) -> String {
    let name = random.pick(&["a", "a", "b", "b", "A", "\"A\"", "g", "missing", "heirloom"]);
    match random.below(9) {
        0..4 => format!("SAVEPOINT {name}"),
        4 => format!("RELEASE SAVEPOINT {name}"),
        5 => format!("RELEASE {name}"),
        6 => format!("ROLLBACK TO SAVEPOINT {name}"),
        7 => format!("ROLLBACK WORK TO {name}"),
        _ => format!("ROLLBACK TO {name}"),
    }
}

pub(super) fn constraints(random: &mut Random) -> String {
    let which = random.pick(&[
        "ALL",
        "ALL",
        "child_maybe_fkey",
        "child_later_fkey",
        "slot_place",
        "luck",
        "t.slot_place, child_maybe_fkey",
        "child_parent_fkey",
        "missing",
    ]);
    let when = random.pick(&["DEFERRED", "IMMEDIATE"]);
    format!("SET CONSTRAINTS {which} {when}")
}

/// What constraints may find wrong only at the end, and what puts it right.
pub(super) fn deferred(random: &mut Random) -> String {
    let sql = random.pick(&[
        "INSERT INTO child (later, amount) VALUES (77, 1)",
        "INSERT INTO child (later, amount) VALUES (88, 13)",
        "INSERT INTO child (amount) VALUES (13)",
        "INSERT INTO child (maybe, amount) VALUES (77, 2)",
        "INSERT INTO slot VALUES (1, 'twice')",
        "INSERT INTO slot VALUES (2, 'twice')",
        "UPDATE slot SET place = 1 WHERE place = 2",
        "DELETE FROM slot WHERE what = 'twice'",
        "INSERT INTO parent VALUES (77, 'seventy-seven')",
        "DELETE FROM child WHERE later = 77 OR maybe = 77",
        "UPDATE child SET later = 77 WHERE id = 1",
        "DELETE FROM parent WHERE id = 77",
    ]);
    sql.to_owned()
}

pub(super) fn cursor(random: &mut Random) -> String {
    let name = random.pick(&["c1", "c1", "c2", "\"C 3\""]);
    let query = random.pick(&[
        "SELECT id, name FROM parent ORDER BY id",
        "SELECT generate_series(1, 6)",
        "SELECT 10 / (3 - g) FROM generate_series(1, 5) g",
        "SELECT nowhere",
    ]);
    match random.below(14) {
        0..3 => format!("DECLARE {name} CURSOR FOR {query}"),
        3 => format!("DECLARE {name} SCROLL CURSOR FOR {query}"),
        4 => format!("DECLARE {name} NO SCROLL CURSOR FOR {query}"),
        5 | 6 => format!("FETCH 2 FROM {name}"),
        7 => format!("FETCH ALL IN {name}"),
        8 => format!("FETCH {name}"),
        9 => format!("FETCH BACKWARD 1 FROM {name}"),
        10 => format!("MOVE 2 IN {name}"),
        11 => format!("FETCH ABSOLUTE 1 FROM {name}"),
        12 => format!("CLOSE {name}"),
        _ => "CLOSE ALL".to_owned(),
    }
}

/// Cursors that outlive their transaction, and may fail when it is committed.
pub(super) fn hold(random: &mut Random) -> String {
    let name = random.pick(&["c1", "c2", "h"]);
    let query = random.pick(&[
        "SELECT id, name FROM parent ORDER BY id",
        "SELECT generate_series(1, 6)",
        "SELECT 10 / (3 - g) FROM generate_series(1, 5) g",
    ]);
    match random.below(5) {
        0 => format!("DECLARE {name} SCROLL CURSOR WITH HOLD FOR {query}"),
        1 | 2 => format!("DECLARE {name} CURSOR WITH HOLD FOR {query}"),
        3 => format!("FETCH 2 FROM {name}"),
        _ => format!("CLOSE {name}"),
    }
}

/// In SQL; the names are those that the extended protocol uses, too.
pub(super) fn prepare(random: &mut Random) -> String {
    let name = random.pick(&["s1", "p1", "p1", "\"P 2\""]);
    let statement = random.pick(&[
        "SELECT $1 + 1",
        "SELECT name FROM parent WHERE id = $1",
        "INSERT INTO log (what) VALUES ('prepared ' || $1) RETURNING what",
        "SELECT 10 / $1",
        "SELECT nowhere",
    ]);
    match random.below(11) {
        0..3 => format!("PREPARE {name} (int) AS {statement}"),
        3..6 => format!("EXECUTE {name} (2)"),
        6 => format!("EXECUTE {name}"),
        7 => format!("EXECUTE {name} (0)"),
        8 => random
            .pick(&["DEALLOCATE s1", "DEALLOCATE s2", "DEALLOCATE p1"])
            .to_owned(),
        9 => format!("DEALLOCATE PREPARE {name}"),
        _ => random
            .pick(&["DEALLOCATE ALL", "DEALLOCATE PREPARE ALL"])
            .to_owned(),
    }
}

pub(super) fn notify(random: &mut Random) -> String {
    let sql = random.pick(&[
        "LISTEN news",
        "LISTEN news",
        "LISTEN \"Other News\"",
        "UNLISTEN news",
        "UNLISTEN *",
        "NOTIFY news",
        "NOTIFY news, 'hear; hear'",
        "NOTIFY \"Other News\", 'it''s'",
        "NOTIFY unheard",
    ]);
    sql.to_owned()
}

pub(super) fn pg_notify(random: &mut Random) -> String {
    let sql = random.pick(&[
        "LISTEN news",
        "SELECT pg_notify('news', 'by call')",
        "SELECT pg_notify('news', what) FROM log ORDER BY id",
        "DO $$ BEGIN PERFORM pg_notify('news', 'in a block'); END $$",
    ]);
    sql.to_owned()
}
