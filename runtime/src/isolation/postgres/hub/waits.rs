//! Who holds the lock that a session waits for: asked of the server while it waits, as afterwards nobody knows.
//!
//! Only other sessions can: a test's own connections share one. So the answer is another test, or somebody outside.

use super::{Shared, lock};
use crate::isolation::postgres::background;
use crate::isolation::postgres::config::Config;
use crate::isolation::postgres::frame::Fields;
use crate::isolation::postgres::upstream::{Rows, Upstream};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// How often all sessions are looked at. Nothing is asked as long as none of them works for longer than this.
const TICK: Duration = Duration::from_millis(200);

/// How long until the same session's locks are asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known of the locks that one session waits for.
#[derive(Debug)]
pub(super) struct Waits {
    /// Where to ask.
    config: Config,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Since when it works, if it does.
    since: Option<Instant>,
    looked: Option<Instant>,
    seen: Option<Seen>,
}

/// What the server said.
#[derive(Clone, Debug)]
struct Seen {
    /// The table, if it is the lock of one that is waited for.
    table: Option<String>,
    /// Who holds it.
    holders: Vec<Holder>,
}

#[derive(Clone, Debug)]
struct Holder {
    process: i32,
    /// What it calls itself.
    application: String,
    /// What it did last.
    query: String,
}

impl Waits {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            inner: Mutex::default(),
        }
    }

    /// The session has something to do.
    pub(super) fn begins(&self) {
        *lock(&self.inner) = Inner {
            since: Some(Instant::now()),
            ..Inner::default()
        };
    }

    /// The session has done what it had to do.
    pub(super) fn ends(&self) {
        lock(&self.inner).since = None;
    }

    /// Whether it is time to ask what it waits for; it is taken note of that somebody does.
    fn is_due(&self) -> bool {
        let mut inner = lock(&self.inner);
        let works = inner.since.is_some_and(|since| since.elapsed() >= TICK);
        let is_due = works && inner.looked.is_none_or(|looked| looked.elapsed() >= AGAIN);
        if is_due {
            inner.looked = Some(Instant::now());
        }
        is_due
    }

    /// Who held the lock that was asked for last: in the server's error about a deadlock, or seen before.
    fn seen(&self, fields: Fields<'_>) -> Option<Seen> {
        let named = deadlocked(fields);
        if named.is_empty() {
            return lock(&self.inner).seen.clone();
        }
        let holders = named.into_iter().map(|process| Holder {
            process,
            application: String::new(),
            query: String::new(),
        });
        Some(Seen {
            table: None,
            holders: holders.collect(),
        })
    }
}

/// All virtual servers of this process; `None` as long as nobody watches them.
static ALL: Mutex<Option<Vec<Weak<Shared>>>> = Mutex::new(None);

/// From here on it is known whose this session is, and looked after what it waits for.
pub(super) fn watch(shared: &Arc<Shared>) {
    let mut all = lock(&ALL);
    match &mut *all {
        Some(all) => all.push(Arc::downgrade(shared)),
        none => {
            *none = Some(vec![Arc::downgrade(shared)]);
            background::spawn(look_around());
        }
    }
}

/// Until there is no server any more.
async fn look_around() {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(all) = running() else {
            return;
        };
        let due = all.into_iter().filter(|one| one.waits.is_due());
        for shared in due.collect::<Vec<_>>() {
            background::spawn(async move { look(&shared).await });
        }
    }
}

/// All that there are; with none of them the watch ends.
fn running() -> Option<Vec<Arc<Shared>>> {
    let mut all = lock(&ALL);
    let running: Vec<_> = all.iter().flatten().filter_map(Weak::upgrade).collect();
    *all = (!running.is_empty()).then(|| running.iter().map(Arc::downgrade).collect());
    (!running.is_empty()).then_some(running)
}

/// Asks the server what a session waits for.
async fn look(shared: &Shared) {
    let process = shared.process;
    let sql = format!(
        "SELECT b.pid, a.application_name, left(a.query, 200), \
           (SELECT relation::regclass FROM pg_catalog.pg_locks WHERE pid = {process} AND NOT granted LIMIT 1) \
         FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids({process})) AS b(pid) \
         LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid ORDER BY 1"
    );
    // What cannot be asked now is not known.
    let Ok(mut upstream) = Upstream::connect(&shared.waits.config).await else {
        return;
    };
    let answer = upstream.simple(&sql).await;
    upstream.close().await;
    let mut inner = lock(&shared.waits.inner);
    if let (Ok(rows), true) = (answer, inner.since.is_some()) {
        // Between two waits nothing is found, and the first was not in vain.
        inner.seen = seen(&rows);
    }
}

fn seen(rows: &Rows) -> Option<Seen> {
    let holder = |row: &Vec<Option<String>>| {
        let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        Some(Holder {
            process: text(0).parse().ok()?,
            application: text(1),
            query: text(2),
        })
    };
    let table = rows.rows.first()?.get(3).cloned().flatten();
    let holders = rows.rows.iter().filter_map(holder).collect();
    Some(Seen { table, holders })
}

/// The other processes that a deadlock was with.
fn deadlocked(fields: Fields<'_>) -> Vec<i32> {
    if fields.code() != b"40P01" {
        return Vec::new();
    }
    let detail = String::from_utf8_lossy(fields.get(b'D').unwrap_or_default());
    let parts = detail.split("blocked by process ").skip(1);
    let digits = parts.filter_map(|part| part.split(|c: char| !c.is_ascii_digit()).next());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

impl Shared {
    /// Who else holds the lock that a statement was refused: what no server knows, as to it all tests are alike.
    pub(super) fn lock_advice(&self, fields: Fields<'_>) -> String {
        let owner = &self.owner;
        let seen = self.waits.seen(fields);
        let who = match &seen {
            Some(seen) => self.names_of(&seen.holders),
            None => "another test, or a session outside of the tests".to_owned(),
        };
        let what = match (place(fields), seen.and_then(|seen| seen.table)) {
            (Some((kind, name)), _) => format!("{kind} `{name}`"),
            (None, Some(table)) => format!("a lock on table `{table}`"),
            (None, None) => "a lock".to_owned(),
        };
        format!(
            "Test `{owner}` wants {what}, and it is held until its own end by {who}. Tests that write the same keys or lock the same rows wait for each other: give every test keys of its own, as with heirloom::unique(\"name\"), or take a database of its own, #[sandboxed(isolation = \"database\")]."
        )
    }

    fn names_of(&self, holders: &[Holder]) -> String {
        let running = running().unwrap_or_default();
        let others: Vec<_> = running
            .iter()
            .filter(|one| one.waits.config.address() == self.waits.config.address())
            .collect();
        let mut names = Vec::new();
        for holder in holders.iter().filter(|one| one.process != self.process) {
            let test = others.iter().find(|one| one.process == holder.process);
            names.push(match test {
                Some(test) => format!("test `{}`", test.owner),
                None => holder.outside(),
            });
        }
        if names.is_empty() {
            return "another session".to_owned();
        }
        names.join(" and ")
    }
}

impl Holder {
    fn outside(&self) -> String {
        let Self {
            process,
            application,
            query,
        } = self;
        let mut who = format!("a session of another process (server process {process}");
        if !application.is_empty() {
            who = format!("{who}, application `{application}`");
        }
        if !query.is_empty() {
            who = format!("{who}, last query `{query}`");
        }
        who + ")"
    }
}

/// What kind of thing the rows are in that the server was busy with, and its name: a constraint is known by its index.
fn place(fields: Fields<'_>) -> Option<(&'static str, String)> {
    let context = String::from_utf8_lossy(fields.get(b'W')?).into_owned();
    let (before, name) = context.split_once(" in relation \"")?;
    let (name, _) = name.split_once('"')?;
    let is_index = before.contains("index tuple");
    let kind = if is_index {
        "a value of the unique key"
    } else {
        "a row of table"
    };
    Some((kind, name.to_owned()))
}
