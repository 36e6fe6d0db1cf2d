//! Entries: what guests wrote into the book.

use crate::database::{Db, Pool};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use sqlx::{Executor, FromRow};

/// One entry, as everybody may read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct Entry {
    /// The row; later entries have higher ones.
    pub id: i64,
    /// The guest's name.
    pub name: String,
    /// What they wrote.
    pub text: String,
    /// When, in UTC: `2026-01-31T18:30:00Z`.
    pub signed_at: String,
}

/// What a guest types to sign the book.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct NewEntry {
    /// The e-mail they signed up with.
    pub email: String,
    /// 1 to 1,000 characters.
    pub text: String,
}

const LONGEST_TEXT: usize = 1_000;

impl NewEntry {
    fn checked(&self) -> Result<(&str, &str), Error> {
        let (email, text) = (self.email.trim(), self.text.trim());
        let wrong = if email.is_empty() {
            "please give the e-mail you signed up with".to_owned()
        } else if text.is_empty() {
            "please write something".to_owned()
        } else if text.chars().count() > LONGEST_TEXT {
            format!("an entry has at most {LONGEST_TEXT} characters")
        } else {
            return Ok((email, text));
        };
        Err(Error::Invalid(wrong))
    }
}

/// Writes an entry into the book.
///
/// # Errors
///
/// [`Error::Invalid`] when there is nothing to write or too much of it, [`Error::UnknownGuest`], [`Error::Database`].
pub async fn sign(db: impl Executor<'_, Database = Db>, new: &NewEntry) -> Result<Entry, Error> {
    let (email, text) = new.checked()?;
    let entry = sqlx::query_as(
        "INSERT INTO entries (guest_id, text) SELECT id, $1 FROM guests WHERE lower(email) = lower($2) \
         RETURNING id, (SELECT name FROM guests WHERE guests.id = guest_id) AS name, text, signed_at",
    )
    .bind(text)
    .bind(email)
    .fetch_optional(db)
    .await?;
    entry.ok_or_else(|| Error::UnknownGuest {
        email: email.to_owned(),
    })
}

/// Which part of the book to read.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub struct PageOf {
    /// From 1, the newest.
    pub page: i64,
    /// Entries on a page, 1 to 100. Default 10.
    pub per_page: i64,
}

impl Default for PageOf {
    fn default() -> Self {
        Self {
            page: 1,
            per_page: 10,
        }
    }
}

impl PageOf {
    /// How many entries to skip, if there can be such a page.
    fn offset(self) -> Result<i64, Error> {
        if !(1..=100).contains(&self.per_page) {
            return Err(Error::Invalid("per_page is a number from 1 to 100".into()));
        }
        (self.page - 1)
            .checked_mul(self.per_page)
            .filter(|offset| *offset >= 0)
            .ok_or_else(|| Error::Invalid("page is a number from 1 on".into()))
    }
}

/// One page of the book.
#[derive(Clone, Debug, Serialize)]
pub struct Entries {
    /// The newest first.
    pub entries: Vec<Entry>,
    /// This page, from 1.
    pub page: i64,
    /// How many pages there are; an empty book has one.
    pub pages: i64,
    /// How many entries the whole book has.
    pub total: i64,
}

/// How many entries the book has.
pub(crate) async fn count(db: impl Executor<'_, Database = Db>) -> Result<i64, Error> {
    let count = sqlx::query_scalar("SELECT count(*) FROM entries");
    Ok(count.fetch_one(db).await?)
}

/// Reads one page of the book. Beyond the last page there are no entries, which is no error.
///
/// # Errors
///
/// [`Error::Invalid`] when there can be no such page, [`Error::Database`].
pub async fn list(pool: &Pool, of: PageOf) -> Result<Entries, Error> {
    let offset = of.offset()?;
    // One transaction, so that the number and the entries are of the same moment.
    let mut reading = pool.begin().await?;
    let total = count(&mut *reading).await?;
    let entries = sqlx::query_as(
        "SELECT entries.id, name, text, signed_at FROM entries JOIN guests ON guests.id = guest_id \
         ORDER BY entries.id DESC LIMIT $1 OFFSET $2",
    )
    .bind(of.per_page)
    .bind(offset)
    .fetch_all(&mut *reading)
    .await?;
    reading.commit().await?;
    Ok(Entries {
        entries,
        page: of.page,
        pages: ((total + of.per_page - 1) / of.per_page).max(1),
        total,
    })
}
