//! Several connections of one owner, one after the other, against a model of what each must see.

mod model;
mod steps;
#[cfg(test)]
mod tests;

pub use model::{Action, Expected, Model};
pub use steps::{Step, step_names};

use crate::endpoint::Endpoint;
use crate::pair::login_renewed;
use crate::random::Random;
use crate::renew::Renew;
use crate::script::Batch;
use crate::transcript::Transcript;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// What to run.
#[derive(Clone, Debug)]
pub struct SeveralPlan {
    /// Decides every step. Default: another one each time.
    pub seed: u64,
    /// About how many steps. Default 2,000.
    pub steps: usize,
    /// How many connections at most. Default 4.
    pub parties: usize,
    /// Steps to leave out ([`step_names`]).
    pub without: BTreeSet<String>,
    /// How long an answer may take. Default 10 s.
    pub patience: Duration,
    /// How long to look for fewer steps that fail, too. Default 1 min.
    pub shrinking: Duration,
    /// What to do when the candidate takes no connection any more. Default: give up.
    pub renew: Option<Renew>,
}

impl Default for SeveralPlan {
    fn default() -> Self {
        let plan = crate::Plan::default();
        Self {
            seed: plan.seed,
            steps: 2_000,
            parties: 4,
            without: BTreeSet::new(),
            patience: plan.patience,
            shrinking: plan.shrinking,
            renew: None,
        }
    }
}

/// What a run has found.
#[derive(Debug)]
pub struct SeveralReport {
    /// What the steps were made of.
    pub seed: u64,
    /// How many there were.
    pub steps: usize,
    /// How many changes were undone by another's rollback: something for the journal.
    pub lost: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// Steps of which the last one was not answered as it must be, and how it was answered.
    pub wrong: Option<Wrong>,
}

/// Steps of which the last one was not answered as it must be.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// How many connections there were.
    pub parties: usize,
    /// What they did.
    pub steps: Vec<Step>,
    /// What is wrong with the answer.
    pub why: String,
}

/// How many steps are made on the same connections.
const LENGTH: (usize, usize) = (10, 60);

/// Makes steps until one is not answered as the model says.
///
/// # Errors
///
/// A candidate that cannot be reached or cannot have its table.
pub async fn run_several(candidate: &Endpoint, plan: &SeveralPlan) -> io::Result<SeveralReport> {
    let mut random = Random::new(plan.seed);
    let started = Instant::now();
    let mut report = SeveralReport {
        seed: plan.seed,
        steps: 0,
        lost: 0,
        elapsed: Duration::ZERO,
        wrong: None,
    };
    while report.steps < plan.steps && report.wrong.is_none() {
        let parties = random.between(1, plan.parties).max(2.min(plan.parties));
        let length = random.between(LENGTH.0, LENGTH.1);
        let (steps, model) = steps::draw(&mut random, parties, length, &plan.without);
        report.lost += model.lost();
        report.steps += steps.len();
        report.wrong = play(candidate, parties, &steps, plan).await?;
    }
    if let Some(wrong) = report.wrong.take() {
        report.wrong = Some(shrunk(candidate, wrong, plan).await);
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Takes the steps on new connections, up to the first wrong answer.
async fn play(
    candidate: &Endpoint,
    parties: usize,
    steps: &[Step],
    plan: &SeveralPlan,
) -> io::Result<Option<Wrong>> {
    let mut clients = Vec::new();
    for _ in 0..parties {
        clients.push(login_renewed(candidate, plan.renew.as_ref(), plan.patience).await?);
    }
    for (party, client) in clients.iter_mut().enumerate() {
        let table = steps::table().into_iter().filter(|_| party == 0);
        for batch in table.chain([steps::preparation(party)]) {
            let transcript = client.exchange(&batch).await;
            if transcript.failed() || !client.is_open() {
                let what = format!("what is needed cannot be made:\n{batch}{transcript}");
                return Err(io::Error::other(what));
            }
        }
    }
    let mut model = Model::new(parties);
    let mut wrong = None;
    for (index, step) in steps.iter().enumerate() {
        let expected = model.act(step.party, step.action);
        let client = &mut clients[step.party];
        let transcript = client.exchange(&step.batch()).await;
        let told = client.parameters().get(&b"application_name"[..]);
        let told = told.map(|name| name.escape_ascii().to_string());
        let why = steps::compare(step, &expected, &transcript).or_else(|| {
            let setting = steps::setting_name(model.setting(step.party)?);
            let why = format!("    application_name was told to be {told:?}, and is {setting:?}\n");
            (told.as_deref() != Some(&*setting)).then_some(why)
        });
        if let Some(why) = why {
            wrong = Some(Wrong {
                parties,
                steps: steps[..=index].to_vec(),
                why: explain(&expected, &transcript, &why),
            });
            break;
        }
    }
    // What is still open would be rolled back some time after the next connections have begun.
    for mut client in clients {
        client.exchange(&Batch::query("ROLLBACK")).await;
        client.close().await;
    }
    Ok(wrong)
}

fn explain(expected: &Expected, transcript: &Transcript, why: &str) -> String {
    format!("{why}  expected: {expected:?}\n  answered:\n{transcript}")
}

/// With fewer steps, if that fails, too.
async fn shrunk(candidate: &Endpoint, mut wrong: Wrong, plan: &SeveralPlan) -> Wrong {
    let until = Instant::now() + plan.shrinking;
    let mut size = wrong.steps.len().div_ceil(2);
    while size > 0 {
        let (mut start, mut smaller) = (0, false);
        while start < wrong.steps.len() && Instant::now() < until {
            let mut steps = wrong.steps.clone();
            steps.drain(start..(start + size).min(steps.len()));
            let known = !steps.is_empty() && steps::make_sense(wrong.parties, &steps);
            let mut found = None;
            if known {
                let played = play(candidate, wrong.parties, &steps, plan).await;
                found = played.ok().flatten();
            }
            match found {
                Some(found) => (wrong, smaller) = (found, true),
                None => start += size,
            }
        }
        if !(smaller && size == 1) {
            size /= 2;
        }
    }
    wrong
}

impl fmt::Display for SeveralReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} steps, {} changes undone by another's rollback, {:.1?}",
            self.seed, self.steps, self.lost, self.elapsed
        )?;
        let Some(wrong) = &self.wrong else {
            return writeln!(f, "all as they must be");
        };
        writeln!(
            f,
            "with {} connections, the last of these goes wrong:",
            wrong.parties
        )?;
        for step in &wrong.steps {
            writeln!(f, "  {step}")?;
        }
        write!(f, "{}", wrong.why)
    }
}
