//! Statements that make, change and drop tables and other objects.

use crate::random::Random;

pub(super) fn temporary(random: &mut Random) -> String {
    let sql = random.pick(&[
        "CREATE TEMP TABLE tt (n int)",
        "CREATE TEMP TABLE tt (n int PRIMARY KEY) ON COMMIT DELETE ROWS",
        "CREATE TEMPORARY TABLE tt (n int) ON COMMIT DROP",
        "CREATE TEMP TABLE tt AS SELECT 1 AS n",
        "CREATE TEMP TABLE IF NOT EXISTS tt (n int)",
        "INSERT INTO tt VALUES (1)",
        "INSERT INTO tt VALUES (2)",
        "SELECT * FROM tt ORDER BY 1",
        "SELECT * FROM tt ORDER BY 1",
        "DROP TABLE tt",
        "DROP TABLE IF EXISTS tt",
        "ALTER TABLE tt ADD COLUMN m int DEFAULT 5",
        "CREATE TEMP SEQUENCE ts",
        "DISCARD TEMP",
    ]);
    sql.to_owned()
}

pub(super) fn define(random: &mut Random) -> String {
    let sql = random.pick(&[
        "CREATE TABLE d1 (id int PRIMARY KEY, x text)",
        "CREATE TABLE d1 (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE IF NOT EXISTS d1 (id int)",
        "CREATE TABLE d2 (id serial, p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE d1 AS SELECT id, name AS x FROM parent ORDER BY id",
        "SELECT id INTO d2 FROM parent ORDER BY id",
        "INSERT INTO d1 VALUES (1)",
        "INSERT INTO d1 VALUES (1)",
        "INSERT INTO d2 VALUES (1, 77)",
        "SELECT * FROM d1 ORDER BY 1",
        "SELECT * FROM d1 ORDER BY 1",
        "SELECT * FROM d2 ORDER BY 1",
        "PREPARE s1 AS SELECT * FROM d1 ORDER BY 1",
        "EXECUTE s1",
        "ALTER TABLE d1 ADD COLUMN y int DEFAULT 7",
        "ALTER TABLE d1 DROP COLUMN y",
        "ALTER TABLE d1 ALTER COLUMN id TYPE bigint",
        "ALTER TABLE d1 RENAME TO d2",
        "CREATE INDEX ON d1 (id)",
        "CREATE VIEW dv AS SELECT * FROM d1",
        "CREATE OR REPLACE FUNCTION df() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "SELECT df()",
        "COMMENT ON TABLE d1 IS 'a; b'",
        "DROP TABLE d1",
        "DROP TABLE d1 CASCADE",
        "DROP TABLE IF EXISTS d1, d2 CASCADE",
        "CREATE SCHEMA ds CREATE TABLE dt (n int)",
        "DROP SCHEMA ds CASCADE",
        "CREATE TYPE dm AS ENUM ('x')",
        "DROP TYPE dm",
    ]);
    sql.to_owned()
}

/// Changes to the tables that everything else uses.
pub(super) fn alter(random: &mut Random) -> String {
    let sql = random.pick(&[
        "ALTER TABLE parent ADD COLUMN extra int",
        "ALTER TABLE parent DROP COLUMN extra",
        "ALTER TABLE child ALTER COLUMN amount TYPE bigint",
        "ALTER TABLE child ALTER CONSTRAINT child_parent_fkey DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE child DROP CONSTRAINT child_later_fkey",
        "ALTER TABLE log ADD CONSTRAINT log_what UNIQUE (what) DEFERRABLE INITIALLY DEFERRED",
        "DROP VIEW family",
        "DROP TRIGGER shouts ON parent",
        "CREATE OR REPLACE VIEW family AS SELECT 'x'::text AS name, 1 AS amount",
        "DROP TABLE slot",
    ]);
    sql.to_owned()
}

/// A value that a transaction adds cannot be used in it.
pub(super) fn enum_value(random: &mut Random) -> String {
    let sql = random.pick(&[
        "ALTER TYPE mood ADD VALUE 'grim'",
        "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'grim' BEFORE 'ok'",
        "SELECT 'grim'::mood",
        "UPDATE parent SET mood = 'grim' WHERE id = 1",
    ]);
    sql.to_owned()
}
