//! What a test asks for: the site, and browsers that are its own.

use crate::browser::Browser;
use crate::server;
use guestbook::{Entry, Guest, NewEntry, Pool, REPO, SignUp, sign, sign_up};
use heirloom::{BoxError, FromSandbox, Owner, Sandbox, scoped_name};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What a test returns.
pub type TestResult = Result<(), BoxError>;

/// Tests that have browsers at the same time. A browser is several processes; more of them only wait for each other.
static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(2)));

/// How long a browser may take to end; shorter than what a test's teardown may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// What browsers call themselves, in front of whose they are.
const NAME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36";

/// The guestbook's site, to one test.
#[derive(Debug)]
pub struct Site {
    /// The test's database.
    pub pool: Pool,
    sandbox: Sandbox,
}

impl FromSandbox for Site {
    async fn from_sandbox(sandbox: &Sandbox) -> Result<Self, BoxError> {
        let turn = Arc::clone(&TURNS).acquire_owned().await?;
        // Done last, when the test's browsers have gone.
        sandbox.on_teardown(|| async {
            drop(turn);
            Ok(())
        });
        Ok(Self {
            pool: REPO.pool().await?,
            sandbox: sandbox.clone(),
        })
    }
}

impl Site {
    /// A browser of this test.
    ///
    /// # Errors
    ///
    /// When there is no Chromium.
    pub async fn browser(&self) -> Result<Browser, BoxError> {
        self.browser_of(self.sandbox.owner()).await
    }

    /// A browser of somebody else; this test only steers it.
    ///
    /// # Errors
    ///
    /// As [`Site::browser`].
    pub async fn browser_of(&self, owner: &Owner) -> Result<Browser, BoxError> {
        let home = format!("http://{}", server::address());
        self.browser_at(owner, home).await
    }

    /// A browser for a server that the test has started itself.
    ///
    /// # Errors
    ///
    /// As [`Site::browser`].
    pub async fn browser_at(&self, owner: &Owner, home: String) -> Result<Browser, BoxError> {
        let browser = Browser::start(&owner.user_agent(NAME), home).await?;
        let opened = browser.clone();
        self.sandbox.on_teardown(|| async move {
            // One that takes longer, as the machine is busy, ends with its driver.
            match timeout(PATIENCE, opened.close()).await {
                Ok(closed) => Ok(closed?),
                Err(_) => Ok(()),
            }
        });
        Ok(browser)
    }

    /// Signs somebody up, with the [`email()`] of the name, for whoever is the owner here.
    ///
    /// # Errors
    ///
    /// Those of the guestbook.
    pub async fn guest(&self, name: &str) -> Result<Guest, BoxError> {
        let email = email(name);
        let name = name.to_owned();
        Ok(sign_up(&REPO, &SignUp { name, email }).await?)
    }

    /// Signs the book as Ada, not through a browser; open pages are told.
    ///
    /// # Errors
    ///
    /// As [`Site::guest`].
    pub async fn sign(&self, text: &str) -> Result<Entry, BoxError> {
        self.sign_as("Ada", text).await
    }

    /// Signs the book as a guest of this name.
    ///
    /// # Errors
    ///
    /// As [`Site::guest`].
    pub async fn sign_as(&self, name: &str, text: &str) -> Result<Entry, BoxError> {
        let (email, text) = (email(name), text.to_owned());
        let entry = sign(&REPO, &NewEntry { email, text }).await?;
        server::live().tell(&entry);
        Ok(entry)
    }
}

/// The e-mail of a guest, which no guest of another owner has: on PostgreSQL two tests that write the same unique key wait
/// for each other.
#[must_use]
pub fn email(name: &str) -> String {
    format!("{}@example.org", scoped_name(name))
}
