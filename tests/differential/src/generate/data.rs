//! Statements that read and write rows, well or not.

use crate::random::Random;

/// A key that is there, or one that is not; there are few, so that scripts meet the same again.
fn key(random: &mut Random) -> i32 {
    random.pick(&[1, 2, 3, 4, 5, 6, 99])
}

fn name(random: &mut Random) -> &'static str {
    random.pick(&[
        "one",
        "two",
        "four",
        "six",
        "a;b",
        "it''s",
        "\u{e4}\u{20ac}",
    ])
}

fn number(random: &mut Random) -> &'static str {
    random.pick(&["1", "10", "20", "0", "-1", "NULL"])
}

fn reference(random: &mut Random) -> &'static str {
    random.pick(&["1", "2", "3", "NULL", "4", "77"])
}

pub(super) fn select(random: &mut Random) -> String {
    let key = key(random);
    match random.below(22) {
        0 => "SELECT id, name, mood FROM parent ORDER BY id".to_owned(),
        1 => "SELECT count(*) FROM child".to_owned(),
        2 => "SELECT * FROM family ORDER BY 1, 2".to_owned(),
        3 => format!("SELECT name FROM parent WHERE id = {key}"),
        4 => "SELECT 1 AS one, 'text' AS two, 2.50::numeric, NULL::int, true".to_owned(),
        5 => format!("SELECT generate_series(1, {key}) AS n"),
        6 => "SELECT what, count(*) FROM log GROUP BY 1 ORDER BY 1".to_owned(),
        7 => "VALUES (1, 'a'), (2, 'b')".to_owned(),
        8 => "SELECT".to_owned(),
        9 => "SELECT FROM parent ORDER BY id".to_owned(),
        10 => "SELECT 'a;b', $$c;d$$, $x$e;$$;f$x$, E'g\\';h'".to_owned(),
        11 => "SELECT /* ; */ 1 -- ;\n + 2".to_owned(),
        12 => format!("SELECT name FROM parent WHERE id = {key} FOR UPDATE"),
        13 => "SELECT place, what FROM slot ORDER BY place, what".to_owned(),
        14 => format!("WITH w AS (INSERT INTO log (what) VALUES ('w{key}') RETURNING what) SELECT * FROM w"),
        15 => "SELECT amount FROM child ORDER BY id LIMIT 2".to_owned(),
        16 => "TABLE family ORDER BY 1, 2".to_owned(),
        17 => "SELECT sum(amount), max(note) FROM child".to_owned(),
        18 => "SELECT U&'\\0061', B'101', X'1F', '\\x01'::bytea".to_owned(),
        19 => "SELECT date '2024-02-03', timestamptz '2024-02-03 04:05:06+00', interval '1 day 2 hours'".to_owned(),
        20 => "SELECT 1 UNION ALL SELECT 2 ORDER BY 1".to_owned(),
        _ => "select count(*) from log".to_owned(),
    }
}

pub(super) fn insert(random: &mut Random) -> String {
    let (key, name, number) = (key(random), name(random), number(random));
    match random.below(12) {
        0..3 => format!("INSERT INTO parent VALUES ({key}, '{name}')"),
        3 => {
            format!("INSERT INTO parent (id, name) VALUES ({key}, '{name}') ON CONFLICT DO NOTHING")
        }
        4 => format!(
            "INSERT INTO parent VALUES ({key}, '{name}', 'happy') ON CONFLICT (id) DO UPDATE SET mood = 'sad' RETURNING id, mood"
        ),
        5 => format!("INSERT INTO parent VALUES ({key}, '{name}'), (50, 'fifty') RETURNING *"),
        6..9 => {
            let (parent, later, maybe) = (reference(random), reference(random), reference(random));
            format!(
                "INSERT INTO child (parent, later, maybe, amount) VALUES ({parent}, {later}, {maybe}, {number}) RETURNING id"
            )
        }
        9 => format!("INSERT INTO slot VALUES ({key}, '{name}')"),
        10 => format!("INSERT INTO log (what) SELECT 'g' || g FROM generate_series(1, {key}) g"),
        _ => format!("INSERT INTO log (what) VALUES ('{name}')"),
    }
}

pub(super) fn update(random: &mut Random) -> String {
    let (key, other, name) = (key(random), key(random), name(random));
    match random.below(8) {
        0 => format!("UPDATE parent SET name = '{name}' WHERE id = {key}"),
        1 => format!("UPDATE parent SET id = {other} WHERE id = {key}"),
        2 => format!("UPDATE parent SET mood = 'happy' WHERE id = {key} RETURNING name, mood"),
        3 => format!("UPDATE child SET amount = amount - 15 WHERE id = {key}"),
        4 => format!("UPDATE child SET later = {other} WHERE id = {key}"),
        5 => format!("UPDATE slot SET place = {other} WHERE place = {key}"),
        6 => "UPDATE log SET what = what || '!'".to_owned(),
        _ => format!("UPDATE child SET note = 'note {name}' WHERE id = {key} RETURNING id, note"),
    }
}

pub(super) fn delete(random: &mut Random) -> String {
    let key = key(random);
    match random.below(5) {
        0 => format!("DELETE FROM parent WHERE id = {key}"),
        1 => format!("DELETE FROM child WHERE id = {key} RETURNING id, amount"),
        2 => format!("DELETE FROM slot WHERE place = {key}"),
        3 => "DELETE FROM log".to_owned(),
        _ => format!("DELETE FROM child WHERE parent = {key}"),
    }
}

/// What fails when it runs, or when it is analysed.
pub(super) fn error(random: &mut Random) -> String {
    let sql = random.pick(&[
        "SELECT 1/0",
        "SELECT 'x'::int",
        "SELECT * FROM nowhere",
        "SELECT nothing FROM parent",
        "SELECT nofunction(1)",
        "SELECT 10 / (3 - g) FROM generate_series(1, 5) g",
        "SELECT id FROM parent, child",
        "SELECT fail('as asked')",
        "INSERT INTO nowhere VALUES (1)",
        "INSERT INTO parent VALUES (1, 'one', 'angry')",
        "INSERT INTO child (parent, amount) VALUES (1, 'many')",
        "INSERT INTO child (amount, note) VALUES (1, 'much too long a note')",
        "INSERT INTO child (parent) VALUES (1)",
        "SELECT (SELECT generate_series(1, 2))",
        "SELECT id FROM parent LIMIT -1",
        "SELECT $1",
        "SELECT $1::int",
        "UPDATE parent SET mood = 'grim'",
        "DROP TABLE nowhere",
        "SELECT 2147483647 + 1",
        "SELECT currval('ticket')",
        "SELECT lastval()",
        "SELECT date 'yesterday''s'",
        "DO $$ BEGIN RAISE EXCEPTION 'in a block'; END $$",
        "DO $$ BEGIN ASSERT false, 'asserted'; END $$",
        "INSERT INTO family VALUES ('x', 1)",
        "SELECT row_number() FROM parent",
        "SELECT id FROM parent ORDER BY 2",
        "SELECT t.x.y.z.w",
    ]);
    sql.to_owned()
}

/// What does not parse.
pub(super) fn syntax(random: &mut Random) -> String {
    let sql = random.pick(&[
        "SELEC 1",
        "SELECT FROM WHERE",
        "SELECT 'open",
        "SELECT $$open",
        "SELECT $x$open$$",
        "/* open",
        "SELECT \"open",
        "SELECT 1)",
        "SELECT (1",
        "BEGIN NOW",
        "COMMIT x",
        "ROLLBACK TO",
        "SAVEPOINT",
        "RELEASE",
        "INSERT parent",
        "SELECT E'\\u00'",
        "\u{e4}",
        "SELECT 1 2",
        "SELECT 1a",
        "PREPARE",
        "SET",
        "FETCH c1 c2",
        "x",
    ]);
    sql.to_owned()
}

pub(super) fn empty(random: &mut Random) -> String {
    let sql = random.pick(&[
        "",
        ";",
        " ",
        ";;",
        "-- nothing",
        "/* nothing */",
        "/* a /* b */ c */;",
        "-- a\n;",
        "\n\t",
    ]);
    sql.to_owned()
}

pub(super) fn function(random: &mut Random) -> String {
    let key = key(random);
    match random.below(7) {
        0 => format!("SELECT divide({key}, 0)"),
        1 => format!("SELECT divide(10, {key})"),
        2 => "SELECT fail('in a function')".to_owned(),
        3 => format!("CALL keep('kept {key}')"),
        4 => "SELECT id, fail(name) FROM parent WHERE id = 99".to_owned(),
        5 => "SELECT divide(1, id - 2) FROM parent ORDER BY id".to_owned(),
        _ => "CALL divide(1, 2)".to_owned(),
    }
}

pub(super) fn sequence(random: &mut Random) -> String {
    let key = key(random);
    match random.below(6) {
        0 | 1 => "SELECT nextval('ticket')".to_owned(),
        2 => "SELECT currval('ticket')".to_owned(),
        3 => "SELECT lastval()".to_owned(),
        4 => format!("SELECT setval('ticket', {key})"),
        _ => "SELECT nextval('nothing')".to_owned(),
    }
}

/// Anonymous blocks.
pub(super) fn block(random: &mut Random) -> String {
    let key = key(random);
    match random.below(6) {
        0 => "DO $$ BEGIN RAISE NOTICE 'noted; here'; END $$".to_owned(),
        1 => format!("DO $do$ BEGIN INSERT INTO log (what) VALUES ('block {key}'); END $do$"),
        2 => "DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN OTHERS THEN RAISE WARNING 'caught'; END; $$"
            .to_owned(),
        3 => format!(
            "DO $$ BEGIN INSERT INTO parent VALUES ({key}, 'do'); PERFORM fail('do'); END $$"
        ),
        4 => "DO LANGUAGE plpgsql 'BEGIN RAISE NOTICE ''quoted''; END'".to_owned(),
        _ => format!(
            "DO $$ BEGIN FOR i IN 1..{key} LOOP IF i > 3 THEN EXIT; END IF; RAISE NOTICE '%', i; END LOOP; END $$"
        ),
    }
}

/// Without costs and times; of what has no statistics.
pub(super) fn explain(random: &mut Random) -> String {
    let sql = random.pick(&[
        "EXPLAIN (COSTS OFF) SELECT g FROM generate_series(1, 3) g",
        "EXPLAIN (COSTS OFF) VALUES (1), (2)",
        "EXPLAIN (COSTS OFF) INSERT INTO log (what) VALUES ('explained')",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) INSERT INTO log (what) VALUES ('analysed')",
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) INSERT INTO parent VALUES (1, 'again')",
        "EXPLAIN SELECT * FROM nowhere",
    ]);
    sql.to_owned()
}

pub(super) fn truncate(random: &mut Random) -> String {
    let sql = random.pick(&[
        "TRUNCATE log",
        "TRUNCATE log RESTART IDENTITY",
        "TRUNCATE parent",
        "TRUNCATE parent CASCADE",
        "TRUNCATE slot, log",
        "TRUNCATE child RESTART IDENTITY",
    ]);
    sql.to_owned()
}

pub(super) fn lock(random: &mut Random) -> String {
    let sql = random.pick(&[
        "LOCK TABLE parent IN SHARE MODE",
        "LOCK parent",
        "LOCK TABLE log, slot IN ACCESS EXCLUSIVE MODE NOWAIT",
        "LOCK nowhere",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_advisory_xact_lock(2)",
        "SELECT pg_advisory_unlock(1)",
        "SELECT pg_try_advisory_lock(1)",
    ]);
    sql.to_owned()
}
