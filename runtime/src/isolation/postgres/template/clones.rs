//! Clones of a template, for tests with `isolation = "database"`.

use super::collect::collect;
use super::error::TemplateError;
use super::make::create;
use super::name::{self, Family, Mark};
use super::{Template, drop_by_force, home, mark, now, try_lock};
use crate::isolation::postgres::config::Config;
use crate::isolation::postgres::upstream::Upstream;
use std::sync::atomic::{AtomicU32, Ordering};
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
    // Held, not used: the lock goes with the process, whatever ends it.
    _lock: Upstream,
    /// Taken out while it is used, so that one whose work was dropped half-way is never used again.
    home: Mutex<Option<Upstream>>,
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
        Ok(Self {
            config: config.clone(),
            family,
            source: source.name().to_owned(),
            run,
            next: AtomicU32::new(1),
            _lock: lock,
            home: Mutex::new(Some(home)),
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

    /// Drops one, with everybody who is still connected to it.
    pub(crate) async fn discard(&self, clone: CloneDb) -> Result<(), TemplateError> {
        let CloneDb { name, .. } = clone;
        let work = async |home: &mut Upstream| {
            let dropped = drop_by_force(home, &name).await;
            dropped
                .map(drop)
                .map_err(TemplateError::refused("drop", &name))
        };
        self.with_home(work).await
    }

    /// Leaves one for a look at it, for [`super::KEPT_UNUSED`] at least. Its name is what `psql` takes.
    pub(crate) async fn keep(&self, clone: CloneDb, whom: &str) -> Result<String, TemplateError> {
        let CloneDb { name, .. } = clone;
        let work = async |home: &mut Upstream| {
            let kept = async {
                let comment = Mark::kept(now(home).await?, whom);
                mark(home, &name, &comment).await
            };
            kept.await
                .map(drop)
                .map_err(TemplateError::refused("keep", &name))
        };
        self.with_home(work).await?;
        Ok(name)
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
        let is_over =
            matches!(&done, Err(TemplateError::Refused { source, .. }) if source.is_fatal());
        if !is_over {
            *place = Some(session);
        }
        done
    }
}
