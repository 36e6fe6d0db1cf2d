//! Clones of a template, for tests with `isolation = "database"`.

use super::collect::collect;
use super::error::TemplateError;
use super::make::create;
use super::name::{self, Family, Kind, Mark, ident, literal};
use super::{Template, drop_by_force, home, mark, now, try_lock};
use crate::isolation::postgres::config::Config;
use crate::isolation::postgres::looks::Looks;
use crate::isolation::postgres::upstream::{QueryError, Upstream};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use tokio::sync::Mutex;

/// The clones of this process. While it lives, its first session holds the lock of its run; whoever finds that unlocked
/// finds the clones of a dead process.
#[derive(Debug)]
pub(crate) struct Clones {
    /// How to log in to the application's database.
    config: Config,
    family: Family,
    source: String,
    run: String,
    next: AtomicU32,
    /// For whom something is kept.
    kept: StdMutex<HashSet<String>>,
    /// Held, not used: the lock goes with the process, whatever ends it.
    lock: Upstream,
    /// Taken out while it is used, so that one whose work was dropped half-way is never used again.
    home: Mutex<Option<Upstream>>,
    /// Others may be copying a large database by the one before.
    looks: Arc<Looks>,
}

/// A private database.
#[derive(Debug)]
pub(crate) struct CloneDb {
    name: String,
    config: Config,
}

impl CloneDb {
    /// The database's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How to log in to it.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }
}

impl Clones {
    /// Of a template for [`super::Purpose::Source`]; drops those of dead processes. `config` is the one the template was
    /// made with.
    pub(crate) async fn open(config: &Config, source: &Template) -> Result<Self, TemplateError> {
        let family = Family::of(config.database());
        let run = name::run();
        let refused = TemplateError::refused("keep the clones of", source.name());
        let mut lock = home(config).await?;
        let locked = try_lock(&mut lock, &run).await.map_err(refused)?;
        debug_assert!(locked, "a run's name is random");
        let mut home = home(config).await?;
        collect(&mut home, &family, source.name()).await.ok();
        let kept = kept(&mut home, &family).await.unwrap_or_default();
        Ok(Self {
            config: config.clone(),
            family,
            source: source.name().to_owned(),
            run,
            next: AtomicU32::new(1),
            kept: StdMutex::new(kept.into_iter().map(|(_, whom)| whom).collect()),
            lock,
            home: Mutex::new(Some(home)),
            looks: Arc::new(Looks::of(config.clone())),
        })
    }

    /// A new one. They are made one at a time.
    pub(crate) async fn create(&self) -> Result<CloneDb, TemplateError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = self.family.clone_of(&self.run, number);
        let work =
            async |home: &mut Upstream| create(home, &self.config, &name, Some(&self.source)).await;
        self.with_home(work).await?;
        let config = self.config.with_database(&name);
        Ok(CloneDb { name, config })
    }

    /// Who asks what their sessions do.
    pub(crate) fn looks(&self) -> &Arc<Looks> {
        &self.looks
    }

    /// Whether the server encrypts.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.lock.is_encrypted()
    }

    /// Throws out everybody who is in a database and lets nobody in. On a session of its own, since those who share the
    /// other one may be copying a large database.
    pub(crate) async fn shut(&self, database: &str) -> Result<(), TemplateError> {
        let refused = TemplateError::refused("shut", database);
        let mut home = home(&self.config).await?;
        let closed = home
            .simple(&format!(
                "ALTER DATABASE {} ALLOW_CONNECTIONS false",
                ident(database)
            ))
            .await;
        let thrown_out = home.simple(&throw_out(database)).await;
        home.close().await;
        closed.and(thrown_out).map(drop).map_err(refused)
    }

    /// Drops one, with everybody who is still connected to it; and what was kept for whom before, if it is said for whom
    /// this one was.
    pub(crate) async fn discard(
        &self,
        clone: CloneDb,
        whom: Option<&str>,
    ) -> Result<(), TemplateError> {
        let CloneDb { name, .. } = clone;
        let work = async |home: &mut Upstream| {
            let dropped = async {
                if let Some(whom) = whom {
                    self.forget(home, whom).await?;
                }
                drop_by_force(home, &name).await
            };
            dropped
                .await
                .map(drop)
                .map_err(TemplateError::refused("drop", &name))
        };
        self.with_home(work).await
    }

    /// Leaves one for a look at it, for [`super::KEPT_UNUSED`] or until another is kept for the same; those who are in it
    /// are thrown out. Its name is what `psql` takes.
    pub(crate) async fn keep(&self, clone: CloneDb, whom: &str) -> Result<String, TemplateError> {
        let CloneDb { name, .. } = clone;
        let work = async |home: &mut Upstream| {
            let kept = async {
                self.forget(home, whom).await?;
                home.simple(&throw_out(&name)).await?;
                let comment = Mark::kept(now(home).await?, whom);
                mark(home, &name, &comment).await?;
                self.kept().insert(whom.to_owned());
                let opened = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", ident(&name));
                home.simple(&opened).await
            };
            kept.await
                .map(drop)
                .map_err(TemplateError::refused("keep", &name))
        };
        self.with_home(work).await?;
        Ok(name)
    }

    /// Drops what was kept for this one, by this process or an earlier one.
    async fn forget(&self, home: &mut Upstream, whom: &str) -> Result<(), QueryError> {
        if !self.kept().remove(whom) {
            return Ok(());
        }
        for (database, _) in kept(home, &self.family)
            .await?
            .iter()
            .filter(|(_, kept)| kept == whom)
        {
            drop_by_force(home, database).await?;
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, HashSet<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn with_home<T>(
        &self,
        work: impl AsyncFnOnce(&mut Upstream) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        let mut place = self.home.lock().await;
        let mut session = match place.take() {
            Some(session) => session,
            None => home(&self.config).await?,
        };
        let done = work(&mut session).await;
        let is_over = done.as_ref().is_err_and(TemplateError::is_fatal);
        if !is_over {
            *place = Some(session);
        }
        done
    }
}

/// Ends every session in a database.
fn throw_out(database: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid()",
        literal(database)
    )
}

/// What is kept of a family, and for whom.
async fn kept(home: &mut Upstream, family: &Family) -> Result<Vec<(String, String)>, QueryError> {
    let sql = format!(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database \
         WHERE starts_with(datname, {}) AND pg_has_role(datdba, 'USAGE')",
        literal(&family.prefix)
    );
    let rows = home.simple(&sql).await?.rows.into_iter();
    let kept = rows.filter_map(|row| {
        let [Some(name), Some(comment)] = &*row else {
            return None;
        };
        let is_clone = matches!(family.kind(name), Some(Kind::Clone(_)));
        let whom = Mark::kept_for(comment).filter(|_| is_clone)?;
        Some((name.clone(), whom.to_owned()))
    });
    Ok(kept.collect())
}
