//! Which connection to a SQLite database keeps the others from writing: that which has written and not committed.

use crate::isolation::calls::lasting;
use sqlx::error::DatabaseError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// From here on it is worth mentioning: others wait for so long before they fail. sqlx's own limit, and so the
/// application's.
const LONG: Duration = Duration::from_secs(5);

/// The connections of a pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Writers(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    all: Vec<Weak<Writer>>,
    /// What kept the others waiting for longest: on which table, for how long.
    longest: Option<(String, Duration)>,
}

/// One of them. SQLite itself tells it, on the connection's thread.
#[derive(Debug)]
pub(super) struct Writer {
    all: Writers,
    /// The table that was written to first, and since when.
    began: Mutex<Option<(String, Instant)>>,
}

impl Writers {
    pub(super) fn another(&self) -> Arc<Writer> {
        let writer = Arc::new(Writer {
            all: self.clone(),
            began: Mutex::default(),
        });
        let mut inner = lock(&self.0);
        inner.all.retain(|writer| writer.strong_count() > 0);
        inner.all.push(Arc::downgrade(&writer));
        writer
    }

    /// Those that have written and not committed.
    fn unfinished(&self) -> Vec<(String, Duration)> {
        let all: Vec<_> = lock(&self.0).all.iter().filter_map(Weak::upgrade).collect();
        let began = all.iter().filter_map(|writer| lock(&writer.began).clone());
        began
            .map(|(table, since)| (table, since.elapsed()))
            .collect()
    }

    /// The same, a line for each.
    pub(super) fn now(&self, repo: &str) -> Vec<String> {
        let unfinished = self.unfinished().into_iter();
        let lines = unfinished.map(|(table, lasts)| {
            let lasts = lasting(lasts);
            format!("a connection of repo `{repo}` wrote to table `{table}` {lasts} ago")
        });
        lines.collect()
    }

    /// What to think of if a test has failed, for an error that is SQLite's own.
    pub(super) fn hint(&self) -> Option<String> {
        let unfinished = self.unfinished().into_iter();
        let all = unfinished.chain(lock(&self.0).longest.clone());
        let (table, lasts) = all
            .filter(|(_, lasts)| *lasts >= LONG)
            .max_by_key(|(_, lasts)| *lasts)?;
        let lasts = lasting(lasts);
        Some(format!(
            "a connection wrote to table `{table}` and did not commit for {lasts}. Whoever writes meanwhile fails with `database is locked`: commit or drop a transaction before awaiting a task that writes, or hand it to the task"
        ))
    }
}

impl Writer {
    pub(super) fn writes(&self, table: &str) {
        let mut began = lock(&self.began);
        began.get_or_insert_with(|| (table.to_owned(), Instant::now()));
    }

    /// The transaction is over.
    pub(super) fn ends(&self) {
        let Some((table, since)) = lock(&self.began).take() else {
            return;
        };
        let lasted = since.elapsed();
        let mut inner = lock(&self.all.0);
        let longest = inner.longest.as_ref().map_or(LONG, |(_, longest)| *longest);
        if lasted >= longest {
            inner.longest = Some((table, lasted));
        }
    }
}

/// Whether a statement waited for the lock for as long as it may. Of errors that are alike, those of a snapshot that is
/// too old are nobody's fault any more.
pub(super) fn is_busy(error: &dyn DatabaseError) -> bool {
    const SQLITE_BUSY: &str = "5";
    error.code().is_some_and(|code| code == SQLITE_BUSY)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
