//! What this process knows of databases that are ready: each is looked for, or made, once.

use super::background;
use super::config::Config;
use super::template::{self, Clones, PATIENCE, Purpose, Template, TemplateError, Wanted};
use super::upstream::Upstream;
use crate::error::Error;
use crate::isolation::Schema;
use crate::isolation::schema::Resolved;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

#[cfg(test)]
mod tests;

/// Which database is asked for.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// How to log in to the application's database.
    pub(super) config: Config,
    /// What it is to hold.
    pub(super) schema: Schema,
    /// Extensions that are created before the migrations run.
    pub(super) extensions: Vec<String>,
    /// What it is for.
    pub(super) purpose: Purpose,
}

/// A database from which sessions or clones start.
#[derive(Debug)]
pub(super) struct Ready {
    template: Template,
    base: Config,
    schema: Arc<Known>,
    /// The session by which it was found, for the first who wants one. It is of the background runtime.
    first: Mutex<Option<Upstream>>,
    /// Those of this process, on the background runtime as well.
    clones: tokio::sync::Mutex<Option<Arc<Clones>>>,
}

/// A schema that has been read.
pub(super) struct Known {
    origin: String,
    resolved: Resolved,
}

/// The database that is asked for, made if it is not there. `whom` is for errors.
///
/// [`Schema::Empty`], which `migrations = false` means, is the application's database as it is.
///
/// # Cancel safety
///
/// Whoever stops waiting leaves it to the next, who finds it done or under way.
pub(super) async fn of(ask: Ask, whom: &str) -> Result<Arc<Ready>, Error> {
    static READY: Once<Ready> = Once::new();
    let whom = whom.to_owned();
    READY.get(ask.key(), || prepare(ask, whom)).await
}

/// A schema's content. The directory is read again only by another process.
pub(super) async fn schema(schema: &Schema) -> Result<Arc<Known>, Error> {
    static KNOWN: Once<Known> = Once::new();
    let (key, schema) = (schema_key(schema), schema.clone());
    let read = || async move {
        Ok(Known {
            origin: schema.to_string(),
            resolved: schema.resolve().await?,
        })
    };
    KNOWN.get(key, read).await
}

async fn prepare(ask: Ask, whom: String) -> Result<Ready, Error> {
    let known = schema(&ask.schema).await?;
    let (template, first) = match (&ask.schema, ask.purpose) {
        (Schema::Empty, Purpose::Source) => (Template::as_it_is(&ask.config), None),
        (Schema::Empty, Purpose::Sessions) => {
            let session = Upstream::connect(&ask.config).await;
            let session = session.map_err(|error| refused(&whom, error.into()))?;
            (Template::as_it_is(&ask.config), Some(session))
        }
        _ => template::ensure(&ask.config, &ask.wanted(&known))
            .await
            .map_err(|error| match error {
                TemplateError::Migrate { source, .. } => {
                    known.resolved.failed(&ask.schema, *source)
                }
                other => refused(&whom, other),
            })?,
    };
    Ok(Ready {
        template,
        base: ask.config,
        schema: known,
        first: Mutex::new(first),
        clones: tokio::sync::Mutex::default(),
    })
}

/// Why there is no session, for whoever wanted it.
pub(super) fn refused(whom: &str, error: TemplateError) -> Error {
    Error::Database {
        doing: "open a session",
        whom: format!("`{whom}`"),
        source: Box::new(error),
    }
}

impl Ask {
    fn wanted<'a>(&'a self, known: &'a Known) -> Wanted<'a> {
        Wanted {
            hash: &known.resolved.hash,
            migrator: known.resolved.migrator(),
            extensions: &self.extensions,
            purpose: self.purpose,
            patience: PATIENCE,
        }
    }

    /// What makes it another one. Passwords and certificates do not.
    fn key(&self) -> String {
        let Self {
            config,
            schema,
            extensions,
            purpose,
        } = self;
        let login = (config.place(), config.switches(), config.application_name());
        let schema = schema_key(schema);
        format!("{login:?} {schema} {extensions:?} {purpose:?}")
    }
}

fn schema_key(schema: &Schema) -> String {
    match schema {
        Schema::Migrator(migrator) => format!("{:p}", *migrator),
        other => format!("{other:?}"),
    }
}

impl Ready {
    /// The database itself.
    pub(super) fn template(&self) -> &Template {
        &self.template
    }

    /// How to log in to it.
    pub(super) fn config(&self) -> &Config {
        self.template.config()
    }

    /// How to log in to the application's database.
    pub(super) fn base(&self) -> &Config {
        &self.base
    }

    /// What it holds.
    pub(super) fn schema(&self) -> &Known {
        &self.schema
    }

    /// Whether it is the application's own database and no template.
    pub(super) fn is_as_it_is(&self) -> bool {
        self.template.name() == self.base.database()
    }

    /// The clones of this process. To be called on the background runtime.
    pub(super) async fn clones(&self) -> Result<Arc<Clones>, TemplateError> {
        let mut clones = self.clones.lock().await;
        if let Some(open) = &*clones {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(Clones::open(&self.base, &self.template).await?);
        *clones = Some(Arc::clone(&open));
        Ok(open)
    }

    /// Others are opened next time, if these are what there is.
    pub(super) async fn forget_clones(&self, these: &Arc<Clones>) {
        let mut clones = self.clones.lock().await;
        clones.take_if(|clones| Arc::ptr_eq(clones, these));
    }

    /// The session by which it was found, once.
    pub(super) fn take_first(&self) -> Option<Upstream> {
        lock(&self.first).take()
    }
}

impl Known {
    /// The content's hash.
    pub(super) fn hash(&self) -> &str {
        &self.resolved.hash
    }

    /// Where it came from.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Known({}, {})", self.origin, self.resolved.hash)
    }
}

/// What is found out once for each key. Whoever asks meanwhile waits for it, and who asks after a failure tries again.
struct Once<T>(Mutex<Option<HashMap<String, Cell<T>>>>);

type Cell<T> = Arc<OnceCell<Arc<T>>>;

impl<T: Send + Sync + 'static> Once<T> {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Found out on the background runtime, so that nobody who gives up waiting takes it away from the others.
    async fn get<F, Fut>(&self, key: String, find: F) -> Result<Arc<T>, Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send,
    {
        let cell = self.cell(key);
        if let Some(known) = cell.get() {
            return Ok(Arc::clone(known));
        }
        background::run(async move {
            let find = || async move { find().await.map(Arc::new) };
            cell.get_or_try_init(find).await.cloned()
        })
        .await
    }

    fn cell(&self, key: String) -> Cell<T> {
        let mut cells = lock(&self.0);
        Arc::clone(cells.get_or_insert_default().entry(key).or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
