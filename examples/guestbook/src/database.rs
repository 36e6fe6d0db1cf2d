//! The database: SQLite, or PostgreSQL with the feature `postgres`. Everything that differs is here and in `migrations/`.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(not(feature = "postgres"))]
mod sqlite;

#[cfg(feature = "postgres")]
use postgres as chosen;
#[cfg(not(feature = "postgres"))]
use sqlite as chosen;

pub use chosen::{Db, URL};
pub(crate) use chosen::{NOTE_WELCOME, options};

use crate::REPO;
use crate::error::Error;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sqlx::migrate::{MigrateDatabase as _, Migrator};

/// A pool of its connections.
pub type Pool = sqlx::Pool<Db>;

/// The migrations, compiled in.
pub static MIGRATOR: Migrator = chosen::MIGRATOR;

/// Opens the database, which is made if it is missing, and migrates it.
///
/// # Errors
///
/// When the URL is not one of the database, it cannot be opened, or a migration fails.
pub async fn connect(url: &str) -> Result<Pool, sqlx::Error> {
    if !Db::database_exists(url).await? {
        Db::create_database(url).await?;
    }
    let pool = Pool::connect_with(options(url)?).await?;
    MIGRATOR.run(&pool).await?;
    Ok(pool)
}

/// What a handler asks for to use the database: the pool of [`REPO`], which in tests is that of the test whose request it is.
pub(crate) struct Book(pub(crate) Pool);

impl<S: Sync> FromRequestParts<S> for Book {
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Error> {
        let pool = REPO.pool().await.map_err(sqlx::Error::from)?;
        Ok(Self(pool))
    }
}
