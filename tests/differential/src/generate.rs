//! Scripts, made up from a seed while they run: what comes next depends on where the last answer left the transaction.

mod control;
mod copy;
mod data;
mod extended;
mod family;
mod objects;
mod settings;

pub use family::names;

use crate::message::{Kind, Message};
use crate::random::Random;
use crate::script::Batch;
use family::Family;
use std::collections::{BTreeMap, BTreeSet};

/// Makes up the batches of one script.
#[derive(Debug)]
pub struct Generator {
    random: Random,
    /// What this script is made of. Not everything is in every script: so some have much of the same.
    families: Vec<&'static Family>,
    /// What was prepared last under each name, whether or not that went well: kinds of its parameters.
    prepared: BTreeMap<String, &'static [extended::Value]>,
}

/// How often a family that changes the schema is in a script: making it again takes time.
const DEFINING: usize = 20;

impl Generator {
    /// For one script, without some families of statements ([`names`]).
    #[must_use]
    pub fn new(seed: u64, without: &BTreeSet<String>) -> Self {
        let mut random = Random::new(seed);
        let defining = random.percent(DEFINING);
        let mut families: Vec<_> = family::ALL.iter().collect();
        families.retain(|family| {
            let wanted = !family.defines || defining;
            let drawn = family.always || random.percent(45);
            wanted && drawn && !without.contains(family.name)
        });
        Self {
            random,
            families,
            prepared: BTreeMap::new(),
        }
    }

    /// Whether the script may change the schema.
    #[must_use]
    pub fn defines(&self) -> bool {
        self.families.iter().any(|family| family.defines)
    }

    /// How many batches the script has.
    pub fn length(&mut self) -> usize {
        self.random.between(5, 40)
    }

    /// The next batch. `status` is the transaction's as far as it is known: `I`, `T` or `E`.
    pub fn batch(&mut self, status: u8) -> Batch {
        let mut batch = Batch::default();
        let units = match self.random.below(10) {
            0..7 => 1,
            _ => self.random.between(2, 4),
        };
        for unit in 1..=units {
            self.unit(status, unit == units, &mut batch);
        }
        avoid_left_portals(status, &mut batch.messages);
        if !batch.messages.last().is_some_and(Message::flushes) && !ends_with_copy(&batch) {
            batch.messages.push(Message::Sync);
        }
        if self.has("chunks") && self.random.percent(25) {
            let count = self.random.between(1, 3);
            batch.chunks = (0..count).map(|_| self.random.between(1, 40)).collect();
        }
        batch
    }

    fn unit(&mut self, status: u8, last: bool, batch: &mut Batch) {
        if self.has("extended") && self.random.percent(50) {
            self.extended(status, last, batch);
            return;
        }
        let pieces = if self.has("multi") && self.random.percent(40) {
            self.random.between(2, 6)
        } else {
            1
        };
        let mut sql: Vec<String> = (0..pieces).map(|_| self.statement(status)).collect();
        let count = sql.len();
        for (index, piece) in sql.iter_mut().enumerate() {
            if index + 1 < count || self.random.percent(15) {
                *piece +=
                    self.random
                        .pick(&[";", ";", "; ", " ;\n", ";;", "; -- so\n", ";/* ; */"]);
            }
        }
        let copies = sql.iter().filter(|piece| copy::goes_in(piece)).count();
        batch.messages.push(Message::Query(sql));
        self.data_for(copies, last, batch);
    }

    /// Data for so many copies: sent in advance or when the server asks for it. The latter is for the end of a batch,
    /// as the server takes whatever else was sent for data.
    fn data_for(&mut self, copies: usize, last: bool, batch: &mut Batch) {
        for _ in 0..copies {
            let data = copy::data(&mut self.random);
            if last && self.random.percent(50) {
                batch.copies.push(data);
            } else if batch.copies.is_empty() {
                batch.messages.extend(data);
            }
        }
    }

    /// A statement that makes some sense where the transaction stands.
    fn statement(&mut self, status: u8) -> String {
        let bias = match status {
            b'E' => 35,
            b'T' => 10,
            _ => 12,
        };
        if self.random.percent(bias) {
            return control::fitting(&mut self.random, status);
        }
        let total = self.families.iter().map(|family| family.weight).sum();
        let mut drawn = self.random.below(total);
        for family in &self.families {
            if drawn < family.weight {
                let sql = (family.make)(&mut self.random);
                return self.decorated(sql);
            }
            drawn -= family.weight;
        }
        "SELECT 1".to_owned()
    }

    /// Comments and white space around it, now and then.
    fn decorated(&mut self, sql: String) -> String {
        match self.random.below(40) {
            0 => format!("/* before; */ {sql}"),
            1 => format!("-- line\n{sql}"),
            2 => format!("  \t{sql} /* in /* in */ ; */"),
            3 => format!("{sql} -- behind"),
            _ => sql,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.families.iter().any(|family| family.name == name)
    }
}

/// What a `Query` copies in may be sent behind it.
fn ends_with_copy(batch: &Batch) -> bool {
    let mut back = batch.messages.iter().rev();
    let before = back.find(|message| !message.copies());
    matches!(before, Some(Message::Query(_)))
}

/// A `Query` that fails in a transaction leaves an unnamed portal of freed memory behind, on which a server (15.18) may
/// crash: so from then on no `Sync` is between the `Bind` of that portal and its use.
fn avoid_left_portals(status: u8, messages: &mut [Message]) {
    let mut risky = status == b'E';
    let mut bound = !risky;
    for message in messages {
        match message {
            Message::Query(_) => (risky, bound) = (true, false),
            Message::Sync if risky => bound = false,
            Message::Bind { portal, .. } if portal.is_empty() => bound = true,
            Message::Execute(portal, _) | Message::Describe(Kind::Portal, portal)
                if portal.is_empty() && !bound =>
            {
                "o1".clone_into(portal);
            }
            _ => {}
        }
    }
}
