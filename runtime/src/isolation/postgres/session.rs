//! A physical session with the server: inside a transaction that is never committed, for one owner after another.

use super::upstream::{Canceller, Parts, QueryError, ServerError, StdStream, Upstream};
use std::io;

/// A session of a runtime, in its transaction.
#[derive(Debug)]
pub(super) struct Session(pub(super) Upstream);

/// A session of no runtime.
#[derive(Debug)]
pub(super) struct Parked(Parts<StdStream>);

/// Constraints are checked at once at rest, as outside a transaction.
const BEGIN: &str = "BEGIN;SET CONSTRAINTS ALL IMMEDIATE";

/// What a ROLLBACK does not undo goes as well.
const RESET: &str = "ROLLBACK;DEALLOCATE ALL;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES";

impl Session {
    /// Begins the transaction.
    pub(super) async fn start(mut upstream: Upstream) -> Result<Self, QueryError> {
        upstream.simple(BEGIN).await?;
        Ok(Self(upstream))
    }

    /// As it was at the start. `None` if it is of no more use.
    pub(super) async fn reset(mut self) -> Option<Self> {
        let reset = self.0.simple(&format!("{RESET};{BEGIN}")).await;
        reset.is_ok_and(|done| done.status == b'T').then_some(self)
    }

    /// Takes it from its runtime.
    pub(super) fn park(self) -> io::Result<Parked> {
        self.0.park().map(Parked)
    }

    /// Gives it to the current runtime.
    pub(super) fn resume(parked: Parked) -> io::Result<Self> {
        Upstream::resume(parked.0).map(Self)
    }

    /// Stops what it is doing.
    pub(super) fn canceller(&self) -> &Canceller {
        self.0.canceller()
    }

    /// Whether the server has not hung up while it was idle. Does not wait.
    pub(super) fn is_open(&mut self) -> bool {
        self.0.is_open()
    }
}
