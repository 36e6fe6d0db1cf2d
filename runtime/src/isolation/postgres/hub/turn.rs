//! Whose turn it is with the session: one batch at a time, and the open transactions of several connections one within
//! the other.

use super::Shared;
use super::core::Core;
use crate::clock::Clock;
use crate::isolation::postgres::background;
use crate::isolation::postgres::session::Lost;
use crate::isolation::postgres::stack::ClientId;
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often whoever waits for another's transaction looks whether that one has gone on.
const TICK: Duration = Duration::from_millis(1);

/// A tick that took longer than this was one in which the other had no chance to go on either.
const HEALTHY: Duration = Duration::from_millis(3);

/// For how many ticks a transaction must have been idle before another connection's statement runs within it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Grace {
    /// A statement of its own.
    Statement,
    /// The beginning of another transaction, within.
    Transaction,
}

impl Grace {
    fn ticks(self) -> u32 {
        match self {
            Self::Statement => 2,
            Self::Transaction => 5,
        }
    }
}

/// Who has the session, and who wants it.
#[derive(Debug)]
pub(super) struct Schedule {
    core: Option<Box<Core>>,
    /// Whose turn it is.
    holder: Option<ClientId>,
    waiting: VecDeque<Waiter>,
    /// Counts how often the transaction on top has gone on.
    epoch: u64,
    /// In which epoch others were let in already: as long as it lasts, more of them need not wait.
    shared: Option<u64>,
    next: u64,
    /// Clients that have gone while it was somebody's turn.
    left: Vec<ClientId>,
    closed: bool,
}

/// What is before a client's turn.
pub(super) enum Before {
    /// That of another.
    Turn(ClientId),
    /// The open transaction of another, until that has been at rest for a moment.
    Transaction(ClientId),
    /// Nothing any more.
    Nobody,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    client: ClientId,
    /// The epoch that it has waited out.
    patient: Option<u64>,
    /// What it waits to do is to be stopped.
    cancelled: bool,
    wake: Arc<Notify>,
}

/// The owner has ended.
#[derive(Debug)]
pub(super) struct Closed;

/// The session, until this is dropped.
pub(super) struct Turn {
    core: Option<Box<Core>>,
    shared: Arc<Shared>,
    client: ClientId,
    /// Whether whoever had it came to an end with it.
    ended: bool,
}

impl Schedule {
    pub(super) fn new(core: Core) -> Self {
        Self {
            core: Some(Box::new(core)),
            holder: None,
            waiting: VecDeque::new(),
            epoch: 0,
            shared: None,
            next: 0,
            left: Vec::new(),
            closed: false,
        }
    }

    fn may_go(&self, core: &Core, client: ClientId, patient: Option<u64>) -> bool {
        match core.stack.top() {
            None => true,
            Some(top) if top.client == client && !top.committed => true,
            Some(_) => [patient, self.shared].contains(&Some(self.epoch)),
        }
    }

    /// Takes the session, if it is there and the client's turn.
    fn take(&mut self, client: ClientId, patient: Option<u64>) -> Option<Box<Core>> {
        let core = self.core.take()?;
        if self.may_go(&core, client, patient) {
            self.holder = Some(client);
            return Some(core);
        }
        self.core = Some(core);
        None
    }

    /// Wakes the first of those whose turn it is. If it is nobody's, all: how long another's transaction is idle counts
    /// from here.
    fn wake_next(&self) {
        let Some(core) = &self.core else {
            return;
        };
        let mut waiting = self.waiting.iter();
        match waiting.find(|one| self.may_go(core, one.client, one.patient)) {
            Some(next) => next.wake.notify_one(),
            None => self.wake_all(),
        }
    }

    fn wake_all(&self) {
        for waiter in &self.waiting {
            waiter.wake.notify_one();
        }
    }
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        let schedule: &Mutex<Schedule> = &self.schedule;
        schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the client's turn.
    ///
    /// # Cancel safety
    ///
    /// Who is dropped leaves the queue.
    pub(super) async fn turn(
        self: &Arc<Self>,
        client: ClientId,
        grace: Grace,
    ) -> Result<Turn, Closed> {
        let place = match self.take_or_join(client)? {
            Ok(core) => return Turn::begin(self, client, core),
            Err(place) => place,
        };
        loop {
            let (core, blocked) = {
                let mut schedule = self.schedule();
                if schedule.closed {
                    return Err(Closed);
                }
                let (patient, cancelled) = place.waiter(&schedule);
                let blocked = schedule.core.is_some().then_some(schedule.epoch);
                let core = schedule.take(client, patient);
                if core.is_some() {
                    self.cancels.begin(cancelled);
                }
                (core, blocked)
            };
            match (core, blocked) {
                (Some(core), _) => return Turn::begin(self, client, core),
                // Another's transaction is open, and at rest.
                (None, Some(epoch)) => place.wait_out(epoch, grace).await,
                (None, None) => place.wake.notified().await,
            }
        }
    }

    /// The session at once, or a place in the queue.
    fn take_or_join(
        self: &Arc<Self>,
        client: ClientId,
    ) -> Result<Result<Box<Core>, Place>, Closed> {
        let mut schedule = self.schedule();
        if schedule.closed {
            return Err(Closed);
        }
        let first = schedule.waiting.is_empty();
        match first.then(|| schedule.take(client, None)).flatten() {
            Some(core) => {
                self.cancels.begin(false);
                Ok(Ok(core))
            }
            None => Ok(Err(Place::join(self, &mut schedule, client))),
        }
    }

    /// For whom a client waits, if it does: who has the session, else whose transaction is open.
    pub(super) fn waits_for(&self, client: ClientId) -> Option<Before> {
        let schedule = self.schedule();
        schedule.waiting.iter().find(|one| one.client == client)?;
        let top = schedule.core.as_ref().and_then(|core| core.stack.top());
        Some(match (schedule.holder, top) {
            (Some(holder), _) => Before::Turn(holder),
            (None, Some(top)) if top.client != client => Before::Transaction(top.client),
            (None, _) => Before::Nobody,
        })
    }

    /// Stops what the session is doing if it is this client's turn, or what the client waits to do.
    pub(super) fn cancel_turn_of(&self, client: ClientId) {
        let mut schedule = self.schedule();
        // Not to become another's in between.
        if schedule.holder == Some(client) {
            self.cancels.request();
        }
        let mut waiting = schedule.waiting.iter_mut();
        if let Some(one) = waiting.find(|one| one.client == client) {
            one.cancelled = true;
        }
    }

    /// Nobody gets the session any more.
    pub(super) fn close_schedule(&self) {
        let mut schedule = self.schedule();
        schedule.closed = true;
        schedule.wake_all();
    }

    /// A client has gone: what it has open is rolled back before anybody else's turn.
    pub(super) fn has_left(&self, client: ClientId) {
        let mut schedule = self.schedule();
        match &mut schedule.core {
            Some(core) => core.abandon(client),
            None => schedule.left.push(client),
        }
        schedule.epoch += 1;
        schedule.wake_next();
    }

    /// Waits for the session of an owner that has ended.
    pub(super) async fn wait_for_core(&self, patience: Duration) -> Option<Box<Core>> {
        let returned = async {
            loop {
                if let Some(core) = self.take_for_good() {
                    return core;
                }
                self.returned.notified().await;
            }
        };
        background::timeout(patience, returned).await.ok()
    }

    /// Takes the session for good. Whoever waits or comes later is told.
    pub(super) fn take_for_good(&self) -> Option<Box<Core>> {
        let mut schedule = self.schedule();
        schedule.closed = true;
        schedule.wake_all();
        schedule.core.take()
    }
}

/// A place in the queue.
struct Place {
    shared: Arc<Shared>,
    ticket: u64,
    wake: Arc<Notify>,
}

impl Place {
    fn join(shared: &Arc<Shared>, schedule: &mut Schedule, client: ClientId) -> Self {
        schedule.next += 1;
        let (ticket, wake) = (schedule.next, Arc::new(Notify::new()));
        schedule.waiting.push_back(Waiter {
            ticket,
            client,
            patient: None,
            cancelled: false,
            wake: Arc::clone(&wake),
        });
        Self {
            shared: Arc::clone(shared),
            ticket,
            wake,
        }
    }

    /// The epoch that it has waited out, and whether what it waits to do is to be stopped.
    fn waiter(&self, schedule: &Schedule) -> (Option<u64>, bool) {
        let mut waiting = schedule.waiting.iter();
        let own = waiting.find(|one| one.ticket == self.ticket);
        own.map_or((None, false), |own| (own.patient, own.cancelled))
    }

    /// Waits until the transaction on top has been idle for long enough, or something else has happened.
    async fn wait_out(&self, epoch: u64, grace: Grace) {
        let mut healthy = 0;
        let _hold = self.shared.clock.as_ref().map(Clock::hold);
        while healthy < grace.ticks() {
            let started = Instant::now();
            let tick = background::timeout(TICK, self.wake.notified()).await;
            let schedule = self.shared.schedule();
            if tick.is_ok() || schedule.epoch != epoch || schedule.core.is_none() || schedule.closed
            {
                return;
            }
            healthy += u32::from(started.elapsed() < HEALTHY);
        }
        let mut schedule = self.shared.schedule();
        let mut waiting = schedule.waiting.iter_mut();
        if let Some(own) = waiting.find(|one| one.ticket == self.ticket) {
            own.patient = Some(epoch);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut schedule = self.shared.schedule();
        schedule.waiting.retain(|one| one.ticket != self.ticket);
        // It may have been woken for nothing.
        schedule.wake_next();
    }
}

impl Turn {
    fn begin(shared: &Arc<Shared>, client: ClientId, core: Box<Core>) -> Result<Self, Closed> {
        let mut turn = Self {
            core: Some(core),
            shared: Arc::clone(shared),
            client,
            // Nothing has begun.
            ended: true,
        };
        if !turn.session.is_home() {
            let core = turn.core.take().map(|core| core.rehome());
            match core.transpose() {
                Ok(core) => turn.core = core.map(Box::new),
                Err(error) => {
                    shared.lose(&Lost::Io(error));
                    return Err(Closed);
                }
            }
        }
        shared.waits.begins();
        turn.ended = false;
        Ok(turn)
    }

    /// Says that what was done is done, so that another may go on with the session.
    pub(super) fn end(mut self) {
        self.ended = true;
    }
}

impl Deref for Turn {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.core
            .as_deref()
            .expect("a turn has the session until it ends")
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut Core {
        self.core
            .as_deref_mut()
            .expect("a turn has the session until it ends")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mut core) = self.core.take() else {
            return;
        };
        self.shared.waits.ends();
        let mut schedule = self.shared.schedule();
        schedule.holder = None;
        // It is not to be given to anybody then.
        schedule.closed |= !self.ended;
        let top = core.stack.top().map(|top| top.client);
        if top.is_none_or(|top| top == self.client) {
            schedule.epoch += 1;
        } else {
            schedule.shared = Some(schedule.epoch);
        }
        if core.session.is_at_rest() {
            for client in std::mem::take(&mut schedule.left) {
                core.abandon(client);
            }
        }
        schedule.core = Some(core);
        if schedule.closed {
            self.shared.returned.notify_one();
        }
        schedule.wake_next();
        drop(schedule);
        if !self.ended {
            self.shared.interrupted();
        }
    }
}
