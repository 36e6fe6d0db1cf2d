//! What a run has found.

use crate::pair::Disagreement;
use crate::script::Script;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What a run has found.
#[derive(Debug)]
pub struct Report {
    /// What the scripts were made of.
    pub seed: u64,
    /// How many scripts were sent.
    pub scripts: usize,
    /// How many statements were in them.
    pub statements: usize,
    /// How long that took.
    pub elapsed: Duration,
    /// What the reference answered, and how often: whether the scripts are worth something.
    pub answers: BTreeMap<String, usize>,
    /// Where the sides did not answer alike.
    pub differences: Vec<Difference>,
}

/// A script that the sides do not answer alike.
#[derive(Debug)]
pub struct Difference {
    pub(crate) script: Script,
    pub(crate) found: Disagreement,
    pub(crate) shrunk: Option<(Script, Disagreement)>,
}

impl Report {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            scripts: 0,
            statements: 0,
            elapsed: Duration::ZERO,
            answers: BTreeMap::new(),
            differences: Vec::new(),
        }
    }
}

impl Report {
    pub(crate) fn count(&mut self, answers: BTreeMap<String, usize>) {
        for (kind, count) in answers {
            *self.answers.entry(kind).or_default() += count;
        }
    }
}

impl Difference {
    /// The script, as small as it still differs; the one it was found with, if it differs only now and then.
    #[must_use]
    pub fn script(&self) -> &Script {
        self.shrunk
            .as_ref()
            .map_or(&self.script, |(script, _)| script)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = u128::try_from(self.statements).unwrap_or_default() * 1_000
            / self.elapsed.as_millis().max(1);
        writeln!(
            f,
            "seed {}: {} differences in {} scripts, {} statements, {:.1?} ({per_second} statements/s)",
            self.seed,
            self.differences.len(),
            self.scripts,
            self.statements,
            self.elapsed,
        )?;
        self.differences
            .iter()
            .try_for_each(|one| write!(f, "\n{one}"))
    }
}

/// The whole script only if there is no smaller one: the seed makes it again.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((script, found)) = &self.shrunk else {
            writeln!(
                f,
                "the script, which does not differ again on new connections:\n{}",
                self.script
            )?;
            return tell(f, &self.found);
        };
        writeln!(
            f,
            "a script of {} batches differs:",
            self.script.batches.len()
        )?;
        tell(f, &self.found)?;
        writeln!(f, "\nthe smallest one found that differs:\n{script}")?;
        tell(f, found)
    }
}

fn tell(f: &mut fmt::Formatter<'_>, found: &Disagreement) -> fmt::Result {
    write!(
        f,
        "  answers to batch {}:\n{}",
        found.batch + 1,
        found.reference.beside(&found.candidate)
    )
}
