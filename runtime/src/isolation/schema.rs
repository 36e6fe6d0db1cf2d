//! Which migrations a session starts with, and the hash by which their template is found again.

use crate::error::{BoxError, Error};
use sha2::{Digest, Sha256};
use sqlx::migrate::{MigrateError, Migrator};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// Where a session's schema comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Schema {
    /// The directory `migrations` of the package, if there is one; else nothing. See [`Schema::of`].
    Package(PathBuf),
    /// A directory, which must exist.
    Directory(PathBuf),
    /// Migrations compiled in with `sqlx::migrate!`.
    Migrator(&'static Migrator),
    /// No migrations: an empty database; where there is a server, the application's database as it is.
    Empty,
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(dir) if !dir.is_dir() => {
                write!(f, "none, because {} is not there", dir.display())
            }
            Self::Package(dir) | Self::Directory(dir) => write!(f, "{}", dir.display()),
            Self::Migrator(_) => f.write_str("a compiled-in migrator"),
            Self::Empty => f.write_str("no migrations"),
        }
    }
}

/// A schema that has been read.
pub(super) struct Resolved {
    migrator: Option<Source>,
    pub(super) hash: String,
}

enum Source {
    Read { migrator: Migrator, dir: PathBuf },
    Static(&'static Migrator),
}

impl Schema {
    /// As one database takes it: a package that runs on several has a directory for each in `migrations`, named as its
    /// URLs begin.
    pub(crate) fn of<DB: sqlx::Database>(self) -> Self {
        let Self::Package(dir) = self else {
            return self;
        };
        let mut own = DB::URL_SCHEMES.iter().map(|scheme| dir.join(scheme));
        Self::Package(own.find(|own| own.is_dir()).unwrap_or(dir))
    }

    /// Reads the migrations and hashes their content. An edited migration has another hash, hence another template.
    pub(super) async fn resolve(&self) -> Result<Resolved, Error> {
        let source = match self {
            Self::Package(dir) if !dir.is_dir() => None,
            Self::Package(dir) | Self::Directory(dir) => Some(self.read(dir).await?),
            Self::Migrator(migrator) => Some(Source::Static(migrator)),
            Self::Empty => None,
        };
        self.require_some(source.as_ref())?;
        let hash = hash(source.as_ref().map(Source::migrator));
        Ok(Resolved {
            migrator: source,
            hash,
        })
    }

    async fn read(&self, dir: &Path) -> Result<Source, Error> {
        match Migrator::new(dir).await {
            Ok(migrator) => Ok(Source::Read {
                migrator,
                dir: dir.to_owned(),
            }),
            Err(MigrateError::Source(source)) => Err(self.unreadable(source)),
            Err(other) => Err(self.unreadable(Box::new(other))),
        }
    }

    /// A directory that was named and holds nothing sqlx takes for a migration is a slip.
    fn require_some(&self, source: Option<&Source>) -> Result<(), Error> {
        match (self, source) {
            (Self::Directory(_), Some(read)) if read.migrator().iter().next().is_none() => {
                Err(self.unreadable("there is no file `<version>_<name>.sql` in it".into()))
            }
            _ => Ok(()),
        }
    }

    fn unreadable(&self, source: BoxError) -> Error {
        Error::Migrations {
            from: self.to_string(),
            help: "name a directory of migrations, relative to the package's Cargo.toml: `migrations = \"db/migrations\"`, or `migrations = false` for none".to_owned(),
            source,
        }
    }
}

impl Source {
    fn migrator(&self) -> &Migrator {
        match self {
            Self::Read { migrator, .. } => migrator,
            Self::Static(migrator) => migrator,
        }
    }

    /// The file of a migration: the one in the directory whose name starts with its version.
    fn file(&self, version: i64) -> Option<PathBuf> {
        let Self::Read { dir, .. } = self else {
            return None;
        };
        let files = std::fs::read_dir(dir).ok()?.filter_map(Result::ok);
        let mut paths: Vec<_> = files
            .map(|file| file.path())
            .filter(|path| version_of(path) == Some(version))
            .filter(|path| !path.to_string_lossy().ends_with(".down.sql"))
            .collect();
        paths.sort();
        paths.into_iter().next()
    }
}

fn version_of(path: &Path) -> Option<i64> {
    path.file_name()?.to_str()?.split('_').next()?.parse().ok()
}

impl Resolved {
    /// The migrations, if there are any.
    pub(super) fn migrator(&self) -> Option<&Migrator> {
        self.migrator.as_ref().map(Source::migrator)
    }

    /// Says which migration failed, in which file.
    pub(super) fn failed(&self, from: &Schema, error: MigrateError) -> Error {
        let MigrateError::ExecuteMigration(source, version) = error else {
            return Error::Migrations {
                from: from.to_string(),
                help: "run them by hand against an empty database to see more".to_owned(),
                source: Box::new(error),
            };
        };
        let description = self
            .migrator()
            .and_then(|migrator| {
                migrator
                    .iter()
                    .find(|migration| migration.version == version)
            })
            .map(|migration| migration.description.to_string());
        Error::Migration {
            version,
            description: description.unwrap_or_default(),
            file: self
                .migrator
                .as_ref()
                .and_then(|source| source.file(version)),
            source: Box::new(source),
        }
    }
}

/// Everything that decides what the migrated database looks like: names, versions, kinds, texts, options. The texts
/// themselves, because a migration made by hand may carry any checksum.
fn hash(migrator: Option<&Migrator>) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    if let Some(migrator) = migrator {
        part(migrator.table_name.as_bytes());
        for migration in migrator.iter() {
            part(&migration.version.to_le_bytes());
            part(format!("{:?}{}", migration.migration_type, migration.no_tx).as_bytes());
            part(migration.description.as_bytes());
            part(&migration.checksum);
            part(migration.sql.as_str().as_bytes());
        }
    }
    let digest = hash.finalize();
    digest.iter().take(16).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes text");
        hex
    })
}
