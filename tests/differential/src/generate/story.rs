//! Statements that belong together, one after the other: drawn one by one they would hardly ever meet.

use super::{data, settings};
use crate::random::Random;
use std::collections::VecDeque;

/// Makes the statements of a story.
type Tell = fn(&mut Random) -> Vec<String>;

/// By the family that it is a story of.
const STORIES: &[(&str, Tell)] = &[
    ("savepoint", savepoints),
    ("savepoint", savepoints),
    ("savepoint", nested_savepoints),
    ("cursor", cursor),
    ("cursor", cursor_and_savepoint),
    ("hold", held_cursor),
    ("prepare", prepared),
    ("prepare", prepared_in_vain),
    ("notify", notified),
    ("notify", notified_in_parts),
    ("deferred", deferred),
    ("deferred", deferred),
    ("constraints", constraints),
    ("set", settings_and_rollback),
    ("set_local", local_settings),
    ("temporary", temporary),
    ("temporary", temporary_in_vain),
    ("define", defined_and_changed),
    ("define", defined_in_vain),
    ("chain", chained),
    ("modes", read_only),
    ("sequence", numbered),
    ("truncate", truncated),
    ("role", roles),
    ("lock", locked),
];

/// Draws a story of a family that is in use.
pub(super) fn draw(random: &mut Random, has: impl Fn(&str) -> bool) -> VecDeque<String> {
    let known: Vec<_> = STORIES.iter().filter(|(family, _)| has(family)).collect();
    match &*known {
        [] => VecDeque::new(),
        known => random.pick(known).1(random).into(),
    }
}

fn told(statements: &[&str]) -> Vec<String> {
    statements.iter().map(|&sql| sql.to_owned()).collect()
}

fn end(random: &mut Random) -> &'static str {
    random.pick(&["COMMIT", "COMMIT", "ROLLBACK", "END", "ABORT"])
}

/// Something that changes a row, and mostly goes well.
fn change(random: &mut Random) -> String {
    match random.below(10) {
        0..5 => format!(
            "INSERT INTO log (what) VALUES ('change {}')",
            random.below(9)
        ),
        5 => data::update(random),
        6 => data::delete(random),
        7 => "INSERT INTO child (parent, amount) VALUES (1, 5) RETURNING id".to_owned(),
        _ => format!(
            "INSERT INTO parent VALUES ({0}, 'p{0}')",
            100 + random.below(900)
        ),
    }
}

fn savepoints(random: &mut Random) -> Vec<String> {
    let name = random.pick(&["a", "b", "\"A\"", "g"]);
    let mut story = vec![
        "BEGIN".to_owned(),
        change(random),
        format!("SAVEPOINT {name}"),
        change(random),
    ];
    if random.percent(60) {
        story.push(data::error(random));
    }
    story.push(format!("ROLLBACK TO {name}"));
    story.push(change(random));
    if random.percent(50) {
        story.push(format!("RELEASE {name}"));
    }
    story.push(end(random).to_owned());
    story.push("SELECT count(*) FROM log".to_owned());
    story
}

fn nested_savepoints(random: &mut Random) -> Vec<String> {
    let inner = random.pick(&["a", "b"]);
    let mut story = told(&["BEGIN", "SAVEPOINT a"]);
    story.push(change(random));
    story.push(format!("SAVEPOINT {inner}"));
    story.push(change(random));
    story.push(
        random
            .pick(&[
                "RELEASE a",
                "ROLLBACK TO a",
                "RELEASE b",
                "ROLLBACK TO SAVEPOINT b",
            ])
            .to_owned(),
    );
    story.push(change(random));
    story.push(random.pick(&["RELEASE a", "ROLLBACK TO a"]).to_owned());
    story.push(end(random).to_owned());
    story
}

fn cursor(random: &mut Random) -> Vec<String> {
    let name = random.pick(&["c1", "c2"]);
    let query = random.pick(&[
        "SELECT generate_series(1, 6)",
        "SELECT id, name FROM parent ORDER BY id",
    ]);
    let mut story = vec![
        "BEGIN".to_owned(),
        format!("DECLARE {name} SCROLL CURSOR FOR {query}"),
    ];
    for _ in 0..random.between(1, 4) {
        let how = random.pick(&[
            "FETCH 2 FROM",
            "FETCH BACKWARD 1 FROM",
            "MOVE 1 IN",
            "FETCH ALL FROM",
            "FETCH FIRST FROM",
        ]);
        story.push(format!("{how} {name}"));
    }
    story.push(end(random).to_owned());
    story.push(format!("FETCH 1 FROM {name}"));
    story
}

fn cursor_and_savepoint(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "BEGIN",
        "DECLARE c1 CURSOR FOR SELECT generate_series(1, 6)",
        "SAVEPOINT a",
        "FETCH 2 FROM c1",
    ]);
    story.push("DECLARE c2 CURSOR FOR SELECT 10 / (3 - g) FROM generate_series(1, 5) g".to_owned());
    story.push(
        random
            .pick(&["FETCH 1 FROM c2", "FETCH ALL FROM c2"])
            .to_owned(),
    );
    story.push("ROLLBACK TO a".to_owned());
    story.push(
        random
            .pick(&["FETCH 1 FROM c1", "FETCH 1 FROM c2", "CLOSE c1"])
            .to_owned(),
    );
    story.push(end(random).to_owned());
    story
}

fn held_cursor(random: &mut Random) -> Vec<String> {
    let query = random.pick(&[
        "SELECT generate_series(1, 6)",
        "SELECT id, name FROM parent ORDER BY id",
        "SELECT 10 / (3 - g) FROM generate_series(1, 5) g",
    ]);
    let declare = format!("DECLARE h CURSOR WITH HOLD FOR {query}");
    let mut story = vec![declare];
    if random.percent(50) {
        story.insert(0, "BEGIN".to_owned());
        story.extend(["FETCH 1 FROM h".to_owned(), end(random).to_owned()]);
    }
    story.extend(told(&["FETCH 1 FROM h", "BEGIN", "FETCH 1 FROM h"]));
    story.push(
        random
            .pick(&["CLOSE h", "SELECT 1/0", "MOVE 1 IN h"])
            .to_owned(),
    );
    story.push(end(random).to_owned());
    story.extend(told(&["FETCH 1 FROM h", "CLOSE h"]));
    story
}

fn prepared(random: &mut Random) -> Vec<String> {
    let name = random.pick(&["s1", "p1"]);
    let mut story = vec![
        format!("DEALLOCATE {name}"),
        format!("PREPARE {name} (int) AS INSERT INTO log (what) VALUES ('p' || $1) RETURNING what"),
        format!("EXECUTE {name} (1)"),
        "BEGIN".to_owned(),
        format!("EXECUTE {name} (2)"),
        end(random).to_owned(),
        format!("EXECUTE {name} (3)"),
    ];
    story.push(
        random
            .pick(&["DEALLOCATE ALL", "DISCARD PLANS", "SELECT 1"])
            .to_owned(),
    );
    story.push(format!("EXECUTE {name} (4)"));
    story
}

/// Statements outlive the transaction that prepared them, whatever becomes of it.
fn prepared_in_vain(random: &mut Random) -> Vec<String> {
    let mut story = told(&["BEGIN", "SAVEPOINT a", "PREPARE p1 (int) AS SELECT $1 + 1"]);
    story.push(
        random
            .pick(&["ROLLBACK TO a", "SELECT 1/0", "DEALLOCATE p1"])
            .to_owned(),
    );
    story.extend(told(&["ROLLBACK", "EXECUTE p1 (1)"]));
    story
}

fn notified(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "LISTEN news",
        "NOTIFY news, 'at once'",
        "BEGIN",
        "NOTIFY news, 'later'",
        "NOTIFY news, 'later'",
    ]);
    story.push(
        random
            .pick(&[
                "NOTIFY news",
                "UNLISTEN news",
                "LISTEN \"Other News\"",
                "SELECT 1/0",
            ])
            .to_owned(),
    );
    story.push(end(random).to_owned());
    story.push("SELECT 1".to_owned());
    story
}

fn notified_in_parts(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "BEGIN",
        "LISTEN news",
        "NOTIFY news, 'one'",
        "SAVEPOINT a",
        "NOTIFY news, 'two'",
    ]);
    story.push(
        random
            .pick(&["ROLLBACK TO a", "RELEASE a", "SELECT 2"])
            .to_owned(),
    );
    story.extend([end(random).to_owned(), "NOTIFY news, 'three'".to_owned()]);
    story
}

fn deferred(random: &mut Random) -> Vec<String> {
    let (wrong, right) = random.pick(&[
        (
            "INSERT INTO child (later, amount) VALUES (77, 1)",
            "INSERT INTO parent VALUES (77, 'late')",
        ),
        (
            "INSERT INTO slot VALUES (1, 'twice')",
            "DELETE FROM slot WHERE what = 'twice'",
        ),
        (
            "INSERT INTO child (amount, note) VALUES (13, 'no')",
            "DELETE FROM child WHERE amount = 13",
        ),
        (
            "UPDATE child SET later = 77 WHERE id = 1",
            "UPDATE child SET later = 1 WHERE id = 1",
        ),
        (
            "UPDATE slot SET place = 1 WHERE place = 2",
            "UPDATE slot SET place = 3 WHERE what = 'b'",
        ),
    ]);
    let mut story = told(&["BEGIN"]);
    if random.percent(30) {
        story.push("SAVEPOINT a".to_owned());
    }
    story.push(wrong.to_owned());
    match random.below(6) {
        0 | 1 => story.push(right.to_owned()),
        2 => story.push("ROLLBACK TO a".to_owned()),
        3 => story.push("RELEASE a".to_owned()),
        _ => story.push(change(random)),
    }
    story.push(
        random
            .pick(&[
                "COMMIT",
                "COMMIT",
                "COMMIT",
                "END",
                "COMMIT AND CHAIN",
                "SET CONSTRAINTS ALL IMMEDIATE",
            ])
            .to_owned(),
    );
    story.push("SELECT place, what FROM slot ORDER BY place, what".to_owned());
    story
}

fn constraints(random: &mut Random) -> Vec<String> {
    let which = random.pick(&["ALL", "child_maybe_fkey", "slot_place", "luck"]);
    let mut story = vec!["BEGIN".to_owned()];
    if random.percent(40) {
        story.push("SAVEPOINT a".to_owned());
    }
    story.push(format!("SET CONSTRAINTS {which} DEFERRED"));
    story.push(
        random
            .pick(&[
                "INSERT INTO child (maybe, amount) VALUES (77, 2)",
                "INSERT INTO slot VALUES (2, 'twice')",
                "INSERT INTO child (amount) VALUES (13)",
            ])
            .to_owned(),
    );
    story.push(
        random
            .pick(&[
                "SET CONSTRAINTS ALL IMMEDIATE",
                "ROLLBACK TO a",
                "DELETE FROM child WHERE maybe = 77",
                "SELECT 1",
            ])
            .to_owned(),
    );
    story.extend([
        end(random).to_owned(),
        "INSERT INTO child (maybe, amount) VALUES (77, 3)".to_owned(),
    ]);
    story
}

fn settings_and_rollback(random: &mut Random) -> Vec<String> {
    let (name, value) = settings::setting(random);
    let (_, other) = settings::setting(random);
    let mut story = vec![
        "BEGIN".to_owned(),
        format!("SET {name} = {value}"),
        "SAVEPOINT a".to_owned(),
    ];
    let again = [format!("RESET {name}"), format!("SET {name} = {other}")];
    story.push(again[random.below(2)].clone());
    story.push(format!("SHOW {name}"));
    story.push(
        random
            .pick(&["ROLLBACK TO a", "RELEASE a", "RESET ALL"])
            .to_owned(),
    );
    story.extend([
        format!("SHOW {name}"),
        end(random).to_owned(),
        format!("SHOW {name}"),
    ]);
    story
}

fn local_settings(random: &mut Random) -> Vec<String> {
    let (name, value) = settings::setting(random);
    let mut story = vec![
        "BEGIN".to_owned(),
        "SAVEPOINT a".to_owned(),
        format!("SET LOCAL {name} = {value}"),
        format!("SHOW {name}"),
    ];
    story.push(
        random
            .pick(&["ROLLBACK TO a", "RELEASE a", "SELECT 1"])
            .to_owned(),
    );
    story.extend([
        format!("SHOW {name}"),
        end(random).to_owned(),
        format!("SHOW {name}"),
    ]);
    story
}

fn temporary(random: &mut Random) -> Vec<String> {
    let options = random.pick(&["", " ON COMMIT DELETE ROWS", " ON COMMIT PRESERVE ROWS"]);
    let mut story = vec![
        "DROP TABLE IF EXISTS tt".to_owned(),
        format!("CREATE TEMP TABLE tt (n int){options}"),
        "INSERT INTO tt VALUES (1)".to_owned(),
        "BEGIN".to_owned(),
        "INSERT INTO tt VALUES (2)".to_owned(),
        "SELECT * FROM tt ORDER BY 1".to_owned(),
    ];
    story.extend([
        end(random).to_owned(),
        "SELECT * FROM tt ORDER BY 1".to_owned(),
    ]);
    story
}

fn temporary_in_vain(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "BEGIN",
        "CREATE TEMP TABLE tt (n int) ON COMMIT DROP",
        "INSERT INTO tt VALUES (1)",
        "SELECT * FROM tt",
    ]);
    story.extend([end(random).to_owned(), "SELECT * FROM tt".to_owned()]);
    story
}

fn defined_and_changed(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "DEALLOCATE ALL",
        "DROP TABLE IF EXISTS d1, d2 CASCADE",
        "CREATE TABLE d1 (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, x text)",
        "INSERT INTO d1 VALUES (1, 'x')",
        "PREPARE s1 AS SELECT * FROM d1 ORDER BY 1",
        "EXECUTE s1",
    ]);
    story.push(random.pick(&["BEGIN", "SELECT 1"]).to_owned());
    story.push("INSERT INTO d1 VALUES (2, 'y')".to_owned());
    story.push(
        random
            .pick(&[
                "ALTER TABLE d1 ADD COLUMN y int DEFAULT 7",
                "ALTER TABLE d1 DROP COLUMN x",
                "ALTER TABLE d1 ALTER id TYPE bigint",
                "DROP TABLE d1",
            ])
            .to_owned(),
    );
    story.extend(told(&[
        "EXECUTE s1",
        "ROLLBACK",
        "EXECUTE s1",
        "INSERT INTO d1 (id) VALUES (1)",
    ]));
    story
}

fn defined_in_vain(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "BEGIN",
        "DROP TABLE IF EXISTS d2",
        "CREATE TABLE d2 (id serial, p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    ]);
    story.push(
        random
            .pick(&[
                "INSERT INTO d2 (p) VALUES (77)",
                "INSERT INTO d2 (p) VALUES (1)",
            ])
            .to_owned(),
    );
    story.extend([
        end(random).to_owned(),
        "SELECT * FROM d2 ORDER BY 1".to_owned(),
        "INSERT INTO d2 (p) VALUES (78)".to_owned(),
    ]);
    story
}

fn chained(random: &mut Random) -> Vec<String> {
    let mut story = told(&[random.pick(&["BEGIN", "BEGIN READ ONLY"])]);
    story.push(change(random));
    story.push(
        random
            .pick(&["COMMIT AND CHAIN", "ROLLBACK AND CHAIN"])
            .to_owned(),
    );
    story.push("SHOW transaction_read_only".to_owned());
    story.push(change(random));
    story.push(
        random
            .pick(&["COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "COMMIT"])
            .to_owned(),
    );
    story.push(end(random).to_owned());
    story
}

fn read_only(random: &mut Random) -> Vec<String> {
    let mut story = told(&["BEGIN READ ONLY", "SELECT count(*) FROM log", "SAVEPOINT a"]);
    story.push(change(random));
    story.push("ROLLBACK TO a".to_owned());
    story.push(
        random
            .pick(&[
                "SET TRANSACTION READ WRITE",
                "SHOW transaction_read_only",
                "SELECT nextval('ticket')",
            ])
            .to_owned(),
    );
    story.extend([
        end(random).to_owned(),
        "SHOW transaction_read_only".to_owned(),
        change(random),
    ]);
    story
}

fn numbered(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "SELECT nextval('ticket')",
        "BEGIN",
        "SELECT nextval('ticket')",
    ]);
    story.push(
        random
            .pick(&[
                "SELECT setval('ticket', 40)",
                "SELECT lastval()",
                "ALTER SEQUENCE ticket RESTART WITH 9",
            ])
            .to_owned(),
    );
    story.push(end(random).to_owned());
    story.extend(told(&[
        "SELECT currval('ticket'), lastval()",
        "SELECT nextval('ticket')",
    ]));
    story
}

fn truncated(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "INSERT INTO log (what) VALUES ('before')",
        "BEGIN",
        "TRUNCATE log RESTART IDENTITY",
        "INSERT INTO log (what) VALUES ('within')",
    ]);
    story.extend([
        end(random).to_owned(),
        "INSERT INTO log (what) VALUES ('after')".to_owned(),
        "SELECT id, what FROM log ORDER BY id, what".to_owned(),
    ]);
    story
}

fn roles(random: &mut Random) -> Vec<String> {
    let mut story = told(&["BEGIN"]);
    story.push(
        random
            .pick(&["SET ROLE pg_monitor", "SET LOCAL ROLE pg_monitor"])
            .to_owned(),
    );
    story.push("SELECT count(*) FROM log".to_owned());
    story.extend([
        end(random).to_owned(),
        "SHOW role".to_owned(),
        "RESET ROLE".to_owned(),
    ]);
    story
}

fn locked(random: &mut Random) -> Vec<String> {
    let mut story = told(&[
        "BEGIN",
        "LOCK TABLE log IN SHARE MODE",
        "SELECT pg_advisory_xact_lock(3)",
        "SELECT pg_advisory_lock(1)",
    ]);
    story.push(end(random).to_owned());
    story.extend(told(&[
        "SELECT pg_advisory_unlock(1)",
        "SELECT pg_advisory_unlock(1)",
    ]));
    story
}
