//! What another process has to know to work on a test's databases.

use super::sandbox::Sandbox;
use crate::error::Error;
use crate::isolation::{MAIN_REPO, variable_of};
use std::fmt;

/// The variable that holds the owner's token.
const OWNER: &str = "HEIRLOOM_OWNER";

/// Variables for the environment of another process. From [`Sandbox::env`]; it goes into
/// [`Command::envs`](std::process::Command::envs).
///
/// `Debug` shows their names only: the values let whoever reads them into the test's session.
#[derive(Clone)]
pub struct Env(Vec<(String, String)>);

impl Sandbox {
    /// The variables that let another process use this test's databases, with everything that the test has not committed:
    ///
    /// | variable | what |
    /// |---|---|
    /// | `DATABASE_URL` | [`Sandbox::database_url`] |
    /// | `<REPO>_DATABASE_URL` | the same for each named repo on which the test has a session by now, as heirloom itself looks them up: `AUDIT_LOG_DATABASE_URL` for `audit-log`. One that is not open yet is opened with [`Repo::checkout`](crate::Repo::checkout) |
    /// | `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGSSLMODE`, perhaps `PGPASSWORD` | the same as `DATABASE_URL`, where that is PostgreSQL, so that `psql` and all that is built on libpq need no arguments |
    /// | `HEIRLOOM_OWNER` | the test's token, for requests that the process sends back to a server of this one |
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # use sqlx::SqlitePool;
    /// # Test::here("example").no_migrations().run(|sandbox: Sandbox| async move {
    /// # let _: SqlitePool = sandbox.get().await.unwrap();
    /// let mut worker = std::process::Command::new("true");
    /// worker.envs(sandbox.env().await?).status()?;
    /// # Ok(()) });
    /// ```
    ///
    /// On PostgreSQL the process shares the test's transaction, and is served while the test's own thread is blocked in
    /// `status()`. On SQLite it opens the test's private copy, a file with a log (WAL) that any process of this machine may
    /// use at the same time: what it commits is committed in there, and locks are waited for as between two processes
    /// anywhere. [`Sandbox::settle`] sees of another process its
    /// statements on PostgreSQL and nothing else, so wait for it. One that outlives the test is refused by
    /// PostgreSQL with the test's name; on SQLite the file is gone, and what it still has open is nobody's.
    ///
    /// # Errors
    ///
    /// Why a session could not be opened.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, the session may be open already.
    pub async fn env(&self) -> Result<Env, Error> {
        let owner = self.owner();
        let main = self.database_url().await?;
        let mut env = vec![(OWNER.to_owned(), owner.token().to_string())];
        #[cfg(feature = "postgres")]
        for (name, value) in crate::isolation::libpq_variables(&main) {
            env.push((name.to_owned(), value));
        }
        env.push((variable_of(MAIN_REPO), main));
        for (repo, url) in crate::repo::urls(owner).await? {
            // The other kind of a test's main database, if it has two, has no variable.
            if repo.name != MAIN_REPO {
                env.push((variable_of(repo.name), url));
            }
        }
        Ok(Env(env))
    }
}

impl IntoIterator for Env {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    /// Names and values.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}
