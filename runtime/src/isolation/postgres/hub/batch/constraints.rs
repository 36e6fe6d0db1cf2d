//! Constraints that are looked at when a transaction ends: here none ever does, so they are put off and asked for.

use super::{Batch, Lost};
use crate::isolation::postgres::session::Deferred;

/// The constraints that are deferred unless somebody says otherwise, as `SET CONSTRAINTS` takes them.
const DEFERRED: &str = "SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.conname) \
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred";

/// What looks at them, and at those that come later.
pub(super) const CHECK: &[u8] = b"SET CONSTRAINTS ALL IMMEDIATE";

/// What decides on what a statement may do, and how it does so no more.
const ROLES: &[(&[u8], &[u8])] = &[
    (
        b"session_authorization",
        b"SET LOCAL SESSION AUTHORIZATION DEFAULT;",
    ),
    (b"role", b"SET LOCAL ROLE NONE;"),
];

impl Batch<'_> {
    /// Those that are deferred initially, read once per session and again when the schema has changed.
    pub(super) async fn deferred(&mut self) -> Result<Deferred, Lost> {
        if let Some(known) = &self.core.session.deferred {
            return Ok(Deferred::clone(known));
        }
        self.enter();
        let rows = self.ask(DEFERRED.as_bytes()).await?;
        let text = |row: &Vec<u8>| String::from_utf8_lossy(row).into_owned();
        let deferred: Deferred = rows.iter().map(text).collect();
        self.core.session.deferred = Some(Deferred::clone(&deferred));
        Ok(deferred)
    }

    /// A rollback may have taken some with it.
    pub(super) fn forget_constraints(&mut self) {
        if !self.core.session.cache.is_fresh() {
            self.core.session.deferred = None;
        }
    }

    /// Whether the next statement, which is a transaction of its own or part of one, needs some to be deferred.
    pub(super) fn defers(&self) -> bool {
        let known = self.core.session.deferred.as_deref();
        let any = known.is_some_and(|all| !all.is_empty());
        any && (self.ran || self.early_deferral) && !self.deferring && !self.in_block()
    }

    /// The statement that defers them, whatever the connection's role may do.
    pub(super) fn defer_all(&mut self) -> Vec<u8> {
        let known = self.core.session.deferred.as_deref().unwrap_or_default();
        let sql = deferral(known);
        self.unrestricted(&sql)
    }

    /// A statement, as the role that the session began with.
    pub(super) fn unrestricted(&mut self, sql: &str) -> Vec<u8> {
        let own = self.core.stack.of(self.client.id);
        let locals = own.map_or(&self.locals, |open| &open.locals);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (name, reset) in ROLES {
            let is_it = |(local, _): &&(Box<[u8]>, Vec<u8>)| **local == **name;
            let local = locals
                .iter()
                .rfind(is_it)
                .map(|(_, statement)| &**statement);
            for statement in self.client.settings.get(name).into_iter().chain(local) {
                before.splice(0..0, reset.iter().copied());
                after.extend([b";", statement].concat());
            }
        }
        [&before, sql.as_bytes(), &after].concat()
    }

    /// A statement that is a transaction of its own, or several in a string that are one, looks at constraints when it
    /// ends.
    pub(super) async fn defer(&mut self) -> Result<(), Lost> {
        if self.in_block() {
            return self.defer_new().await;
        }
        let deferred = self.deferred().await?;
        if self.deferring {
            let known = std::mem::replace(&mut self.known, Deferred::clone(&deferred));
            self.defer_those(&deferred, &known);
        } else if self.defers() {
            self.known = deferred;
            self.enter();
            if !self.deferring {
                let sql = self.defer_all();
                self.core.session.internal(sql);
                self.deferring = true;
            }
        }
        Ok(())
    }

    /// Knows which constraints are deferred, as far as that can be known before anything is run.
    pub(super) async fn look_at_constraints(&mut self) -> Result<(), Lost> {
        if self.in_block() {
            return self.defer_new().await;
        }
        self.deferred().await.map(drop)
    }

    /// Those that have come up since the transaction began.
    async fn defer_new(&mut self) -> Result<(), Lost> {
        if self.core.session.deferred.is_some() || self.is_doomed() || !self.is_top() {
            return Ok(());
        }
        let deferred = self.deferred().await?;
        let Some(open) = self.core.stack.of(self.client.id) else {
            return Ok(());
        };
        open.deferring |= !deferred.is_empty();
        let known = std::mem::replace(&mut open.deferred, Deferred::clone(&deferred));
        self.defer_those(&deferred, &known);
        Ok(())
    }

    fn defer_those(&mut self, deferred: &Deferred, known: &Deferred) {
        let new = deferred.iter().filter(|name| !known.contains(name));
        let new: Vec<_> = new.cloned().collect();
        if !new.is_empty() {
            let sql = self.unrestricted(&deferral(&new));
            self.core.session.internal(sql);
        }
    }

    /// What the transaction below had put off is put off again.
    pub(super) fn defer_again(&mut self) {
        let deferring = self.core.stack.top().is_some_and(|open| open.deferring);
        let any = self.core.session.deferred.as_ref();
        if deferring && any.is_some_and(|all| !all.is_empty()) {
            let sql = self.defer_all();
            self.core.session.internal(sql);
        }
    }

    /// Asks the server to look at the constraints that were put off. It may be asked with a statement, in advance.
    pub(super) fn ask_constraints(&mut self) {
        if !self.checking {
            self.core.session.query(CHECK);
            self.checking = true;
        }
    }

    /// Whether they hold.
    pub(super) async fn constraints_hold(&mut self) -> Result<bool, Lost> {
        let failed = self.failed;
        let mut hold = true;
        loop {
            let frame = self.next().await?;
            match frame.view().tag() {
                b'Z' => {
                    self.checking = false;
                    return Ok(hold);
                }
                // A statement has failed before: then this did as well.
                b'E' if failed => {}
                b'E' => {
                    hold = false;
                    // Not done, then.
                    self.held = None;
                    self.server_error(&frame);
                }
                // Before it says that the statement is done.
                b'N' => self.client.out.extend_from_slice(frame.view().bytes()),
                _ => {}
            }
        }
    }

    /// At the end of statements that make a transaction of their own.
    pub(super) async fn check_deferred(&mut self) -> Result<(), Lost> {
        self.ask_constraints();
        self.deferring = false;
        if !self.constraints_hold().await? {
            self.heal();
        }
        Ok(())
    }
}

fn deferral(names: &[String]) -> String {
    format!("SET CONSTRAINTS {} DEFERRED", names.join(","))
}
