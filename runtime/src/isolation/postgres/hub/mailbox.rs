//! What others have for a connection: notifications, and the end.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// Of one connection.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// What it shows to cancel its statements.
    pub(super) secret: [u8; 4],
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    channels: HashSet<Box<[u8]>>,
    notifications: Vec<Notification>,
    is_over: bool,
    /// Whoever waits for any of it: there is only one.
    waker: Option<Waker>,
}

/// A channel and what was said in it.
pub(super) type Notification = (Box<[u8]>, Vec<u8>);

impl Mailbox {
    pub(super) fn new(secret: [u8; 4]) -> Self {
        Self {
            secret,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to a channel, or no more; `None` is all.
    pub(super) fn listen(&self, channel: Option<&[u8]>, on: bool) {
        let mut inner = self.inner();
        if !on {
            // What was said in it before is not heard any more.
            let left =
                |(other, _): &Notification| channel.is_some_and(|channel| **other != *channel);
            inner.notifications.retain(left);
        }
        match (channel, on) {
            (Some(channel), true) => drop(inner.channels.insert(channel.into())),
            (Some(channel), false) => drop(inner.channels.remove(channel)),
            (None, _) => inner.channels.clear(),
        }
    }

    pub(super) fn deliver(&self, notification: &Notification) {
        let mut inner = self.inner();
        if inner.channels.contains(&notification.0) {
            inner.notifications.push(notification.clone());
            wake(inner);
        }
    }

    /// Whether there are notifications.
    pub(super) fn is_waiting(&self) -> bool {
        !self.inner().notifications.is_empty()
    }

    pub(super) fn take(&self) -> Vec<Notification> {
        std::mem::take(&mut self.inner().notifications)
    }

    /// Says that the owner ends.
    pub(super) fn close(&self) {
        let mut inner = self.inner();
        inner.is_over = true;
        wake(inner);
    }

    /// What there is: the end, or notifications if they are wanted now. Else the task is woken.
    pub(super) fn poll(&self, cx: &Context<'_>, wanted: bool) -> Option<Mail> {
        let mut inner = self.inner();
        if inner.is_over {
            return Some(Mail::End);
        }
        if wanted && !inner.notifications.is_empty() {
            return Some(Mail::Notifications);
        }
        match &mut inner.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        None
    }
}

/// What is in a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mail {
    /// The owner ends.
    End,
    Notifications,
}

/// Outside of the lock.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}
