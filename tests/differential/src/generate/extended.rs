//! Runs of the extended protocol: in the orders that drivers use, and in others.

use super::{Generator, copy};
use crate::message::{Kind, Message};
use crate::random::Random;
use crate::script::Batch;

/// What sort of value a parameter takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Int,
    Text,
}

use Value::{Int, Text};

/// Statements with parameters.
const STATEMENTS: &[(&str, &[Value])] = &[
    ("SELECT $1::int + 1", &[Int]),
    ("SELECT $1::text, $2::int", &[Text, Int]),
    ("SELECT name, mood FROM parent WHERE id = $1", &[Int]),
    ("SELECT id, name FROM parent ORDER BY id", &[]),
    ("SELECT generate_series(1, $1::int)", &[Int]),
    ("SELECT generate_series(1, 5) AS n", &[]),
    (
        "SELECT 10 / (3 - g) FROM generate_series(1, $1::int) g",
        &[Int],
    ),
    ("SELECT 10 / $1::int", &[Int]),
    ("INSERT INTO parent VALUES ($1, $2)", &[Int, Text]),
    (
        "INSERT INTO parent VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[Int, Text],
    ),
    (
        "INSERT INTO child (parent, later, amount) VALUES ($1, $2, $3) RETURNING id",
        &[Int, Int, Int],
    ),
    ("INSERT INTO slot VALUES ($1, $2)", &[Int, Text]),
    (
        "INSERT INTO log (what) VALUES ($1) RETURNING id, what",
        &[Text],
    ),
    (
        "INSERT INTO log (what) SELECT 'x' || g FROM generate_series(1, 3) g RETURNING what",
        &[],
    ),
    ("UPDATE parent SET name = $1 WHERE id = $2", &[Text, Int]),
    ("DELETE FROM child WHERE id = $1 RETURNING amount", &[Int]),
    ("SELECT fail($1)", &[Text]),
    ("SELECT nowhere", &[]),
    ("", &[]),
    ("SELECT count(*) FROM log", &[]),
];

/// `EXECUTE` of a `RELEASE` that `Parse` prepared makes a server hang up, so these are of `STATEMENTS` only.
const EXECUTED_IN_SQL: &[&str] = &["s1", "p1"];
const STATEMENT_NAMES: &[&str] = &["", "", "", "s1", "s1", "s2", "s2", "p1"];
const PORTAL_NAMES: &[&str] = &["", "", "", "", "o1", "o2", "c1"];

impl Generator {
    /// One run, mostly up to a `Sync`.
    pub(super) fn extended(&mut self, last: bool, batch: &mut Batch) {
        match self.random.below(12) {
            0..4 => self.cycle(batch),
            4..7 => {
                for _ in 0..self.random.between(2, 5) {
                    self.cycle(batch);
                }
            }
            7 => self.in_two_steps(batch),
            8 | 9 => self.in_portions(batch),
            10 if self.has("copy_in") => return self.copied(last, batch),
            _ if self.has("illegal") => self.at_random(batch),
            _ => self.cycle(batch),
        }
        let end = match self.random.below(12) {
            0 => Some(Message::Flush),
            // The next run goes on where this one stops.
            1 if !last => None,
            _ => Some(Message::Sync),
        };
        batch.messages.extend(end);
    }

    /// Parse, Bind, Describe, Execute, Close: some of them.
    fn cycle(&mut self, batch: &mut Batch) {
        let name = if self.random.percent(65) {
            ""
        } else {
            self.random.pick(STATEMENT_NAMES)
        };
        let known = self.prepared.contains_key(name);
        if !known || self.random.percent(if name.is_empty() { 90 } else { 40 }) {
            if known && !name.is_empty() && self.random.percent(70) {
                batch
                    .messages
                    .push(Message::Close(Kind::Statement, name.to_owned()));
            }
            batch.messages.push(self.parse(name));
        }
        if self.random.percent(40) {
            batch
                .messages
                .push(Message::Describe(Kind::Statement, name.to_owned()));
        }
        let portal = self.random.pick(PORTAL_NAMES);
        batch.messages.push(self.bind(portal, name));
        if self.random.percent(40) {
            batch
                .messages
                .push(Message::Describe(Kind::Portal, portal.to_owned()));
        }
        for _ in 0..self.random.pick(&[1, 1, 1, 1, 1, 2, 0]) {
            batch.messages.push(self.execute(portal));
        }
        if self.random.percent(15) {
            batch
                .messages
                .push(Message::Close(Kind::Portal, portal.to_owned()));
        }
        if self.random.percent(10) {
            batch
                .messages
                .push(Message::Close(Kind::Statement, name.to_owned()));
        }
    }

    /// As drivers do that prepare first and run later.
    fn in_two_steps(&mut self, batch: &mut Batch) {
        let name = self.random.pick(&["s1", "s2"]);
        batch.messages.extend([
            Message::Close(Kind::Statement, name.to_owned()),
            self.parse(name),
            Message::Describe(Kind::Statement, name.to_owned()),
            Message::Sync,
            self.bind("", name),
            self.execute(""),
            Message::Close(Kind::Portal, String::new()),
        ]);
    }

    /// A portal that is read a few rows at a time, across ends of runs.
    fn in_portions(&mut self, batch: &mut Batch) {
        let portal = self.random.pick(PORTAL_NAMES).to_owned();
        let sql = self.random.pick(&[
            "SELECT generate_series(1, 7)",
            "SELECT id, name FROM parent ORDER BY id",
            "SELECT 10 / (4 - g) FROM generate_series(1, 6) g",
            "INSERT INTO log (what) SELECT 'p' || g FROM generate_series(1, 4) g RETURNING what",
            "FETCH 3 FROM c1",
            "FETCH 2 FROM h",
            "EXECUTE s1 (2)",
        ]);
        let name = if fetches(sql) { FETCH } else { "" };
        batch
            .messages
            .push(Message::Close(Kind::Statement, name.to_owned()));
        batch.messages.push(parse(name, sql));
        batch.messages.push(bind(&portal, name));
        self.prepared.remove("");
        for _ in 0..self.random.between(1, 4) {
            let most = self.random.pick(&[1, 2, 2, 3, 0]);
            batch.messages.push(Message::Execute(portal.clone(), most));
            let between = match self.random.below(6) {
                0 | 1 if self.status == b'T' => Some(Message::Sync),
                0 => Some(Message::Sync),
                2 => Some(Message::Flush),
                _ => None,
            };
            batch.messages.extend(between);
        }
    }

    /// A copy in. The server takes a `Sync` that comes before the data for part of it, and hangs up on everything else:
    /// so no other run knows the statement's name.
    fn copied(&mut self, last: bool, batch: &mut Batch) {
        const NAME: &str = "copy";
        let sql = copy::goes_in_statement(&mut self.random);
        batch.messages.extend([
            Message::Close(Kind::Statement, NAME.to_owned()),
            parse(NAME, &sql),
            bind("", NAME),
            Message::Execute(String::new(), 0),
        ]);
        if last && self.random.percent(50) {
            batch.copies.push(copy::data(&mut self.random));
        } else {
            batch.messages.extend(copy::data(&mut self.random));
        }
        batch.messages.push(Message::Sync);
    }

    /// Messages in any order, of things that may not be there.
    fn at_random(&mut self, batch: &mut Batch) {
        for _ in 0..self.random.between(1, 6) {
            let statement = self.random.pick(&["", "s1", "s2", "p1", "missing"]);
            let portal = self.random.pick(&["", "o1", "o2", "c1", "missing"]);
            let message = match self.random.below(9) {
                0 => self.parse(statement),
                1 | 2 => self.bind(portal, statement),
                3 => self.execute(portal),
                4 => Message::Describe(Kind::Statement, statement.to_owned()),
                5 => Message::Describe(Kind::Portal, portal.to_owned()),
                6 => Message::Close(Kind::Statement, statement.to_owned()),
                7 => Message::Close(Kind::Portal, portal.to_owned()),
                _ => self.random.pick(&[&Message::Sync, &Message::Flush]).clone(),
            };
            batch.messages.push(message);
        }
    }

    fn parse(&mut self, name: &str) -> Message {
        let other = match self.random.below(10) {
            _ if EXECUTED_IN_SQL.contains(&name) => None,
            0..6 => None,
            _ => Some(self.statement()).filter(|sql| !copy::goes_in(sql) && !fetches(sql)),
        };
        let (sql, values) = if let Some(sql) = other {
            (sql, &[][..])
        } else {
            let (sql, values) = self.random.pick(STATEMENTS);
            (sql.to_owned(), values)
        };
        self.prepared.insert(name.to_owned(), values);
        let types = match self.random.below(12) {
            0 => values.iter().map(|value| value.oid()).collect(),
            1 => vec![0; values.len()],
            2 if self.has("illegal") => vec![self.random.pick(&[23, 25, 999_999, 600])],
            _ => Vec::new(),
        };
        Message::Parse {
            name: name.to_owned(),
            sql,
            types,
        }
    }

    fn bind(&mut self, portal: &str, statement: &str) -> Message {
        let kinds = self.prepared.get(statement).copied().unwrap_or_default();
        let binary = self.has("binary") && self.random.percent(30);
        let mut values: Vec<_> = kinds
            .iter()
            .map(|kind| kind.value(&mut self.random, binary))
            .collect();
        if self.has("illegal") && self.random.percent(5) {
            values.push(Some(b"1".to_vec()));
        }
        let results = match self.random.below(20) {
            0 | 1 if self.has("binary") => vec![1],
            2 if self.has("illegal") => vec![1, 0, 1],
            3 => vec![0],
            _ => Vec::new(),
        };
        Message::Bind {
            portal: portal.to_owned(),
            statement: statement.to_owned(),
            formats: if binary { vec![1] } else { Vec::new() },
            values,
            results,
        }
    }

    fn execute(&mut self, portal: &str) -> Message {
        let most = self.random.pick(&[0, 0, 0, 0, 0, 0, 1, 2]);
        Message::Execute(portal.to_owned(), most)
    }
}

impl Value {
    fn oid(self) -> u32 {
        match self {
            Int => 23,
            Text => 25,
        }
    }

    fn value(self, random: &mut Random, binary: bool) -> Option<Vec<u8>> {
        if random.percent(6) {
            return None;
        }
        let number: i32 = random.pick(&[1, 2, 3, 4, 5, 0, 13, 77, -1]);
        let text = random.pick(&["one", "two", "four", "x;y", "it's", "\u{e4}"]);
        Some(match self {
            Int if random.percent(3) => b"odd".to_vec(),
            Int if binary => number.to_be_bytes().to_vec(),
            Int => number.to_string().into_bytes(),
            Text => text.as_bytes().to_vec(),
        })
    }
}

/// A server (15.18) crashes when it is asked to describe a `FETCH` whose cursor is gone: so nothing asks for that.
const FETCH: &str = "fetch";

fn fetches(sql: &str) -> bool {
    sql.contains("FETCH")
}

fn parse(name: &str, sql: &str) -> Message {
    Message::Parse {
        name: name.to_owned(),
        sql: sql.to_owned(),
        types: Vec::new(),
    }
}

fn bind(portal: &str, statement: &str) -> Message {
    Message::Bind {
        portal: portal.to_owned(),
        statement: statement.to_owned(),
        formats: Vec::new(),
        values: Vec::new(),
        results: Vec::new(),
    }
}
