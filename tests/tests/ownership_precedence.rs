//! Which owner counts where several could: a scope inside the task, an allowance, birth, the thread, a shared repo. One
//! test for each pair of neighbours. An owner is told by how many guests it has.

use heirloom::{FutureExt as _, Mode, ModeChange, Owner, Repo, Sandbox, StartedOwner, owned_task};
use heirloom_tests::{MIGRATOR, count, insert, nobodys, test};
use sqlx::Sqlite;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

static REPO: Repo<Sqlite> = Repo::new();

/// An owner with so many guests.
async fn owner(name: &str, guests: i64) -> sqlx::Result<StartedOwner> {
    let owner = Owner::start(name).repo(&REPO).await?;
    for number in 0..guests {
        let email = format!("{number}@example.org");
        insert(&REPO, &email).owned_by(&owner).await?;
    }
    Ok(owner)
}

async fn stop<const N: usize>(owners: [StartedOwner; N]) -> Result<(), heirloom::Error> {
    for owner in owners {
        owner.stop().await?;
    }
    Ok(())
}

/// Work that starts when it is told to, so that its task can be allowed before.
async fn after<F: Future>(go: oneshot::Receiver<()>, work: impl FnOnce() -> F) -> F::Output {
    go.await.expect("it is told to");
    work().await
}

async fn allowed<T>(
    by: &Owner,
    go: oneshot::Sender<()>,
    task: JoinHandle<T>,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    by.allow(&task)?;
    go.send(()).map_err(|()| "it has gone")?;
    Ok(task.await?)
}

#[test]
fn a_scope_entered_inside_a_task_wins_over_the_tasks_allowance() {
    drop(test("precedence::scope").run(|_: Sandbox| async move {
        let (one, two) = (owner("p::one", 1).await?, owner("p::two", 2).await?);
        let entered = Owner::clone(&two);
        let (go, wait) = oneshot::channel();
        let task = nobodys().spawn(after(wait, || async move {
            let before = count(&REPO).await?;
            let pool = {
                let _guard = entered.enter();
                REPO.pool()
            };
            let query = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM guests");
            let by_guard = query.fetch_one(&pool.await?).await?;
            let span = entered_span(&entered);
            let by_span = count(&REPO).instrument(span).await?;
            let after = count(&REPO).await?;
            Ok::<_, sqlx::Error>([before, by_guard, by_span, after])
        }));
        let seen = allowed(&one, go, task).await.expect("allowed")?;
        assert_eq!(seen, [1, 2, 2, 1]);
        Ok(stop([one, two]).await?)
    }));
}

#[test]
fn an_owned_future_awaited_inside_a_task_wins_over_the_tasks_allowance() {
    drop(test("precedence::future").run(|_: Sandbox| async move {
        let (one, two) = (owner("p::one", 1).await?, owner("p::two", 2).await?);
        let named = Owner::clone(&two);
        let (go, wait) = oneshot::channel();
        let task = nobodys().spawn(after(wait, || async move {
            count(&REPO).owned_by(&named).await
        }));
        assert_eq!(allowed(&one, go, task).await.expect("allowed")?, 2);
        Ok(stop([one, two]).await?)
    }));
}

type Message = Pin<Box<dyn Future<Output = sqlx::Result<()>> + Send>>;

/// A server of the application's: one task that does what it is sent.
fn server() -> (mpsc::UnboundedSender<Message>, JoinHandle<sqlx::Result<()>>) {
    let (send, mut inbox) = mpsc::unbounded_channel::<Message>();
    let serves = async move {
        while let Some(message) = inbox.recv().await {
            message.await?;
        }
        Ok(())
    };
    (send, nobodys().spawn(serves))
}

/// What this server does for each of two owners, when the second sends it this message and the first allowed it.
async fn served(name: &str, message: impl FnOnce(&Owner) -> Message) -> [i64; 2] {
    let allows = owner(&format!("{name}_allows"), 0).await.expect("started");
    let sends = owner(&format!("{name}_sends"), 0).await.expect("started");
    let (send, server) = server();
    allows.allow(&server).expect("it runs");
    send.send(message(&sends)).expect("it serves");
    // Between its messages it is what it was allowed to be.
    let own = async { insert(&REPO, "between@example.org").await };
    send.send(Box::pin(own)).expect("it serves");
    drop(send);
    server.await.expect("no panic").expect("served");
    let mut seen = [0; 2];
    for (count_of, owner) in seen.iter_mut().zip([&allows, &sends]) {
        let all =
            sqlx::query_scalar("SELECT count(*) FROM guests WHERE email = 'sent@example.org'");
        *count_of = async { all.fetch_one(&REPO).await }
            .owned_by(owner)
            .await
            .expect("counted");
    }
    assert_eq!(
        count(&REPO).owned_by(&allows).await.expect("counted"),
        seen[0] + 1
    );
    stop([allows, sends]).await.expect("stopped");
    seen
}

/// Born to whoever calls it, whoever awaits it.
#[owned_task]
async fn sent() -> sqlx::Result<()> {
    insert(&REPO, "sent@example.org").await
}

#[test]
fn a_message_is_its_senders_in_a_task_that_another_owner_allowed() {
    drop(test("precedence::message").run(|_: Sandbox| async move {
        let by_name = served("p::by_name", |sender| {
            Box::pin(insert(&REPO, "sent@example.org").owned_by(sender))
        });
        assert_eq!(by_name.await, [0, 1]);
        Ok(())
    }));
}

#[test]
fn what_an_owned_async_fn_made_is_its_callers_in_a_task_that_another_owner_allowed() {
    drop(test("precedence::owned_fn").run(|_: Sandbox| async move {
        let by_call = served("p::by_call", |sender| {
            let _scope = sender.enter();
            Box::pin(sent())
        });
        assert_eq!(by_call.await, [0, 1]);
        Ok(())
    }));
}

/// As a request's or a message's span.
fn entered_span(owner: &Owner) -> tracing::Span {
    let _scope = owner.enter();
    tracing::error_span!("request")
}

/// A spawn site: the task is born to whoever calls this.
#[owned_task]
fn spawned(go: oneshot::Receiver<()>) -> JoinHandle<sqlx::Result<i64>> {
    nobodys().spawn(after(go, || async { count(&REPO).await }))
}

#[test]
fn an_allowance_wins_over_the_owner_that_a_task_was_born_with() {
    drop(test("precedence::birth").run(|_: Sandbox| async move {
        let (one, two) = (owner("p::one", 1).await?, owner("p::two", 2).await?);
        let (go, wait) = oneshot::channel();
        let task = {
            let _scope = two.enter();
            spawned(wait)
        };
        let seen = allowed(&one, go, task).await;
        assert_eq!(seen.expect("allowed")?, 1);
        Ok(stop([one, two]).await?)
    }));
}

#[test]
fn an_actor_that_was_allowed_by_name_wins_over_the_allowance_of_the_task_it_runs_in() {
    drop(test("precedence::actor").run(|_: Sandbox| async move {
        let (one, two) = (owner("p::one", 1).await?, owner("p::two", 2).await?);
        two.allow("precedence_actor")?;
        let (go, wait) = oneshot::channel();
        let task = nobodys().spawn(after(wait, || async {
            // The task is the one's; the actor that runs in it is nobody's by birth only where nobody owns the task.
            count(&REPO).await
        }));
        assert_eq!(allowed(&one, go, task).await.expect("allowed")?, 1);
        let (go, wait) = oneshot::channel();
        let work = after(wait, || async { count(&REPO).await });
        // Made on a thread that is nobody's: else it would be born to the test.
        let start = || nobodys().spawn(heirloom::owned(work).named("precedence_actor"));
        let actor = std::thread::spawn(start).join().expect("it starts");
        assert_eq!(allowed(&one, go, actor).await.expect("allowed")?, 2);
        Ok(stop([one, two]).await?)
    }));
}

#[test]
fn the_owner_a_task_was_born_with_wins_over_the_threads() {
    drop(test("precedence::thread").run(|_: Sandbox| async move {
        let one = owner("p::one", 1).await?;
        let plain = tokio::spawn(count(&REPO)).await??;
        let born = tokio::spawn(count(&REPO).owned_by(&one)).await??;
        assert_eq!((plain, born), (0, 1));
        Ok(stop([one]).await?)
    }));
}

#[test]
fn an_allowance_wins_over_the_thread() {
    drop(test("precedence::allowed").run(|_: Sandbox| async move {
        let one = owner("p::one", 1).await?;
        let (go, wait) = oneshot::channel();
        let task = tokio::spawn(after(wait, || async { count(&REPO).await }));
        assert_eq!(allowed(&one, go, task).await.expect("allowed")?, 1);
        Ok(stop([one]).await?)
    }));
}

#[test]
fn the_thread_wins_over_a_shared_repo_and_so_do_birth_and_allowance() {
    static SHARED: Repo<Sqlite> = Repo::named("precedence_shared").migrator(&MIGRATOR);
    drop(test("precedence::shared").run(|_: Sandbox| async move {
        let owner = Owner::start("p::sharer").repo(&SHARED).await?;
        insert(&SHARED, "ada@example.org").owned_by(&owner).await?;
        let mode = Mode::Shared(Owner::clone(&owner));
        assert_eq!(SHARED.set_mode(mode).await?, ModeChange::Ok);
        let other = Owner::start("p::other").repo(&SHARED).await?;

        let thread = tokio::spawn(count(&SHARED)).await??;
        let born = nobodys().spawn(count(&SHARED).owned_by(&other)).await??;
        let (go, wait) = oneshot::channel();
        let task = nobodys().spawn(after(wait, || async { count(&SHARED).await }));
        let allowed = allowed(&other, go, task).await.expect("allowed")?;
        let nobodys = nobodys().spawn(count(&SHARED)).await??;
        assert_eq!((thread, born, allowed, nobodys), (0, 0, 0, 1));
        Ok(stop([owner, other]).await?)
    }));
}

#[test]
fn an_ended_owner_is_an_error_and_never_skipped_for_a_farther_one() {
    drop(test("precedence::ended").run(|_: Sandbox| async move {
        let one = owner("p::gone", 1).await?;
        let gone = Owner::clone(&one);
        one.stop().await?;
        // The thread's owner runs, but it is farther.
        let error = tokio::spawn(count(&REPO).owned_by(&gone)).await?;
        let error = error.expect_err("it has ended");
        let ended = heirloom_tests::ours(&error);
        heirloom_tests::says(ended, &["`p::gone`", "ended"]);
        Ok(())
    }));
}

#[test]
fn a_keep_alive_task_serves_two_owners_by_their_spans_whatever_it_is_allowed() {
    drop(test("precedence::keep_alive").run(|_: Sandbox| async move {
        let (one, two) = (owner("p::one", 1).await?, owner("p::two", 2).await?);
        let third = owner("p::third", 3).await?;
        let spans = [&one, &two, &one, &two].map(|owner| entered_span(owner));
        let (go, wait) = oneshot::channel();
        let server = nobodys().spawn(after(wait, || async move {
            let mut seen = Vec::new();
            for span in spans {
                seen.push(count(&REPO).instrument(span).await?);
                seen.push(count(&REPO).await?);
            }
            Ok::<_, sqlx::Error>(seen)
        }));
        let seen = allowed(&third, go, server).await.expect("allowed")?;
        assert_eq!(seen, [1, 3, 2, 3, 1, 3, 2, 3]);
        Ok(stop([one, two, third]).await?)
    }));
}
