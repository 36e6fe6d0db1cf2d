//! Goes through as many scripts as wanted, and looks into every difference.

use crate::endpoint::Endpoint;
use crate::generate::Generator;
use crate::pair::{Disagreement, Pair, Sides};
use crate::random::Random;
use crate::renew::Renew;
use crate::report::{Difference, Report};
use crate::schema;
use crate::script::Script;
use crate::shrink;
use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides everything that is sent. Default: another one each time.
    pub seed: u64,
    /// About how many statements to send. Default 5,000.
    pub statements: usize,
    /// Families of statements to leave out ([`crate::families`]).
    pub without: BTreeSet<String>,
    /// Stop after so many differences. Default 1.
    pub differences: usize,
    /// How long a server may take to answer a batch. Default 10 s.
    pub patience: Duration,
    /// How long to look for a smaller script that differs, too. Default 1 min.
    pub shrinking: Duration,
    /// What to do when the candidate takes no connection any more. Default: give up.
    pub renew: Option<Renew>,
    /// How many scripts one connection lives for. Default 10.
    pub scripts_per_connection: usize,
}

impl Default for Plan {
    fn default() -> Self {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            seed: Random::new(u64::try_from(since.as_nanos()).unwrap_or_default()).number(),
            statements: 5_000,
            without: BTreeSet::new(),
            differences: 1,
            patience: Duration::from_secs(10),
            shrinking: Duration::from_mins(1),
            renew: None,
            scripts_per_connection: 10,
        }
    }
}

impl Plan {
    /// The default, changed by the environment: `HEIRLOOM_FUZZ_SEED` and `HEIRLOOM_FUZZ_STATEMENTS`, numbers, and
    /// `HEIRLOOM_FUZZ_WITHOUT`, families with commas between them.
    ///
    /// # Errors
    ///
    /// Which of the variables has a value that is none.
    pub fn from_environment() -> Result<Self, String> {
        let mut plan = Self::default();
        if let Ok(seed) = std::env::var("HEIRLOOM_FUZZ_SEED") {
            plan.seed = seed
                .parse()
                .map_err(|_| format!("HEIRLOOM_FUZZ_SEED is `{seed}`, not a number"))?;
        }
        if let Ok(count) = std::env::var("HEIRLOOM_FUZZ_STATEMENTS") {
            plan.statements = count
                .parse()
                .map_err(|_| format!("HEIRLOOM_FUZZ_STATEMENTS is `{count}`, not a number"))?;
        }
        if let Ok(without) = std::env::var("HEIRLOOM_FUZZ_WITHOUT") {
            plan.without = without.split(',').map(str::to_owned).collect();
        }
        Ok(plan)
    }
}

/// How many scripts work on tables that have been made once. Rows that were deleted are in the way some day.
const SCRIPTS_PER_SCHEMA: usize = 20;

/// Sends the same scripts to both, and tells where they differ.
///
/// # Errors
///
/// A side that cannot be reached, that does not let us in, or that cannot make the tables.
pub async fn run(reference: &Endpoint, candidate: &Endpoint, plan: &Plan) -> io::Result<Report> {
    let sides = Sides {
        reference: reference.clone(),
        candidate: candidate.clone(),
        patience: plan.patience,
        renew: plan.renew.clone(),
    };
    let mut run = Run {
        plan,
        sides,
        seeds: Random::new(plan.seed),
        report: Report::new(plan.seed),
        pair: None,
        history: Vec::new(),
        schema_age: 0,
    };
    let started = Instant::now();
    while run.report.statements < plan.statements && run.report.differences.len() < plan.differences
    {
        match run.script().await {
            Ok(()) => {}
            // A side that is gone after a difference: that is what there is to tell.
            Err(_) if !run.report.differences.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    if let Some(pair) = run.pair.take() {
        run.report.count(pair.close().await);
    }
    run.report.elapsed = started.elapsed();
    Ok(run.report)
}

struct Run<'a> {
    plan: &'a Plan,
    sides: Sides,
    seeds: Random,
    report: Report,
    pair: Option<Pair>,
    /// Everything said since the connections were opened: a script may differ because of one before it.
    history: Vec<Script>,
    /// How many scripts the tables have seen.
    schema_age: usize,
}

impl Run<'_> {
    async fn script(&mut self) -> io::Result<()> {
        let mut generator = Generator::new(self.seeds.number(), &self.plan.without);
        let mut pair = self.ready().await?;
        self.history.push(Script::default());
        self.schema_age += if generator.defines() {
            SCRIPTS_PER_SCHEMA
        } else {
            1
        };
        self.report.scripts += 1;
        for _ in 0..generator.length() {
            let batch = generator.batch(pair.reference.status());
            if let Some(found) = self.tell(&mut pair, batch).await {
                return self.differs(pair, found).await;
            }
        }
        for batch in schema::look() {
            if let Some(found) = self.tell(&mut pair, batch).await {
                return self.differs(pair, found).await;
            }
        }
        self.pair = Some(pair);
        Ok(())
    }

    /// Connections whose tables are as they were made.
    async fn ready(&mut self) -> io::Result<Pair> {
        match self.pair.take() {
            Some(mut pair) if self.history.len() < self.plan.scripts_per_connection => {
                let batch = if self.schema_age < SCRIPTS_PER_SCHEMA {
                    schema::refill()
                } else {
                    self.schema_age = 0;
                    schema::make()
                };
                pair.prepare(&batch).await?;
                if let Some(script) = self.history.last_mut() {
                    script.batches.push(batch);
                }
                Ok(pair)
            }
            old => {
                if let Some(pair) = old {
                    self.report.count(pair.close().await);
                }
                self.history.clear();
                self.schema_age = 0;
                self.sides.open().await
            }
        }
    }

    async fn tell(&mut self, pair: &mut Pair, batch: crate::Batch) -> Option<Disagreement> {
        self.report.statements += batch.statements();
        let script = self.history.last_mut()?;
        let found = pair.tell(script.batches.len(), &batch).await;
        script.batches.push(batch);
        found
    }

    /// Starts anew, and looks for the smallest script that still differs.
    async fn differs(&mut self, pair: Pair, found: Disagreement) -> io::Result<()> {
        self.report.count(pair.close().await);
        let history = std::mem::take(&mut self.history);
        let script = history.last().cloned().unwrap_or_default();
        let before = Script {
            batches: history
                .into_iter()
                .flat_map(|script| script.batches)
                .collect(),
        };
        let longest = self.plan.shrinking;
        let shrunk = match shrink::smallest(&self.sides, &script, longest).await {
            None if before != script => shrink::smallest(&self.sides, &before, longest).await,
            shrunk => shrunk,
        };
        self.report.differences.push(Difference {
            script,
            found,
            shrunk,
        });
        Ok(())
    }
}
