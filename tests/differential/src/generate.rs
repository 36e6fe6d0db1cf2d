//! Scripts, made up from a seed while they run: what comes next depends on where the last answer left the transaction.

mod control;
mod copy;
mod data;
mod extended;
mod family;
mod objects;
mod settings;
mod story;

pub use family::names;

use crate::message::{Kind, Message};
use crate::random::Random;
use crate::script::Batch;
use family::Family;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Makes up the batches of one script.
#[derive(Debug)]
pub struct Generator {
    random: Random,
    /// What this script is made of. Not everything is in every script: so some have much of the same.
    families: Vec<&'static Family>,
    /// What was prepared last under each name, whether or not that went well: kinds of its parameters.
    prepared: BTreeMap<String, &'static [extended::Value]>,
    /// What comes next in the story that is being told.
    story: VecDeque<String>,
    /// Where the transaction is likely to be.
    status: u8,
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
            story: VecDeque::new(),
            status: b'I',
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
        self.status = status;
        let mut batch = Batch::default();
        let units = match self.random.below(10) {
            0..7 => 1,
            _ => self.random.between(2, 4),
        };
        for unit in 1..=units {
            let last = unit == units;
            let recovers = self.status == b'E' && self.random.percent(60);
            if recovers || !self.has("extended") || self.random.percent(50) {
                self.simple(last, &mut batch);
            } else {
                self.extended(last, &mut batch);
            }
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

    /// A query string.
    fn simple(&mut self, last: bool, batch: &mut Batch) {
        let several = self.has("multi") && self.random.percent(35);
        let count = if several {
            self.random.between(2, 6)
        } else {
            1
        };
        let mut sql: Vec<String> = (0..count).map(|_| self.statement()).collect();
        for (index, piece) in sql.iter_mut().enumerate() {
            if index + 1 < count || self.random.percent(15) {
                *piece +=
                    self.random
                        .pick(&[";", ";", "; ", " ;\n", ";;", "; -- so\n", ";/* ; */"]);
            }
        }
        // The unnamed one goes with each query.
        self.prepared.remove("");
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

    /// The next statement: mostly of a story, else one that makes some sense where the transaction is likely to be.
    fn statement(&mut self) -> String {
        let bias = match self.status {
            b'E' => 60,
            b'T' => 2,
            _ => 6,
        };
        if self.story.is_empty() && self.random.percent(35) {
            let families = &self.families;
            let has = |name: &str| families.iter().any(|family| family.name == name);
            self.story = story::draw(&mut self.random, has);
        }
        let sql = if self.random.percent(bias) {
            control::fitting(&mut self.random, self.status)
        } else if !self.story.is_empty() && self.random.percent(80) {
            self.story.pop_front().unwrap_or_default()
        } else {
            self.drawn()
        };
        self.follow(&sql);
        self.decorated(sql)
    }

    /// A statement of any family.
    fn drawn(&mut self) -> String {
        let outside = self.status != b'T' && self.random.percent(75);
        let fits = |family: &&&Family| !(outside && family.inside);
        let total = self
            .families
            .iter()
            .filter(fits)
            .map(|family| family.weight)
            .sum();
        let mut drawn = self.random.below(total);
        for family in self.families.iter().filter(fits) {
            if drawn < family.weight {
                return (family.make)(&mut self.random);
            }
            drawn -= family.weight;
        }
        "SELECT 1".to_owned()
    }

    /// Guesses what a statement does to the transaction, if it goes well.
    fn follow(&mut self, sql: &str) {
        let word = sql.split_whitespace().next().unwrap_or_default();
        self.status = match (word, self.status) {
            (word, b'I') if word.starts_with("BEGIN") || word == "START" => b'T',
            ("ROLLBACK", b'E') if sql.contains(" TO ") => b'T',
            ("COMMIT" | "END" | "ABORT", _) if !sql.contains("CHAIN") => b'I',
            ("ROLLBACK", _) if !sql.contains(" TO ") && !sql.contains("CHAIN") => b'I',
            (_, status) => status,
        };
    }

    /// Comments and white space around it, now and then.
    fn decorated(&mut self, sql: String) -> String {
        match self.random.below(40) {
            0 => format!("/* before; */ {sql}"),
            1 => format!("-- line\n{sql}"),
            2 => format!("  \t{sql} /* in /* in */ ; */"),
            3 => format!("{sql} -- behind\n"),
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
