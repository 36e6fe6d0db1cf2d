//! What this process knows of databases that are ready: each is looked for, or made, once.

use super::config::Config;
use super::once::Once;
use super::patience::patiently;
use super::template::{self, Clones, PATIENCE, Purpose, Template, TemplateError, Wanted};
use super::upstream::Upstream;
use crate::error::{BoxError, Error};
use crate::isolation::Schema;
use crate::isolation::schema::Resolved;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    key: Arc<str>,
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
            let session = patiently(|| Upstream::connect(&ask.config)).await;
            let session = session.map_err(|error| refused(&whom, error))?;
            (Template::as_it_is(&ask.config), Some(session))
        }
        _ => patiently(|| ensure(&ask, &known))
            .await
            .map_err(|error| match error {
                TemplateError::Migrate { source, .. } => {
                    known.resolved.failed(&ask.schema, *source)
                }
                other => refused(&whom, other),
            })?,
    };
    Ok(Ready {
        key: login_key(template.config()).into(),
        template,
        base: ask.config,
        schema: known,
        first: Mutex::new(first),
        clones: tokio::sync::Mutex::default(),
    })
}

async fn ensure(ask: &Ask, known: &Known) -> Result<(Template, Option<Upstream>), TemplateError> {
    template::ensure(&ask.config, &ask.wanted(known)).await
}

/// Why there is no session, for whoever wanted it.
pub(super) fn refused(whom: &str, source: impl Into<BoxError>) -> Error {
    Error::Database {
        doing: "open a session",
        whom: format!("`{whom}`"),
        source: source.into(),
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
        let (login, schema) = (login_key(config), schema_key(schema));
        format!("{login} {schema} {extensions:?} {purpose:?}")
    }
}

/// What tells one login from another.
fn login_key(config: &Config) -> String {
    let login = (config.place(), config.switches(), config.application_name());
    format!("{login:?}")
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

    /// What it holds.
    pub(super) fn schema(&self) -> &Known {
        &self.schema
    }

    /// What the sessions have in common that may stand in for each other.
    pub(super) fn key(&self) -> &Arc<str> {
        &self.key
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

    /// Leaves it for the first who wants one.
    pub(super) fn put_first(&self, session: Upstream) {
        *lock(&self.first) = Some(session);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
