//! What others have for a connection: notifications, a cancellation, the end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Of one connection.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// What it shows to cancel its statements.
    pub(super) secret: [u8; 4],
    inner: Mutex<Inner>,
    mail: Notify,
    end: Notify,
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    channels: HashSet<Box<[u8]>>,
    notifications: Vec<Notification>,
}

/// A channel and what was said in it.
pub(super) type Notification = (Box<[u8]>, Vec<u8>);

impl Mailbox {
    pub(super) fn new(secret: [u8; 4]) -> Self {
        Self {
            secret,
            inner: Mutex::default(),
            mail: Notify::new(),
            end: Notify::new(),
            is_over: AtomicBool::new(false),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to a channel, or no more; `None` is all.
    pub(super) fn listen(&self, channel: Option<&[u8]>, on: bool) {
        let mut inner = self.inner();
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
            drop(inner);
            self.mail.notify_one();
        }
    }

    pub(super) fn take(&self) -> Vec<Notification> {
        std::mem::take(&mut self.inner().notifications)
    }

    pub(super) async fn filled(&self) {
        while self.inner().notifications.is_empty() {
            self.mail.notified().await;
        }
    }

    /// Says that the owner ends.
    pub(super) fn close(&self) {
        self.is_over.store(true, Ordering::Release);
        self.end.notify_one();
    }

    pub(super) async fn closed(&self) {
        while !self.is_over.load(Ordering::Acquire) {
            self.end.notified().await;
        }
    }
}
