//! Statements that belong together, one after the other: drawn one by one they would hardly ever meet.

use super::{data, settings};
use crate::random::Random;
use std::collections::VecDeque;

/// By the family that it is a story of. A line is a statement, ` | ` is between choices, and `-` chooses none.
/// `{change}` and `{error}` stand for a statement, `{end}` for the end of a transaction; `{point}`, `{cursor}`, `{setting}`,
/// `{value}` and `{other}` for words that stay the same in a story.
const STORIES: &[(&str, &str)] = &[
    (
        "savepoint",
        "BEGIN
{change}
SAVEPOINT {point}
{change}
{error} | -
ROLLBACK TO {point}
{change}
RELEASE {point} | -
{end}
SELECT count(*) FROM log",
    ),
    (
        "savepoint",
        "BEGIN
SAVEPOINT a
{change}
SAVEPOINT {point}
{change}
RELEASE a | ROLLBACK TO a | RELEASE {point} | ROLLBACK TO SAVEPOINT {point}
{change}
RELEASE a | ROLLBACK TO a
{end}",
    ),
    (
        "savepoint",
        "BEGIN
SAVEPOINT {point}
{change}
SAVEPOINT {point}
{change}
RELEASE {point} | -
ROLLBACK TO {point}
{change}
RELEASE {point}
ROLLBACK TO {point} | -
{end}",
    ),
    (
        "cursor",
        "BEGIN
DECLARE {cursor} SCROLL CURSOR FOR SELECT generate_series(1, 6) | DECLARE {cursor} CURSOR FOR SELECT id, name FROM parent ORDER BY id
FETCH 2 FROM {cursor} | FETCH {cursor} | MOVE 1 IN {cursor}
{change} | -
FETCH BACKWARD 1 FROM {cursor} | FETCH ALL FROM {cursor} | FETCH 2 FROM {cursor}
FETCH FIRST FROM {cursor} | MOVE LAST IN {cursor} | CLOSE {cursor} | -
{end}
FETCH 1 FROM {cursor}",
    ),
    (
        "cursor",
        "BEGIN
DECLARE c1 CURSOR FOR SELECT generate_series(1, 6)
SAVEPOINT a
FETCH 2 FROM c1
DECLARE c2 CURSOR FOR SELECT 10 / (3 - g) FROM generate_series(1, 5) g
FETCH 1 FROM c2 | FETCH ALL FROM c2 | CLOSE c1
ROLLBACK TO a
FETCH 1 FROM c1 | FETCH 1 FROM c2 | CLOSE c1
{end}",
    ),
    (
        "hold",
        "BEGIN | -
DECLARE h CURSOR WITH HOLD FOR SELECT generate_series(1, 6) | DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT id, name FROM parent ORDER BY id | DECLARE h CURSOR WITH HOLD FOR SELECT 10 / (3 - g) FROM generate_series(1, 5) g
FETCH 1 FROM h
{change}
{end}
FETCH 1 FROM h
BEGIN
FETCH 1 FROM h
CLOSE h | SELECT 1/0 | MOVE 1 IN h
{end}
FETCH 1 FROM h
CLOSE h",
    ),
    (
        "prepare",
        "DEALLOCATE s1 | DEALLOCATE ALL
PREPARE s1 (int) AS INSERT INTO log (what) VALUES ('p' || $1) RETURNING what
EXECUTE s1 (1)
BEGIN
EXECUTE s1 (2)
{end}
EXECUTE s1 (3)
DEALLOCATE ALL | DISCARD PLANS | DEALLOCATE s1 | -
EXECUTE s1 (4)",
    ),
    (
        "prepare",
        "BEGIN
SAVEPOINT a
PREPARE p1 (int) AS SELECT $1 + 1
ROLLBACK TO a | SELECT 1/0 | DEALLOCATE p1
ROLLBACK
EXECUTE p1 (1)",
    ),
    (
        "notify",
        "LISTEN news
NOTIFY news, 'at once'
BEGIN
NOTIFY news, 'later'
NOTIFY news, 'later'
NOTIFY news | UNLISTEN news | LISTEN \"Other News\" | SELECT 1/0
{end}
SELECT 1",
    ),
    (
        "notify",
        "BEGIN
LISTEN news
NOTIFY news, 'one'
SAVEPOINT a
NOTIFY news, 'two'
ROLLBACK TO a | RELEASE a | -
{end}
NOTIFY news, 'three'",
    ),
    (
        "deferred",
        "BEGIN
SAVEPOINT a | - | -
INSERT INTO child (later, amount) VALUES (77, 1)
INSERT INTO parent VALUES (77, 'late') | INSERT INTO parent VALUES (77, 'late') | ROLLBACK TO a | RELEASE a | {change}
COMMIT | COMMIT | END | COMMIT AND CHAIN | SET CONSTRAINTS ALL IMMEDIATE
SELECT count(*) FROM child",
    ),
    (
        "deferred",
        "BEGIN
UPDATE slot SET place = 1 WHERE place = 2 | INSERT INTO slot VALUES (1, 'twice')
SAVEPOINT a | -
UPDATE slot SET place = 3 WHERE what = 'a' | DELETE FROM slot WHERE what = 'a' | {change}
RELEASE a | ROLLBACK TO a | -
COMMIT | COMMIT | END | COMMIT AND CHAIN | SET CONSTRAINTS slot_place IMMEDIATE
SELECT place, what FROM slot ORDER BY place, what",
    ),
    (
        "deferred",
        "INSERT INTO child (amount) VALUES (13) | INSERT INTO child (later, amount) VALUES (77, 1) | -
BEGIN
INSERT INTO child (amount) VALUES (13)
DELETE FROM child WHERE amount = 13 | -
COMMIT | PREPARE p1 AS SELECT 1
ROLLBACK | -",
    ),
    (
        "constraints",
        "BEGIN
SAVEPOINT a | -
SET CONSTRAINTS ALL DEFERRED | SET CONSTRAINTS child_maybe_fkey DEFERRED | SET CONSTRAINTS slot_place, luck IMMEDIATE
INSERT INTO child (maybe, amount) VALUES (77, 2) | INSERT INTO slot VALUES (2, 'twice') | INSERT INTO child (amount) VALUES (13)
SET CONSTRAINTS ALL IMMEDIATE | ROLLBACK TO a | DELETE FROM child WHERE maybe = 77 | -
{end}
INSERT INTO child (maybe, amount) VALUES (77, 3)",
    ),
    (
        "set",
        "BEGIN
SET {setting} = {value}
SAVEPOINT a
RESET {setting} | SET {setting} = {other} | SET LOCAL {setting} = {other}
SHOW {setting}
ROLLBACK TO a | RELEASE a | RESET ALL
SHOW {setting}
{end}
SHOW {setting}",
    ),
    (
        "set_local",
        "BEGIN
SAVEPOINT a
SET LOCAL {setting} = {value}
SHOW {setting}
ROLLBACK TO a | RELEASE a | -
SHOW {setting}
{end}
SHOW {setting}",
    ),
    (
        "temporary",
        "DROP TABLE IF EXISTS tt
CREATE TEMP TABLE tt (n int) | CREATE TEMP TABLE tt (n int) ON COMMIT DELETE ROWS
INSERT INTO tt VALUES (1)
BEGIN
INSERT INTO tt VALUES (2)
SELECT * FROM tt ORDER BY 1
{end}
SELECT * FROM tt ORDER BY 1",
    ),
    (
        "temporary",
        "BEGIN
CREATE TEMP TABLE tt (n int) ON COMMIT DROP | CREATE TEMP TABLE tt (n int)
INSERT INTO tt VALUES (1)
SELECT * FROM tt
{end}
SELECT * FROM tt",
    ),
    (
        "define",
        "DEALLOCATE ALL
DROP TABLE IF EXISTS d1, d2 CASCADE
CREATE TABLE d1 (id int UNIQUE DEFERRABLE INITIALLY DEFERRED, x text)
INSERT INTO d1 VALUES (1, 'x')
PREPARE s1 AS SELECT * FROM d1 ORDER BY 1
EXECUTE s1
BEGIN | -
INSERT INTO d1 VALUES (2, 'y')
ALTER TABLE d1 ADD COLUMN y int DEFAULT 7 | ALTER TABLE d1 DROP COLUMN x | ALTER TABLE d1 ALTER id TYPE bigint | DROP TABLE d1
EXECUTE s1
ROLLBACK
EXECUTE s1
INSERT INTO d1 (id) VALUES (1)",
    ),
    (
        "define",
        "BEGIN
DROP TABLE IF EXISTS d2
CREATE TABLE d2 (id serial, p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)
INSERT INTO d2 (p) VALUES (77) | INSERT INTO d2 (p) VALUES (1)
{end}
SELECT * FROM d2 ORDER BY 1
INSERT INTO d2 (p) VALUES (78)",
    ),
    (
        "chain",
        "BEGIN | BEGIN READ ONLY
{change}
COMMIT AND CHAIN | ROLLBACK AND CHAIN
SHOW transaction_read_only
{change}
COMMIT AND CHAIN | ROLLBACK AND CHAIN | COMMIT
{end}",
    ),
    (
        "modes",
        "BEGIN READ ONLY
SELECT count(*) FROM log
SAVEPOINT a
{change}
ROLLBACK TO a
SET TRANSACTION READ WRITE | SHOW transaction_read_only | SELECT nextval('ticket')
{end}
SHOW transaction_read_only
{change}",
    ),
    (
        "sequence",
        "SELECT nextval('ticket')
BEGIN
SELECT nextval('ticket')
SELECT setval('ticket', 40) | SELECT lastval() | ALTER SEQUENCE ticket RESTART WITH 9
{end}
SELECT currval('ticket'), lastval()
SELECT nextval('ticket')",
    ),
    (
        "truncate",
        "INSERT INTO log (what) VALUES ('before')
BEGIN
TRUNCATE log RESTART IDENTITY
INSERT INTO log (what) VALUES ('within')
{end}
INSERT INTO log (what) VALUES ('after')
SELECT id, what FROM log ORDER BY id, what",
    ),
    (
        "role",
        "BEGIN
SET ROLE pg_monitor | SET LOCAL ROLE pg_monitor
SELECT count(*) FROM log
{end}
SHOW role
RESET ROLE",
    ),
    (
        "lock",
        "BEGIN
LOCK TABLE log IN SHARE MODE
SELECT pg_advisory_xact_lock(3)
SELECT pg_advisory_lock(1)
{end}
SELECT pg_advisory_unlock(1)
SELECT pg_advisory_unlock(1)",
    ),
];

/// Draws a story of a family that is in use.
pub(super) fn draw(random: &mut Random, has: impl Fn(&str) -> bool) -> VecDeque<String> {
    let known: Vec<&str> = STORIES
        .iter()
        .filter(|(family, _)| has(family))
        .map(|(_, story)| *story)
        .collect();
    if known.is_empty() {
        return VecDeque::new();
    }
    let story = random.pick(&known);
    let (setting, value) = settings::setting(random);
    let words = [
        ("{point}", random.pick(&["a", "b", "\"A\"", "g"])),
        ("{cursor}", random.pick(&["c1", "c2"])),
        ("{setting}", setting),
        ("{value}", value),
        ("{other}", settings::setting(random).1),
    ];
    let mut statements = VecDeque::new();
    for line in story.lines() {
        let choices: Vec<&str> = line.split(" | ").collect();
        let sql = match random.pick(&choices) {
            "-" => continue,
            "{change}" => change(random),
            "{error}" => data::error(random),
            "{end}" => random
                .pick(&["COMMIT", "COMMIT", "ROLLBACK", "END", "ABORT"])
                .to_owned(),
            sql => words
                .iter()
                .fold(sql.to_owned(), |sql, (name, word)| sql.replace(name, word)),
        };
        statements.push_back(sql);
    }
    statements
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
