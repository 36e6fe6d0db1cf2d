//! Templates: a migrated database file per content hash, made once under a lock that holds between processes too.

use crate::error::{BoxError, Error};
use crate::isolation::dir::{self, files};
use crate::isolation::schema::{Resolved, Schema};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// Part of every hash: raised when templates are made in another way, so that old ones are not used.
const FORMAT: &str = "1";

/// A template that no process has used for this long is collected. Hashes change with every edited migration.
const KEPT_UNUSED: Duration = Duration::from_hours(7 * 24);

/// A migrated database to copy from.
#[derive(Debug)]
pub(super) struct Template {
    hash: String,
    origin: String,
    path: PathBuf,
}

/// The template of a schema; made if it is not there yet. The directory is read again only by another process.
pub(super) async fn of(schema: &Schema) -> Result<Arc<Template>, Error> {
    let cell = cell(schema);
    let template = cell.get_or_try_init(|| make(schema.clone())).await?;
    Ok(Arc::clone(template))
}

type Cell = Arc<tokio::sync::OnceCell<Arc<Template>>>;

fn cell(schema: &Schema) -> Cell {
    static CELLS: OnceLock<Mutex<HashMap<String, Cell>>> = OnceLock::new();
    let key = match schema {
        Schema::Migrator(migrator) => format!("{:p}", *migrator),
        other => format!("{other:?}"),
    };
    let cells = CELLS.get_or_init(Mutex::default);
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(cells.entry(key).or_default())
}

/// On a thread with a runtime of its own: a test that is cancelled, or whose clock stands still, must not leave the
/// others without a template, and waiting for the lock blocks.
async fn make(schema: Schema) -> Result<Arc<Template>, Error> {
    let (done, made) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("heirloom-template".to_owned())
        .spawn(move || done.send(build(&schema)).ok())
        .map_err(|source| files("start a thread to make", dir::base(), source))?;
    made.await.unwrap_or_else(|_| {
        Err(Error::Database {
            doing: "make a template",
            whom: "this test".to_owned(),
            source: "the thread that made it panicked; its message stands above".into(),
        })
    })
}

fn build(schema: &Schema) -> Result<Arc<Template>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| files("start a runtime to make a template in", dir::base(), source))?;
    runtime.block_on(async {
        let resolved = schema.resolve().await?;
        let home = dir::base().join("sqlite");
        dir::create(&home)?;
        let hash = format!("{FORMAT}-{}", resolved.hash);
        let path = home.join(format!("{hash}.sqlite"));
        let lock = dir::lock(&home.join(format!("{hash}.lock")))?;
        if !path.is_file() {
            migrate(schema, &resolved, &path).await?;
            collect_old(&home);
        }
        // A template that was used lately is not collected.
        lock.set_modified(SystemTime::now()).ok();
        Ok(Arc::new(Template {
            hash,
            origin: schema.to_string(),
            path,
        }))
    })
}

/// Migrates a database beside the template's place and moves it there when it is whole: `kill -9` at any moment leaves
/// either no template or a good one.
async fn migrate(schema: &Schema, resolved: &Resolved, path: &Path) -> Result<(), Error> {
    let partial = path.with_extension("partial");
    remove_all(&partial)?;
    let migrated = fill(schema, resolved, &partial).await;
    if let Err(error) = migrated {
        remove_all(&partial).ok();
        return Err(error);
    }
    File::open(&partial)
        .and_then(|file| file.sync_all())
        .map_err(|source| files("write the template", &partial, source))?;
    fs::rename(&partial, path).map_err(|source| files("move the template to", path, source))
}

async fn fill(schema: &Schema, resolved: &Resolved, partial: &Path) -> Result<(), Error> {
    let refused = |doing: &'static str| {
        move |source: sqlx::Error| Error::Database {
            doing,
            whom: format!("the template {}", partial.display()),
            source: Box::new(source) as BoxError,
        }
    };
    // Made here first, so that an unwritable directory is reported as what it is and not as SQLite's code 14.
    File::create(partial)
        .and_then(|mut file| file.flush())
        .map_err(|source| files("create the template", partial, source))?;
    let options = SqliteConnectOptions::new()
        .filename(partial)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .map_err(refused("open"))?;
    if let Some(migrator) = resolved.migrator() {
        migrator
            .run(&mut connection)
            .await
            .map_err(|error| resolved.failed(schema, error))?;
    }
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut connection)
        .await
        .map_err(refused("checkpoint"))?;
    connection.close().await.map_err(refused("close"))
}

/// A database file and what SQLite may have left beside it.
pub(super) fn remove_all(database: &Path) -> Result<(), Error> {
    for suffix in SUFFIXES {
        dir::remove(&with_suffix(database, suffix))?;
    }
    Ok(())
}

/// What SQLite keeps in files beside the database: nothing in the name itself, the journal, the log and its index.
pub(super) const SUFFIXES: [&str; 4] = ["", "-journal", "-wal", "-shm"];

pub(super) fn with_suffix(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes templates that nobody has used for a while. Best effort: it is somebody else's test that would fail.
fn collect_old(home: &Path) {
    let Ok(entries) = fs::read_dir(home) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let is_lock = path
            .extension()
            .is_some_and(|extension| extension == "lock");
        if is_lock && is_unused(&path) {
            collect(&path);
        }
    }
}

fn is_unused(lock: &Path) -> bool {
    let used = fs::metadata(lock).and_then(|metadata| metadata.modified());
    let unused = used.ok().and_then(|used| used.elapsed().ok());
    unused.is_some_and(|unused| unused > KEPT_UNUSED)
}

/// The lock file stays: somebody may be waiting for its lock, and would hold that of a file that is gone.
fn collect(lock: &Path) {
    let Ok(Some(held)) = dir::try_lock(lock) else {
        return;
    };
    // Asked again: somebody may have used it, and let go of the lock, since it was looked at.
    if is_unused(lock) {
        remove_all(&lock.with_extension("sqlite")).ok();
        remove_all(&lock.with_extension("partial")).ok();
    }
    drop(held);
}

impl Template {
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Copies the file: by reference where the file system can, else inside the kernel. Writing the bytes out from memory
    /// took as long, `VACUUM INTO` four times as long, and a deserialized database has one connection and no log.
    pub(super) fn copy_to(&self, to: &Path) -> std::io::Result<()> {
        fs::copy(&self.path, to).map(drop)
    }
}
