//! A message that belongs to its sender: how one long-lived actor serves many tests at once.

use super::owned::{Owned, call_as};
use super::tracked::Tracked;
use crate::context::Carrier;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A message together with its sender's owner and tracing span, for an actor that serves more than one test.
///
/// An actor that is started once, in a `static` or when the application starts, belongs to nobody, or to the test that
/// came first. What arrives in an envelope is handled as its sender's all the same: each message uses the database of the
/// test that sent it. Several may be handled at once, on any thread and any runtime. Better that it belongs to nobody: then
/// a message that comes without an envelope is an error, and not taken for the first test's.
///
/// Without the `sandbox` feature it is the message and the sender's span, and nothing else.
///
/// ```
/// # #[cfg(all(feature = "sandbox", feature = "sqlite"))]
/// # mod example {
/// use heirloom::{Envelope, Repo, Sandbox, Test};
/// use sqlx::Sqlite;
/// use std::sync::LazyLock;
/// use tokio::sync::{mpsc, oneshot};
///
/// static REPO: Repo<Sqlite> = Repo::new();
///
/// struct SignUp {
///     email: &'static str,
///     answer: oneshot::Sender<sqlx::Result<i64>>,
/// }
///
/// // The actor. Whoever comes first starts it, on a runtime that outlives every test; it belongs to nobody.
/// static DESK: LazyLock<mpsc::UnboundedSender<Envelope<SignUp>>> = LazyLock::new(|| {
///     let (desk, mut inbox) = mpsc::unbounded_channel::<Envelope<SignUp>>();
///     std::thread::spawn(move || {
///         let runtime = tokio::runtime::Builder::new_current_thread();
///         let runtime = { runtime }.enable_all().build().expect("a runtime");
///         runtime.block_on(async {
///             while let Some(envelope) = inbox.recv().await {
///                 let handled = envelope.handle(async |SignUp { email, answer }| {
///                     answer.send(sign_up(email).await).ok();
///                 });
///                 handled.await;
///             }
///         });
///     });
///     desk
/// });
///
/// async fn sign_up(email: &'static str) -> sqlx::Result<i64> {
///     let insert = sqlx::query("INSERT INTO guests VALUES (?)").bind(email);
///     insert.execute(&REPO).await?;
///     let count = sqlx::query_scalar("SELECT count(*) FROM guests");
///     count.fetch_one(&REPO).await
/// }
///
/// async fn ask(email: &'static str) -> sqlx::Result<i64> {
///     let (answer, answered) = oneshot::channel();
///     let message = Envelope::new(SignUp { email, answer });
///     DESK.send(message).expect("the desk is open");
///     answered.await.expect("an answer")
/// }
///
/// // Two tests, at once. Each finds its own guests, and nobody else's.
/// # pub fn main() {
/// std::thread::scope(|scope| {
///     for name in ["monday", "tuesday"] {
///         let test = Test::here(name).no_migrations();
///         scope.spawn(|| test.run(|_: Sandbox| async move {
///             let table = "CREATE TABLE guests (email TEXT UNIQUE)";
///             sqlx::query(table).execute(&REPO).await?;
///             assert_eq!(ask("ada@example.org").await?, 1);
///             assert_eq!(ask("grace@example.org").await?, 2);
///             Ok(())
///         }));
///     }
/// });
/// # }
/// # }
/// # fn main() {
/// #     #[cfg(all(feature = "sandbox", feature = "sqlite"))]
/// #     example::main();
/// # }
/// ```
///
/// A message whose sender's test has ended when it is handled is still that test's: what it asks of the database is
/// `Error::OwnerEnded`, which names the test. An envelope that nobody opens drops its message as the sender's.
#[must_use = "a message that nobody opens is dropped"]
pub struct Envelope<T> {
    /// `None` only while it is being dropped.
    sealed: Option<Sealed<T>>,
}

/// What is in a closed envelope.
struct Sealed<T> {
    message: T,
    sender: Carrier,
    sent_at: &'static Location<'static>,
    /// Kept, not sent.
    standing: bool,
    /// Unless it is kept, its sender's test waits from now on for it to be handled.
    tracked: Tracked,
}

impl<T> Sealed<T> {
    fn new(
        message: T,
        sender: Carrier,
        sent_at: &'static Location<'static>,
        standing: bool,
    ) -> Self {
        Self {
            tracked: Tracked::message::<T>(&sender, sent_at, standing),
            message,
            sender,
            sent_at,
            standing,
        }
    }
}

impl<T> Envelope<T> {
    /// Puts a message of the caller's into an envelope: its sender is the current owner, in the current span.
    ///
    /// Where nobody is the owner it carries the span alone, and the message is handled as the actor's own work.
    ///
    /// Until it is handled or dropped it is work of its sender's, which the end of a test waits for, and `Sandbox::settle`.
    #[track_caller]
    pub fn new(message: T) -> Self {
        let sealed = Sealed::new(message, Carrier::capture(), Location::caller(), false);
        Self {
            sealed: Some(sealed),
        }
    }

    /// The same for a message that is kept, not sent: in a timer that sends copies of it, or in an actor that does with each
    /// copy of it what nobody sent. Nobody waits for it to be opened, nor for its copies.
    #[track_caller]
    pub fn standing(message: T) -> Self {
        let sealed = Sealed::new(message, Carrier::capture(), Location::caller(), true);
        Self {
            sealed: Some(sealed),
        }
    }

    /// The message, to look at. Whoever looks does so as themselves, not as the sender.
    #[must_use]
    pub fn message(&self) -> &T {
        match &self.sealed {
            Some(sealed) => &sealed.message,
            None => emptied(),
        }
    }

    /// Runs a handler as the sender's, wherever the future is polled; it is called at the first poll.
    ///
    /// Takes `async |message| { .. }`, which may use what is around it, as well as `|message| async move { .. }` or the
    /// name of an `async fn`. The future is the sender's as [`owned`](crate::owned()) work is: what it spawns with
    /// `#[owned_task]` or `owned` is the sender's too.
    ///
    /// # Cancel safety
    ///
    /// The message is lost if the future is dropped before it is done, and what is left of it is dropped as the sender's.
    ///
    /// ```
    /// # use heirloom::Envelope;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut total = 0;
    /// for envelope in [Envelope::new(40), Envelope::new(2)] {
    ///     envelope.handle(async |amount| total += amount).await;
    /// }
    /// assert_eq!(total, 42);
    /// # });
    /// ```
    pub fn handle<H, F>(self, handler: H) -> Owned<impl Future<Output = F::Output> + use<T, H, F>>
    where
        H: FnOnce(T) -> F,
        F: Future,
    {
        let Sealed {
            message,
            sender,
            tracked,
            ..
        } = self.unseal();
        let work = Some((handler, message));
        Owned::new(Handled::Sent { work }, sender, tracked)
    }

    /// Calls a handler at once, as the sender's: for actors on threads of their own.
    ///
    /// ```
    /// # use heirloom::Envelope;
    /// let envelope = Envelope::new("Ada");
    /// assert_eq!(envelope.open(|name| format!("Hello {name}")), "Hello Ada");
    /// ```
    pub fn open<R>(self, handler: impl FnOnce(T) -> R) -> R {
        let Sealed {
            message,
            sender,
            tracked,
            ..
        } = self.unseal();
        call_as(move || handler(message), sender, tracked)
    }

    /// Takes the message out and forgets who sent it.
    pub fn into_inner(self) -> T {
        self.unseal().message
    }

    fn unseal(mut self) -> Sealed<T> {
        match self.sealed.take() {
            Some(sealed) => sealed,
            None => emptied(),
        }
    }
}

pin_project! {
    /// A handler that is called inside, at the first poll, so that what it does before its first `.await` is the sender's
    /// as well.
    ///
    /// Written out, because an `async` block that calls a closure is not `Send`, as far as the compiler can tell, when
    /// the message holds a reference (rust-lang/rust#110338), be it a `&'static str`.
    #[project = Step]
    enum Handled<T, H, F> {
        Sent { work: Option<(H, T)> },
        Running { #[pin] future: F },
    }
}

impl<T, H: FnOnce(T) -> F, F: Future> Future for Handled<T, H, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Step::Sent { work } = self.as_mut().project() {
            let (handler, message) = work
                .take()
                .expect("a future is not polled again after it has panicked");
            let future = handler(message);
            self.set(Self::Running { future });
        }
        match self.project() {
            Step::Running { future } => future.poll(cx),
            Step::Sent { .. } => unreachable!("set above: heirloom's bug"),
        }
    }
}

#[cold]
fn emptied() -> ! {
    unreachable!("an envelope is emptied only while it is opened or dropped: heirloom's bug")
}

impl<T> Drop for Envelope<T> {
    fn drop(&mut self) {
        if let Some(sealed) = self.sealed.take() {
            // What the message holds (an answer's channel, a transaction) ends as its sender's, too.
            let _entered = sealed.sender.enter();
            drop(sealed.message);
        }
    }
}

/// A copy has the same sender: for channels that broadcast.
impl<T: Clone> Clone for Envelope<T> {
    fn clone(&self) -> Self {
        Self {
            sealed: self.sealed.as_ref().map(|sealed| {
                let Sealed {
                    message,
                    sender,
                    sent_at,
                    standing,
                    ..
                } = sealed;
                Sealed::new(message.clone(), sender.clone(), sent_at, *standing)
            }),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Envelope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Envelope").field(self.message()).finish()
    }
}
