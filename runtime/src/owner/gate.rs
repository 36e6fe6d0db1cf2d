//! Whoever uses a session goes through its gate: once it is closed nobody enters, and whoever closed it knows who is
//! inside.

use super::sync::{Mutex, PoisonError};

/// A gate that closes once. `R` is why it closed, `U` describes a user.
#[derive(Debug)]
pub(crate) struct Gate<R, U>(Mutex<State<R, U>>);

#[derive(Debug)]
struct State<R, U> {
    closed: Option<R>,
    inside: Vec<(u64, U)>,
    entered: u64,
    last: Option<U>,
}

/// Names who entered, to leave again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pass(u64);

impl<R: Clone, U: Clone> Gate<R, U> {
    pub(crate) fn open() -> Self {
        Self(Mutex::new(State {
            closed: None,
            inside: Vec::new(),
            entered: 0,
            last: None,
        }))
    }

    /// Somebody uses what is behind the gate, until the pass is handed to [`Gate::leave`].
    pub(crate) fn enter(&self, user: U) -> Result<Pass, R> {
        self.with(|state| {
            if let Some(reason) = &state.closed {
                return Err(reason.clone());
            }
            state.entered += 1;
            state.last = Some(user.clone());
            state.inside.push((state.entered, user));
            Ok(Pass(state.entered))
        })
    }

    pub(crate) fn leave(&self, pass: &Pass) {
        self.with(|state| state.inside.retain(|(number, _)| *number != pass.0));
    }

    /// Closes it. The reason is made from who is inside and who entered last. `None` when it was closed already.
    pub(crate) fn close(&self, reason: impl FnOnce(Vec<U>, Option<U>) -> R) -> Option<R> {
        self.with(|state| {
            if state.closed.is_some() {
                return None;
            }
            let inside = state.inside.iter().map(|(_, user)| user.clone()).collect();
            let reason = reason(inside, state.last.clone());
            state.closed = Some(reason.clone());
            Some(reason)
        })
    }

    /// Why it is closed, if it is.
    pub(crate) fn closed(&self) -> Option<R> {
        self.with(|state| state.closed.clone())
    }

    /// Who is inside, and who entered last.
    pub(crate) fn users(&self) -> (Vec<U>, Option<U>) {
        self.with(|state| {
            let inside = state.inside.iter().map(|(_, user)| user.clone());
            (inside.collect(), state.last.clone())
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut State<R, U>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
