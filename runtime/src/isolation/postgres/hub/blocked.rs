//! Notices a thread that is blocked while somebody waits for the virtual server that it serves itself.
//!
//! A test's own runtime serves its pool, since no thread is crossed then. So nobody is served while that thread waits by
//! itself for something else, as the end of a child process that was given the pool's own socket: it would wait for ever,
//! and in silence.

use super::line::Line;
use crate::isolation::postgres::background;
use crate::isolation::postgres::stack::ClientId;
use std::collections::HashMap;
use std::future::Future as _;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How often is looked. Tests that end before are never looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long somebody has to have waited.
const A_WHILE: Duration = Duration::from_secs(2);

/// How long the system may take to say that there is something to read.
const A_MOMENT: Duration = Duration::from_millis(10);

/// A virtual server on a test's own runtime.
#[derive(Debug)]
pub(super) struct Watch {
    owner: String,
    home: Handle,
    /// Its listener, once more: another runtime looks at it.
    listener: OwnedFd,
    clients: Mutex<HashMap<ClientId, Arc<Line>>>,
    suspicion: Mutex<Suspicion>,
}

#[derive(Debug)]
enum Suspicion {
    None,
    /// Somebody waits, and the runtime has not got round to this task since then.
    Since(Instant, JoinHandle<()>),
    /// It was said.
    Said,
}

/// A client that is watched, until this is dropped.
#[derive(Debug)]
pub(super) struct Watched {
    watch: Arc<Watch>,
    client: ClientId,
}

static WATCHES: Mutex<Vec<Weak<Watch>>> = Mutex::new(Vec::new());

impl Watch {
    /// Watches a listener of the current runtime. The background is never blocked.
    pub(super) fn over(owner: &str, listener: &impl AsFd) -> io::Result<Option<Arc<Self>>> {
        static WATCHING: Once = Once::new();
        if background::is_here() {
            return Ok(None);
        }
        let watch = Arc::new(Self {
            owner: owner.to_owned(),
            home: Handle::current(),
            listener: listener.as_fd().try_clone_to_owned()?,
            clients: Mutex::default(),
            suspicion: Mutex::new(Suspicion::None),
        });
        lock(&WATCHES).push(Arc::downgrade(&watch));
        WATCHING.call_once(|| background::spawn(watch_all()));
        Ok(Some(watch))
    }

    /// Watches a client.
    pub(super) fn client(self: &Arc<Self>, client: ClientId, line: &Arc<Line>) -> Watched {
        lock(&self.clients).insert(client, Arc::clone(line));
        Watched {
            watch: Arc::clone(self),
            client,
        }
    }

    async fn look(&self) {
        let waits = self.somebody_waits().await;
        let mut suspicion = lock(&self.suspicion);
        match &*suspicion {
            Suspicion::Since(_, task) if !waits || task.is_finished() => {
                *suspicion = Suspicion::None;
            }
            Suspicion::Since(since, _) if since.elapsed() >= A_WHILE => {
                self.say(since.elapsed());
                *suspicion = Suspicion::Said;
            }
            Suspicion::None if waits => {
                *suspicion = Suspicion::Since(Instant::now(), self.home.spawn(async {}));
            }
            _ => {}
        }
    }

    /// Whether there is something to accept or to read that is still there after a moment.
    async fn somebody_waits(&self) -> bool {
        let watched: Vec<_> = {
            let clients = lock(&self.clients);
            let sockets = clients.values().filter_map(|line| line.socket());
            let all = sockets.chain([&self.listener]);
            all.filter_map(|socket| again(socket).ok()).collect()
        };
        tokio::time::sleep(A_MOMENT).await;
        let mut context = Context::from_waker(Waker::noop());
        let mut watched = watched.iter();
        watched.any(|socket| pin!(socket.readable()).poll(&mut context).is_ready())
    }

    fn say(&self, waited: Duration) {
        let owner = &self.owner;
        let text = format!(
            "heirloom: the thread of test `{owner}` has been blocked for {waited:.1?} while somebody waits for its database, which that thread serves\n\n  help: give other processes `sandbox.database_url()`, which another thread serves; block in `tokio::task::spawn_blocking`; or let the test have threads with #[sandboxed(flavor = \"multi_thread\")]\n"
        );
        // Past libtest, which keeps what a test prints until the test ends.
        io::stderr().write_all(text.as_bytes()).ok();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        lock(&self.watch.clients).remove(&self.client);
    }
}

/// A socket on this runtime, to wait until there is something to read. That of a listener is taken for one as well: it is
/// never read from.
fn again(socket: &OwnedFd) -> io::Result<UnixStream> {
    UnixStream::from_std(socket.try_clone()?.into())
}

/// Looks at all there are, for as long as the process lives.
async fn watch_all() {
    loop {
        tokio::time::sleep(LOOK).await;
        let watches: Vec<_> = {
            let mut watches = lock(&WATCHES);
            watches.retain(|watch| watch.strong_count() > 0);
            watches.iter().filter_map(Weak::upgrade).collect()
        };
        for watch in watches {
            if !matches!(*lock(&watch.suspicion), Suspicion::Said) {
                watch.look().await;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
