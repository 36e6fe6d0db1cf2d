//! Looks for the smallest script that still differs, by leaving things out.

use crate::message::Message;
use crate::pair::{Disagreement, Sides};
use crate::script::{Batch, Script};
use std::time::{Duration, Instant};

/// How many scripts are tried.
const ATTEMPTS: usize = 600;
/// A server that does not answer is waited for at every attempt.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a server that is not there is waited for.
const RECOVERY: Duration = Duration::from_secs(20);

/// The smallest script found that differs, with its difference; `None` if this one does not differ again.
pub(crate) async fn smallest(
    sides: &Sides,
    script: &Script,
    longest: Duration,
) -> Option<(Script, Disagreement)> {
    let mut sides = sides.clone();
    sides.patience = sides.patience.min(PATIENCE);
    let found = again(&sides, script).await?;
    let mut shrinking = Shrinking {
        sides,
        script: script.clone(),
        found,
        attempts: ATTEMPTS,
        until: Instant::now() + longest,
    };
    shrinking.forget_the_rest();
    while shrinking.drop_batches().await | shrinking.drop_parts().await {}
    Some((shrinking.script, shrinking.found))
}

/// Plays a script. A script may bring a server down: so it has some time to come up again.
async fn again(sides: &Sides, script: &Script) -> Option<Disagreement> {
    let until = Instant::now() + RECOVERY;
    loop {
        match sides.play(script).await {
            Ok(found) => return found,
            Err(_) if Instant::now() < until => tokio::time::sleep(RECOVERY / 100).await,
            Err(_) => return None,
        }
    }
}

struct Shrinking {
    sides: Sides,
    /// The smallest so far, and how it differs.
    script: Script,
    found: Disagreement,
    attempts: usize,
    until: Instant,
}

impl Shrinking {
    /// Takes a smaller script if it differs, too.
    async fn try_out(&mut self, script: Script) -> bool {
        if self.attempts == 0 || Instant::now() > self.until {
            return false;
        }
        self.attempts -= 1;
        let Some(found) = again(&self.sides, &script).await else {
            return false;
        };
        self.script = script;
        self.found = found;
        self.forget_the_rest();
        true
    }

    fn forget_the_rest(&mut self) {
        self.script.batches.truncate(self.found.batch + 1);
    }

    /// Without some of the batches: first many at a time.
    async fn drop_batches(&mut self) -> bool {
        let mut smaller = false;
        let mut size = self.script.batches.len().div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < self.script.batches.len() {
                let mut script = self.script.clone();
                let end = (start + size).min(script.batches.len());
                script.batches.drain(start..end);
                if !script.batches.is_empty() && self.try_out(script).await {
                    smaller = true;
                } else {
                    start += size;
                }
            }
            size /= 2;
        }
        smaller
    }

    /// Without some of what is in a batch.
    async fn drop_parts(&mut self) -> bool {
        let mut smaller = false;
        let mut index = 0;
        while index < self.script.batches.len() {
            let mut choice = 0;
            while let Some(batch) = self
                .script
                .batches
                .get(index)
                .and_then(|batch| without(batch, choice))
            {
                let mut script = self.script.clone();
                let same = script.batches[index] == batch;
                script.batches[index] = batch;
                if !same && self.try_out(script).await {
                    smaller = true;
                } else {
                    choice += 1;
                }
            }
            index += 1;
        }
        smaller
    }
}

/// The batch without one thing; the same batch if it needs that one; `None` when there are no more choices.
fn without(batch: &Batch, choice: usize) -> Option<Batch> {
    let mut batch = batch.clone();
    if choice == 0 {
        batch.chunks.clear();
        return Some(batch);
    }
    let copies = !batch.copies.is_empty() || batch.messages.iter().any(Message::copies);
    if copies {
        return None;
    }
    let mut choice = choice - 1;
    for index in 0..batch.messages.len() {
        if let Message::Query(pieces) = &mut batch.messages[index]
            && pieces.len() > 1
        {
            if choice < pieces.len() {
                pieces.remove(choice);
                return Some(batch);
            }
            choice -= pieces.len();
        }
        if choice == 0 {
            let mut fewer = batch.clone();
            fewer.messages.remove(index);
            let answered = fewer.messages.last().is_some_and(Message::flushes);
            return Some(if answered { fewer } else { batch });
        }
        choice -= 1;
    }
    None
}
