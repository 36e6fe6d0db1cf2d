//! What errors know of sessions: how they are kept apart, and where their data is kept.

use std::fmt;
use std::path::PathBuf;

/// How a session is kept apart from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// It is inside a transaction that is never committed. PostgreSQL's default.
    Transaction,
    /// It has a private copy of the database, where commits are real. SQLite's default.
    Database,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transaction => "transaction",
            Self::Database => "database",
        })
    }
}

/// Where a session's data is kept to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// In a file.
    File(PathBuf),
    /// In a database on a server.
    Database {
        /// Its name.
        name: String,
        /// What opens it, as it is typed in a shell; a password is left out.
        command: String,
    },
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Database { command, .. } => write!(f, "`{command}`"),
        }
    }
}
