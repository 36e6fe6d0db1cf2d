//! Taking a session on a repo on terms of one's own, and giving it back before the owner ends.

use super::mode;
use super::opening::{self, Wish, repo_id};
use super::resolve::nobody;
use super::session::Terms;
use super::sessions;
use super::{Repo, Supported};
use crate::context;
use crate::error::{Asker, Error};
use crate::isolation::{Isolation, IsolationLevel};
use crate::owner::{Checkin, Checkout, Owner, Role};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

impl<DB: Supported> Repo<DB> {
    /// Opens the owner's session on this repo, if it has none. Without this a session opens on its first use; it is for
    /// one on terms of its own, and for a new one after [`Repo::checkin`].
    ///
    /// ```
    /// # use heirloom::{Checkin, Checkout, Repo, Sandbox, Test};
    /// # use sqlx::Sqlite;
    /// static REPO: Repo<Sqlite> = Repo::new();
    ///
    /// # Test::here("example").no_migrations().run(|_: Sandbox| async move {
    /// assert_eq!(REPO.checkout().sandbox(false).await?, Checkout::New);
    /// assert_eq!(REPO.checkout().await?, Checkout::AlreadyOwner);
    /// assert_eq!(REPO.checkin().await?, Checkin::Ok);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Awaited: [`Error::Ownership`] and [`Error::OwnerEnded`], or why the session could not be opened, or
    /// [`Error::StillHeld`] when somebody does not let go of one that was taken away. Then there is none, and it can be
    /// tried again. Code that nobody owns starts an owner: [`Owner::start`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, there is no session: the next use opens one, on the owner's usual terms.
    #[track_caller]
    pub fn checkout(&self) -> CheckoutRequest<DB> {
        let asked_at = Some(Location::caller().into());
        CheckoutRequest {
            wish: self.wish(Terms::default(), asked_at),
            asker: context::current_role(),
        }
    }

    /// Gives the owner's session on this repo back before the owner ends: everything in it is gone when this is done.
    ///
    /// Whoever still uses it is told. Later uses are errors until there is a new [`Repo::checkout`].
    ///
    /// # Errors
    ///
    /// [`Error::StillHeld`] when somebody held a connection for more than 5 s. The session is gone all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the session is out of reach, but may not be rolled back yet.
    #[track_caller]
    pub fn checkin(&self) -> impl Future<Output = Result<Checkin, Error>> + Send + use<DB> {
        let by = Asker::now(Some(Location::caller().into()));
        let repo = repo_id::<DB>(self.name);
        let asker = context::current_role();
        async move {
            match asker {
                Some((owner, role)) => {
                    let (checkin, session) = sessions::give_back(&owner, role, repo, by);
                    sessions::close(session.into_iter().collect()).await?;
                    Ok(checkin)
                }
                None => Ok(Checkin::NotFound),
            }
        }
    }
}

/// A checkout that is to be awaited. From [`Repo::checkout`].
#[must_use = "nothing is checked out until it is awaited"]
pub struct CheckoutRequest<DB: Supported> {
    wish: Wish<DB>,
    asker: Option<(Owner, Role)>,
}

impl<DB: Supported> CheckoutRequest<DB> {
    /// `false`: outside the sandbox. Commits are real, and everybody who is outside the sandbox sees them. Default
    /// `true`.
    ///
    /// That is the repo's own pool, if it was given one ([`Repo::connect`]); else for SQLite a migrated file that lives
    /// as long as the process, for PostgreSQL the application's own database.
    pub fn sandbox(mut self, sandbox: bool) -> Self {
        self.wish.ask.terms.sandbox = Some(sandbox);
        self
    }

    /// How the session is kept apart. Default: as the test says, else as the database does, [`Isolation::Transaction`] on
    /// PostgreSQL and [`Isolation::Database`] on SQLite, which has no other.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.wish.ask.terms.isolation = Some(isolation);
        self
    }

    /// The isolation level of the session's transactions. Default: the database's. SQLite's are always serializable.
    pub fn isolation_level(mut self, level: IsolationLevel) -> Self {
        self.wish.ask.terms.level = Some(level);
        self
    }

    /// For how long the owner may have the session. Default: as the test says, else the repo, else 120 s.
    pub fn ownership_timeout(mut self, limit: Duration) -> Self {
        self.wish.ask.terms.limit = Some(limit);
        self
    }
}

impl<DB: Supported> IntoFuture for CheckoutRequest<DB> {
    type Output = Result<Checkout, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Some((owner, role)) = self.asker else {
                let mode = mode::of(self.wish.ask.repo);
                return Err(nobody(&self.wish, &mode));
            };
            opening::checkout(&owner, role, self.wish).await
        })
    }
}

impl<DB: Supported> fmt::Debug for CheckoutRequest<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckoutRequest")
            .field("repo", &self.wish.ask.repo.name)
            .field("terms", &self.wish.ask.terms)
            .finish_non_exhaustive()
    }
}
