//! What an application gets, without the `sandbox` feature: spans are kept, and a repo is its pool.

#![cfg(not(feature = "sandbox"))]

use heirloom::{ClosureExt as _, Envelope, FutureExt as _, owned, owned_fn};
use std::sync::mpsc;
use tracing::{Span, error_span};

fn with_subscriber<R>(f: impl FnOnce() -> R) -> R {
    tracing::subscriber::with_default(tracing_subscriber::registry(), f)
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

#[test]
fn owned_work_keeps_the_span_it_was_made_in() {
    with_subscriber(|| {
        let request = error_span!("request");
        let (future, method, closure, by_method) = request.in_scope(|| {
            (
                owned(async { Span::current() }),
                async { Span::current() }.owned(),
                owned_fn(Span::current),
                Span::current.owned(),
            )
        });
        assert!(Span::current().is_none());
        for seen in [block_on(future), block_on(method), closure(), by_method()] {
            assert_eq!(seen.id(), request.id());
        }
        assert!(Span::current().is_none());
    });
}

#[test]
fn owned_work_is_dropped_in_the_span_it_was_made_in() {
    struct OnDrop(mpsc::Sender<Span>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.send(Span::current()).expect("somebody listens");
        }
    }

    with_subscriber(|| {
        let (told, tell) = mpsc::channel();
        let request = error_span!("request");
        let held = OnDrop(told);
        drop(request.in_scope(|| owned(async move { drop(held) })));
        assert_eq!(tell.recv().expect("told").id(), request.id());
    });
}

#[test]
fn an_envelope_keeps_the_span_of_its_sender() {
    with_subscriber(|| {
        let request = error_span!("request");
        let (first, second) = request.in_scope(|| (Envelope::new("a"), Envelope::new("b")));
        assert_eq!((*first.message(), *second.message()), ("a", "b"));
        let handled = first.handle(async |message| (message, Span::current()));
        for (_, seen) in [block_on(handled), second.open(|it| (it, Span::current()))] {
            assert_eq!(seen.id(), request.id());
        }
        assert!(Span::current().is_none());
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn a_repo_is_the_pool_it_was_given_and_is_given_one_once() {
    use heirloom::{Error, Repo};
    use sqlx::Sqlite;

    static REPO: Repo<Sqlite> = Repo::new();
    block_on(async {
        let one = || sqlx::query_scalar::<_, i64>("SELECT 1");
        let error = one().fetch_one(&REPO).await.expect_err("no pool yet");
        let error = Error::from_sqlx(&error).expect("ours");
        assert!(matches!(
            error,
            Error::NotConnected {
                repo: "default",
                ..
            }
        ));
        assert!(
            error
                .to_string()
                .contains("help: call `Repo::connect(url)`")
        );

        REPO.connect("sqlite::memory:").await.expect("it connects");
        assert_eq!(one().fetch_one(&REPO).await.expect("a row"), 1);
        let mut transaction = REPO.begin().await.expect("a transaction");
        assert_eq!(one().fetch_one(&mut *transaction).await.expect("a row"), 1);
        transaction.rollback().await.expect("it ends");

        let again = REPO.connect("sqlite::memory:").await.expect_err("once");
        let again = Error::from_sqlx(&again).expect("ours");
        assert!(matches!(again, Error::AlreadyConnected { .. }));
        let pool = REPO.pool().await.expect("the pool");
        assert!(matches!(
            REPO.init(pool),
            Err(Error::AlreadyConnected { .. })
        ));
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn what_a_repo_says_for_tests_changes_nothing() {
    use heirloom::{OrphanPolicy, Repo};
    use sqlx::Sqlite;
    use std::time::Duration;

    static REPO: Repo<Sqlite> = Repo::new()
        .orphans(OrphanPolicy::Pause)
        .ownership_timeout(Duration::ZERO);
    block_on(async {
        // It neither waits for an owner nor loses anything.
        let one = || sqlx::query_scalar::<_, i64>("SELECT 1");
        one().fetch_one(&REPO).await.expect_err("no pool yet");
        REPO.connect("sqlite::memory:").await.expect("it connects");
        let mut transaction = REPO.begin().await.expect("a transaction");
        assert_eq!(one().fetch_one(&mut *transaction).await.expect("a row"), 1);
        transaction.commit().await.expect("it is nobody's to take");
        let by_task = tokio::spawn(one().fetch_one(&REPO)).await;
        assert_eq!(by_task.expect("no panic").expect("a row"), 1);
    });
}
