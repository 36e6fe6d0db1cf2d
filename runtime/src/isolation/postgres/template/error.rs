//! Why there is no template or clone.

use crate::isolation::postgres::upstream::{ConnectError, QueryError, ServerError};
use sqlx::migrate::MigrateError;
use std::time::Duration;

/// Why there is no template or clone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TemplateError {
    /// The server did not let us in.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The role may not create databases.
    #[error(
        "role `{role}` may not create databases, and the migrations run once, in a database of their own\n\n  help: give it the right, as a superuser: `ALTER ROLE {quoted} CREATEDB`; or use database `{database}` as it is, with `migrations = false`"
    )]
    NoRight {
        /// The role.
        role: String,
        /// As it is written in SQL.
        quoted: String,
        /// The application's database.
        database: String,
    },
    /// Another process makes the same template, and does not come to an end.
    #[error(
        "waited {waited:?} for the template database `{name}`, which {holder} is making\n\n  help: does one of the migrations hang? end that process, or `SELECT pg_terminate_backend(…)` it"
    )]
    Busy {
        /// The template.
        name: String,
        /// Who holds the lock.
        holder: String,
        /// For how long.
        waited: Duration,
    },
    /// A migration failed. Nothing half-made is kept.
    #[error("the migrations failed in the new database `{name}`, which is dropped again")]
    Migrate {
        /// The database.
        name: String,
        /// Which one, and in the server's words.
        #[source]
        source: Box<MigrateError>,
    },
    /// An extension cannot be created.
    #[error(
        "extension `{extension}` cannot be created in a new database: {error}\n\n  help: is it installed on the server's machine? if only a superuser may create it, do so in `template1`, from which new databases are made"
    )]
    Extension {
        /// The extension.
        extension: String,
        /// In the server's words.
        error: Box<ServerError>,
    },
    /// The server refused something else.
    #[error("the server did not {doing} `{name}`")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// To which database.
        name: String,
        /// In the server's words.
        #[source]
        source: QueryError,
    },
    /// It was there a moment ago.
    #[error(
        "the template database `{name}` was dropped just after it was made\n\n  help: does something clean up databases on this server?"
    )]
    Gone {
        /// The template.
        name: String,
    },
}

impl TemplateError {
    /// Whether it came from a session that is of no more use.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::Refused { source, .. } if source.is_fatal())
    }

    /// For `map_err`.
    pub(crate) fn refused(doing: &'static str, name: &str) -> impl FnOnce(QueryError) -> Self {
        move |source| Self::Refused {
            doing,
            name: name.to_owned(),
            source,
        }
    }
}
