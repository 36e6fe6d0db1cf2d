//! Steps of several connections: made up, said to a server, and their answers looked at.

use super::model::{Action, Expected, Model};
use crate::message::Message;
use crate::random::Random;
use crate::script::Batch;
use crate::transcript::{Event, Transcript};
use std::collections::BTreeSet;
use std::fmt;

/// What one of the connections does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which one, from 0.
    pub party: usize,
    /// What it does.
    pub action: Action,
    /// How it says it.
    wording: Wording,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wording {
    Query,
    Unnamed,
    /// By a statement that is prepared: every connection has one of this name, which reads with a text of its own.
    Prepared,
}

/// Names of steps that can be left out: those of a connection within whose transaction another has been begun.
pub fn step_names() -> impl Iterator<Item = &'static str> {
    [
        "buried_fail",
        "buried_rollback",
        "buried_rollback_to",
        "buried_release",
        "buried_commit",
        "settings",
        "extended",
    ]
    .into_iter()
}

const KEYS: usize = 6;
const NAMES: &[&str] = &["a", "b"];

/// Makes the table, or makes it empty.
pub(super) fn table() -> Vec<Batch> {
    let making = "SET client_min_messages = error; CREATE SCHEMA IF NOT EXISTS t; CREATE TABLE IF NOT EXISTS cell (key int PRIMARY KEY, value int); RESET client_min_messages";
    [making, "DELETE FROM cell"].map(Batch::query).into()
}

const PREPARED: &str = "s1";

/// Prepares a connection's statement.
pub(super) fn preparation(party: usize) -> Batch {
    let sql = format!("SELECT key, value, {party} FROM cell ORDER BY key");
    Batch::of(vec![parse(PREPARED, sql), Message::Sync])
}

fn parse(name: &str, sql: String) -> Message {
    Message::Parse {
        name: name.to_owned(),
        sql,
        types: Vec::new(),
    }
}

fn bind(statement: &str) -> Message {
    Message::Bind {
        portal: String::new(),
        statement: statement.to_owned(),
        formats: Vec::new(),
        values: Vec::new(),
        results: Vec::new(),
    }
}

/// The value of the setting.
pub(super) fn setting_name(number: u32) -> String {
    match number {
        0 => "differential".to_owned(),
        number => format!("name {number}"),
    }
}

/// Steps that make sense, and the model after them.
pub(super) fn draw(
    random: &mut Random,
    parties: usize,
    length: usize,
    without: &BTreeSet<String>,
) -> (Vec<Step>, Model) {
    let mut model = Model::new(parties);
    let mut steps = Vec::new();
    while steps.len() < length {
        let party = random.below(parties);
        let action = action(random, &model, party);
        if !allowed(&model, party, action, without) {
            continue;
        }
        let wording = match random.below(6) {
            0 if action == Action::Read && !without.contains("extended") => Wording::Prepared,
            1 | 2 if !without.contains("extended") => Wording::Unnamed,
            _ => Wording::Query,
        };
        model.act(party, action);
        steps.push(Step {
            party,
            action,
            wording,
        });
    }
    (steps, model)
}

/// Whether it is known what must become of these steps: they may be what is left of others.
pub(super) fn make_sense(parties: usize, steps: &[Step]) -> bool {
    let mut model = Model::new(parties);
    let none = BTreeSet::new();
    steps.iter().all(|step| {
        let allowed = allowed(&model, step.party, step.action, &none);
        model.act(step.party, step.action);
        allowed
    })
}

/// Outside of a transaction there are no savepoints. Where those of a buried one would be is nobody's business.
fn allowed(model: &Model, party: usize, action: Action, without: &BTreeSet<String>) -> bool {
    let (buried, idle) = (model.is_buried(party), model.status(party) == b'I');
    let outside = !matches!(
        action,
        Action::Savepoint(_)
            | Action::RollbackTo(_)
            | Action::Release(_)
            | Action::Commit
            | Action::Rollback
    );
    if idle && !outside {
        return false;
    }
    let name = match action {
        Action::Savepoint(_) if buried => return false,
        Action::Set(_) | Action::Show => "settings",
        _ if !buried => return true,
        Action::Commit => "buried_commit",
        Action::Rollback => "buried_rollback",
        Action::RollbackTo(_) => "buried_rollback_to",
        Action::Release(_) => "buried_release",
        Action::Fail => "buried_fail",
        _ => return true,
    };
    !without.contains(name)
}

fn action(random: &mut Random, model: &Model, party: usize) -> Action {
    let key = u32::try_from(random.below(KEYS)).unwrap_or_default();
    // Each value once: so it tells by whom it was written.
    let value = u32::try_from(random.below(1_000_000)).unwrap_or_default();
    let name = random.pick(NAMES);
    if model.status(party) == b'E' && random.percent(50) {
        return random.pick(&[Action::Rollback, Action::Commit, Action::RollbackTo(name)]);
    }
    match random.below(40) {
        0..13 => Action::Write(key, value),
        13..15 => Action::Remove(key),
        15..23 => Action::Read,
        23..28 => Action::Begin,
        28..30 => Action::Commit,
        30..32 => Action::Rollback,
        32..34 => Action::Savepoint(name),
        34 => Action::RollbackTo(name),
        35 => Action::Release(name),
        36 => Action::Fail,
        37 => Action::Set(1 + value % 9),
        _ => Action::Show,
    }
}

impl Step {
    fn sql(&self) -> String {
        match self.action {
            Action::Begin => "BEGIN".to_owned(),
            Action::Commit => "COMMIT".to_owned(),
            Action::Rollback => "ROLLBACK".to_owned(),
            Action::Savepoint(name) => format!("SAVEPOINT {name}"),
            Action::RollbackTo(name) => format!("ROLLBACK TO {name}"),
            Action::Release(name) => format!("RELEASE {name}"),
            Action::Write(key, value) => format!(
                "INSERT INTO cell VALUES ({key}, {value}) ON CONFLICT (key) DO UPDATE SET value = {value}"
            ),
            Action::Remove(key) => format!("DELETE FROM cell WHERE key = {key}"),
            Action::Read => "SELECT key, value FROM cell ORDER BY key".to_owned(),
            Action::Fail => "SELECT 1/0".to_owned(),
            Action::Set(number) => format!("SET application_name = '{}'", setting_name(number)),
            Action::Show => "SHOW application_name".to_owned(),
        }
    }

    pub(super) fn batch(&self) -> Batch {
        let mut messages = match self.wording {
            Wording::Query => return Batch::query(self.sql()),
            Wording::Unnamed => vec![parse("", self.sql()), bind("")],
            Wording::Prepared => vec![bind(PREPARED)],
        };
        messages.extend([Message::Execute(String::new(), 0), Message::Sync]);
        Batch::of(messages)
    }
}

/// What is wrong with an answer.
pub(super) fn compare(step: &Step, expected: &Expected, transcript: &Transcript) -> Option<String> {
    let (mut done, mut code, mut status, mut rows) = (None, None, None, Vec::new());
    for event in transcript.events() {
        let Event::Frame(frame) = event else {
            if !matches!(event, Event::Parameter(..)) {
                return Some("    the connection is no use any more\n".to_owned());
            }
            continue;
        };
        match frame.tag {
            b'C' => done = first_text(&frame.body),
            b'E' => {
                let fields = frame.body.split(|&byte| byte == 0);
                let mut codes = fields.filter_map(|field| field.strip_prefix(b"C"));
                code = codes.next().map(<[u8]>::to_vec);
            }
            b'D' => rows.push(texts(&frame.body)),
            b'Z' => status = frame.body.first().copied(),
            _ => {}
        }
    }
    let said = match (expected.said, &done, &code) {
        (Ok(tag), Some(done), None) => done.starts_with(tag.as_bytes()),
        (Err(wanted), None, Some(code)) => wanted.is_empty() || *code == wanted.as_bytes(),
        _ => false,
    };
    let fine = said && status == Some(expected.status) && rows == wanted(step, expected);
    (!fine).then(String::new)
}

/// The rows as the server writes them.
fn wanted(step: &Step, expected: &Expected) -> Vec<Vec<String>> {
    let row = |&(key, value): &(u32, Option<u32>)| {
        if step.action == Action::Show {
            return vec![setting_name(key)];
        }
        let mut row = vec![key.to_string(), value.unwrap_or_default().to_string()];
        row.extend((step.wording == Wording::Prepared).then(|| step.party.to_string()));
        row
    };
    expected.rows.iter().map(row).collect()
}

/// What stands before the first zero byte.
fn first_text(body: &[u8]) -> Option<Vec<u8>> {
    body.split(|&byte| byte == 0).next().map(<[u8]>::to_vec)
}

/// The values of a row.
fn texts(mut body: &[u8]) -> Vec<String> {
    use bytes::Buf as _;
    let mut values = Vec::new();
    for _ in 0..body.try_get_u16().unwrap_or_default() {
        let length = body.try_get_i32().unwrap_or(-1);
        let value = usize::try_from(length)
            .ok()
            .and_then(|length| body.split_off(..length));
        values.push(value.unwrap_or_default().escape_ascii().to_string());
    }
    values
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.wording {
            Wording::Query => "",
            Wording::Unnamed => " (extended)",
            Wording::Prepared => " (prepared)",
        };
        write!(f, "connection {}: {}{how}", self.party + 1, self.sql())
    }
}
