//! The small schema that the scripts work on: each sort of constraint, a trigger, functions, a view.

use crate::script::Batch;

/// The scripts' tables are in a schema of their own.
pub const STARTUP: &[(&str, &str)] = &[
    ("search_path", "t"),
    ("application_name", "differential"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, MDY"),
];

const MAKE: &str = "
DROP SCHEMA IF EXISTS t CASCADE;
CREATE SCHEMA t;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE, mood mood DEFAULT 'ok');
CREATE TABLE child (
  id serial PRIMARY KEY,
  parent int REFERENCES parent,
  later int REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED,
  maybe int REFERENCES parent (id) DEFERRABLE,
  amount int NOT NULL CHECK (amount >= 0),
  note varchar(12)
);
CREATE TABLE slot (place int CONSTRAINT slot_place UNIQUE DEFERRABLE INITIALLY DEFERRED, what text);
CREATE TABLE log (id serial, what text);
CREATE SEQUENCE ticket;
CREATE VIEW family AS SELECT p.name, c.amount FROM parent p JOIN child c ON c.parent = p.id;
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE '% of %', lower(TG_OP), NEW.id; RETURN NEW; END $$;
CREATE TRIGGER shouts BEFORE INSERT OR UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION shout();
CREATE FUNCTION unlucky() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.amount = 13 THEN RAISE EXCEPTION 'unlucky' USING ERRCODE = 'P0013'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER luck AFTER INSERT ON child DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION unlucky();
CREATE FUNCTION fail(why text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'failed: %', why USING ERRCODE = 'P0042', HINT = 'none', DETAIL = why; END $$;
CREATE FUNCTION divide(a int, b int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN RETURN a / b; EXCEPTION WHEN division_by_zero THEN RAISE WARNING 'by zero'; RETURN NULL; END $$;
CREATE PROCEDURE keep(what text) LANGUAGE sql AS $$ INSERT INTO log (what) VALUES (what) $$;
";

const EMPTY: &str = "
DELETE FROM child; DELETE FROM parent; DELETE FROM slot; DELETE FROM log;
SELECT setval('child_id_seq', 1, false), setval('log_id_seq', 1, false), setval('ticket', 1, false);
";

/// Something for the first statements to find.
const FILL: &str = "
INSERT INTO parent VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO child (parent, later, maybe, amount) VALUES (1, 1, 1, 10), (2, NULL, 1, 20);
INSERT INTO slot VALUES (1, 'a'), (2, 'b');
";

/// Makes the schema again, whatever there is.
#[must_use]
pub(crate) fn make() -> Batch {
    Batch::query(format!(
        "SET client_min_messages = error; {MAKE}{FILL}RESET client_min_messages"
    ))
}

/// Puts the first rows back, if the tables are as they were made. Much faster than [`make`].
#[must_use]
pub(crate) fn refill() -> Batch {
    Batch::query(format!(
        "SET client_min_messages = error; {EMPTY}{FILL}RESET client_min_messages"
    ))
}

/// Ends what a script has left open, and looks at what it has done.
#[must_use]
pub(crate) fn look() -> Vec<Batch> {
    use crate::message::Message;
    let query = |sql: &str| Message::Query(vec![sql.to_owned()]);
    vec![
        Batch::of(vec![Message::Sync, query("ROLLBACK")]),
        Batch::query("RESET ROLE; RESET ALL"),
        Batch::query(
            "CLOSE ALL; DEALLOCATE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_advisory_unlock_all()",
        ),
        Batch::query("SELECT * FROM parent ORDER BY id"),
        Batch::query("SELECT * FROM child ORDER BY id"),
        Batch::query("SELECT * FROM slot ORDER BY place, what"),
        Batch::query("SELECT * FROM log ORDER BY id, what"),
        Batch::query("SELECT nextval('ticket')"),
    ]
}
