//! A guestbook: people sign up, sign the book, and read what others wrote.
//!
//! An ordinary axum and sqlx application. What makes its tests possible is `#[owned_task]` where it spawns, and a
//! [`Repo`] in place of a global pool; in production both are what they would be without.

heirloom::deny_unowned_spawns!();

mod app;
mod database;
mod entries;
mod error;
mod guests;
mod live;
mod page;
mod statistics;
mod web;
mod welcome;

pub use app::Guestbook;
pub use database::{Db, MIGRATOR, Pool, URL, connect};
pub use entries::{Entries, Entry, NewEntry, PageOf, list, sign};
pub use error::Error;
pub use guests::{Guest, SignUp, sign_up};
pub use live::Live;
pub use statistics::{Counter, Statistics, Summary};
pub use welcome::welcome;

use heirloom::Repo;

/// The application's database. In production it is the pool that it was given at the start.
pub static REPO: Repo<Db> = Repo::new().migrator(&MIGRATOR);
