//! A connection to each side, which are told the same.

use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::renew::Renew;
use crate::schema;
use crate::script::{Batch, Script};
use crate::transcript::Transcript;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// Both sides.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    pub(crate) reference: Endpoint,
    pub(crate) candidate: Endpoint,
    pub(crate) patience: Duration,
    pub(crate) renew: Option<Renew>,
}

/// A client of each.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) reference: Client,
    pub(crate) candidate: Client,
    /// What the reference has answered, and how often.
    pub(crate) answers: BTreeMap<String, usize>,
}

/// What both said to a batch that they did not answer alike.
#[derive(Clone, Debug)]
pub(crate) struct Disagreement {
    /// Which batch of the script, from 0.
    pub(crate) batch: usize,
    pub(crate) reference: Transcript,
    pub(crate) candidate: Transcript,
}

/// Logs in at a candidate, which is renewed if that fails.
pub(crate) async fn login_renewed(
    candidate: &Endpoint,
    renew: Option<&Renew>,
    patience: Duration,
) -> io::Result<Client> {
    let first = Client::connect(candidate, schema::STARTUP, patience).await;
    match (first, renew) {
        (Err(_), Some(renew)) => {
            renew.now()?;
            Client::connect(candidate, schema::STARTUP, patience).await
        }
        (first, _) => first,
    }
}

impl Sides {
    /// Logs in at both and makes the schema.
    pub(crate) async fn open(&self) -> io::Result<Pair> {
        let login = |endpoint| Client::connect(endpoint, schema::STARTUP, self.patience);
        let candidate = login_renewed(&self.candidate, self.renew.as_ref(), self.patience);
        let (reference, candidate) = tokio::join!(login(&self.reference), candidate);
        let named = |side: &str, result: io::Result<Client>| {
            result.map_err(|error| io::Error::new(error.kind(), format!("the {side}: {error}")))
        };
        let mut pair = Pair {
            reference: named("reference", reference)?,
            candidate: named("candidate", candidate)?,
            answers: BTreeMap::new(),
        };
        let (one, other) = (told(&pair.reference), told(&pair.candidate));
        if one != other {
            return Err(io::Error::other(format!(
                "the parameters after the login differ:\n  reference: {one:?}\n  candidate: {other:?}"
            )));
        }
        pair.prepare(&schema::make()).await?;
        Ok(pair)
    }

    /// Runs a script on new connections, up to the first batch that is not answered alike.
    pub(crate) async fn play(&self, script: &Script) -> io::Result<Option<Disagreement>> {
        let mut pair = self.open().await?;
        for (index, batch) in script.batches.iter().enumerate() {
            if let Some(disagreement) = pair.tell(index, batch).await {
                pair.close().await;
                return Ok(Some(disagreement));
            }
        }
        pair.close().await;
        Ok(None)
    }
}

impl Pair {
    /// Sends both the same batch.
    pub(crate) async fn tell(&mut self, index: usize, batch: &Batch) -> Option<Disagreement> {
        let (reference, candidate) = tokio::join!(
            self.reference.exchange(batch),
            self.candidate.exchange(batch)
        );
        for kind in reference.kinds() {
            *self.answers.entry(kind).or_default() += 1;
        }
        // A reference that is silent says nothing about the candidate: it is told as a difference, too.
        let fine = reference.agrees_with(&candidate) && self.reference.is_open();
        (!fine).then_some(Disagreement {
            batch: index,
            reference,
            candidate,
        })
    }

    /// Sends both what must go well.
    pub(crate) async fn prepare(&mut self, batch: &Batch) -> io::Result<()> {
        let (reference, candidate) = tokio::join!(
            self.reference.exchange(batch),
            self.candidate.exchange(batch)
        );
        for (side, client, transcript) in [
            ("reference", &self.reference, reference),
            ("candidate", &self.candidate, candidate),
        ] {
            if !client.is_open() || transcript.failed() || client.status() != b'I' {
                return Err(io::Error::other(format!(
                    "the {side} cannot have its schema:\n{batch}{transcript}"
                )));
            }
        }
        Ok(())
    }

    /// Hangs up; returns what has been answered.
    pub(crate) async fn close(self) -> BTreeMap<String, usize> {
        self.reference.close().await;
        self.candidate.close().await;
        self.answers
    }
}

/// The parameters, but for the role: the candidate may have its own idea of those.
fn told(client: &Client) -> BTreeMap<String, String> {
    let text = |bytes: &Vec<u8>| bytes.escape_ascii().to_string();
    let all = client.parameters().iter();
    let all = all.map(|(name, value)| (text(name), text(value)));
    all.filter(|(name, _)| name != "session_authorization")
        .collect()
}
