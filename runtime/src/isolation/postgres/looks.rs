//! What real connections do, asked of the server: nobody else knows.
//!
//! A statement that was sent and that the server has not begun with is not known to it yet. So it is asked twice, and
//! both answers are to be the same. Where the server runs on this machine, its processes are to be asleep in between: one that
//! was sent something is not, from the moment on at which it was sent. Of another machine's it is only unlikely that it has
//! not begun by the second answer.

use super::background;
use super::config::Config;
use super::sql::shortened;
use super::template::home;
use super::upstream::{QueryError, Rows, Upstream};
use crate::error::BoxError;
use crate::isolation::calls::lasting;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Asks a server, on a session of its own.
#[derive(Debug)]
pub(super) struct Looks {
    config: Config,
    /// Taken out while it is used, so that one whose work was dropped half-way is never used again.
    session: Mutex<Option<Upstream>>,
}

/// A session as the server knows it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    process: String,
    state: String,
    /// What it waits for.
    event: String,
    /// When it began with its last statement, and when anything of this changed.
    since: String,
    /// For how long it runs that, or is at rest after it, in milliseconds.
    lasts: Ignored<u64>,
    query: String,
    /// Who holds the lock that it waits for.
    holders: Vec<String>,
}

/// Of no account for whether two are the same.
#[derive(Debug)]
struct Ignored<T>(T);

impl<T> PartialEq for Ignored<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Ignored<T> {}

impl Looks {
    pub(super) fn of(config: Config) -> Self {
        Self {
            config,
            session: Mutex::default(),
        }
    }

    /// What the sessions do that a condition is about, where a pool has so many connections: a line for each that is
    /// doing something.
    pub(super) async fn in_flight(
        self: &Arc<Self>,
        condition: String,
        connections: u32,
        repo: &str,
    ) -> Vec<String> {
        let looks = Arc::clone(self);
        // A session stays on the runtime that it was opened on.
        let asked = background::run(async move {
            let first = looks.look(&condition).await?;
            if first.iter().any(Seen::is_busy) {
                return Ok((first, false));
            }
            if first.iter().any(Seen::is_awake) {
                return Ok((first, true));
            }
            let second = looks.look(&condition).await?;
            let moved = first != second;
            Ok::<_, BoxError>((second, moved))
        });
        let (seen, moved) = match asked.await {
            Ok(seen) => seen,
            Err(error) => {
                return vec![format!(
                    "connections of repo `{repo}` are in use, and the server cannot be asked what they do: {error}"
                )];
            }
        };
        let busy = seen.iter().filter(|one| one.is_busy());
        let mut calls: Vec<_> = busy.map(|one| one.say(repo, &seen)).collect();
        if connections as usize > seen.len() {
            calls.push(format!("a connection of repo `{repo}` is being opened"));
        }
        if moved && calls.is_empty() {
            calls.push(format!(
                "a connection of repo `{repo}` was at work just now"
            ));
        }
        calls
    }

    async fn look(&self, condition: &str) -> Result<Vec<Seen>, BoxError> {
        let sql = format!(
            "SELECT pid, coalesce(state, ''), coalesce(wait_event, ''), format('%s %s', query_start, state_change), \
               (1000 * extract(epoch FROM clock_timestamp() - CASE WHEN state = 'active' THEN query_start ELSE state_change END))::bigint, \
               left(query, 200), CASE WHEN wait_event_type = 'Lock' THEN array_to_string(pg_blocking_pids(pid), ' ') END \
             FROM pg_catalog.pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid() AND {condition} ORDER BY pid"
        );
        let mut place = self.session.lock().await;
        let mut session = match place.take() {
            Some(session) => session,
            None => home(&self.config).await?,
        };
        let rows = session.simple(&sql).await;
        if !rows.as_ref().is_err_and(QueryError::is_fatal) {
            *place = Some(session);
        }
        Ok(seen(rows?))
    }
}

fn seen(rows: Rows) -> Vec<Seen> {
    let seen = rows.rows.into_iter().map(|row| {
        let mut texts = row.into_iter().map(Option::unwrap_or_default);
        let mut text = || texts.next().unwrap_or_default();
        Seen {
            process: text(),
            state: text(),
            event: text(),
            since: text(),
            lasts: Ignored(text().parse().unwrap_or(0)),
            query: text(),
            holders: text().split_whitespace().map(str::to_owned).collect(),
        }
    });
    seen.collect()
}

impl Seen {
    /// One that waits for its client to go on, or to read, does nothing.
    fn is_busy(&self) -> bool {
        !self.state.starts_with("idle") && !matches!(&*self.event, "ClientRead" | "ClientWrite")
    }

    /// Whether its process is awake, if that is one of this machine's.
    fn is_awake(&self) -> bool {
        // `1234 (postgres) S ..`. The number may be another process's where the server runs elsewhere.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process));
        let state = stat
            .as_ref()
            .ok()
            .and_then(|stat| stat.split_once(" (postgres) "));
        state.is_some_and(|(_, state)| !state.starts_with('S'))
    }

    fn say(&self, repo: &str, all: &[Self]) -> String {
        let process = &self.process;
        let who = format!("a connection of repo `{repo}` (server process {process})");
        let lasts = lasting(Duration::from_millis(self.lasts.0));
        let Some(sql) = shortened(&self.query) else {
            return format!("{who} is being opened");
        };
        let behind = all.iter().filter(|one| self.holders.contains(&one.process));
        let behind: Vec<_> = behind.map(Self::holds).collect();
        format!("{who} has run `{sql}` for {lasts}{}", behind.concat())
    }

    /// What keeps another connection of the same owner waiting.
    fn holds(&self) -> String {
        let process = &self.process;
        let who = format!(", behind the transaction of another one (server process {process}");
        let lasts = lasting(Duration::from_millis(self.lasts.0));
        match shortened(&self.query) {
            Some(sql) if self.is_busy() => format!("{who}, which runs `{sql}`)"),
            Some(sql) => format!("{who}, not used for {lasts}, since it ran `{sql}`)"),
            None => who + ")",
        }
    }
}
