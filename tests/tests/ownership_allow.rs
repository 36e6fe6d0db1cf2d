//! Letting tasks and actors that are nobody's heirs use an owner's sessions. They run on a runtime that no test started,
//! as the application's would.

use heirloom::{Checkin, Error, FutureExt as _, Owner, Refusal, Repo, Sandbox, owned_task};
use heirloom_tests::{count, insert, nobodys, ours, runtime, says, test};
use sqlx::Sqlite;
use std::future::Future;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

static REPO: Repo<Sqlite> = Repo::new();

const ADA: &str = "ada@example.org";

/// Counts guests whenever it is asked to, until nobody can ask any more.
struct Worker {
    ask: mpsc::UnboundedSender<oneshot::Sender<sqlx::Result<i64>>>,
    task: JoinHandle<()>,
}

/// What a worker does.
fn work() -> (
    mpsc::UnboundedSender<oneshot::Sender<sqlx::Result<i64>>>,
    impl Future<Output = ()> + Send,
) {
    let (ask, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<_>>();
    let work = async move {
        while let Some(answer) = asked.recv().await {
            answer.send(count(&REPO).await).ok();
        }
    };
    (ask, work)
}

impl Worker {
    fn spawn() -> Self {
        Self::spawn_on(nobodys())
    }

    fn spawn_on(runtime: &Runtime) -> Self {
        let (ask, work) = work();
        let task = runtime.spawn(work);
        Self { ask, task }
    }

    /// An actor that the application starts, not a test.
    fn named(name: &'static str) -> Self {
        Self::named_on(nobodys(), name)
    }

    fn named_on(runtime: &Runtime, name: &'static str) -> Self {
        let (ask, work) = work();
        let handle = runtime.handle().clone();
        // On a thread that is nobody's, as an owned future is whose thread makes it.
        let start = move || handle.spawn(heirloom::owned(work).named(name));
        let task = std::thread::spawn(start).join().expect("it starts");
        Self { ask, task }
    }

    async fn count(&self) -> sqlx::Result<i64> {
        let (answer, answered) = oneshot::channel();
        self.ask.send(answer).expect("it runs");
        answered.await.expect("it answers")
    }

    async fn is_nobodys(&self) -> Error {
        let error = self.count().await.expect_err("nobody allows it");
        assert!(matches!(ours(&error), Error::Ownership { .. }), "{error}");
        match error {
            sqlx::Error::Configuration(error) => *error.downcast().expect("ours"),
            _ => unreachable!("looked at above"),
        }
    }

    async fn ends(self) {
        drop(self.ask);
        self.task.await.expect("no panic");
    }
}

#[test]
fn a_task_is_allowed_by_its_id_by_its_handle_and_by_an_abort_handle() {
    drop(test("allow::handles").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let owner = sandbox.owner();
        let (by_id, by_handle, stranger) = (Worker::spawn(), Worker::spawn(), Worker::spawn());
        let mut set = JoinSet::new();
        let (ask, work) = work();
        let in_set: AbortHandle = set.spawn_on(work, nobodys().handle());
        for worker in [&by_id, &by_handle, &stranger] {
            worker.is_nobodys().await;
        }
        owner.allow(by_id.task.id())?;
        owner.allow(&by_handle.task)?;
        owner.allow(&in_set)?;
        assert_eq!(by_id.count().await?, 1);
        assert_eq!(by_handle.count().await?, 1);
        let (answer, answered) = oneshot::channel();
        ask.send(answer).expect("it runs");
        assert_eq!(answered.await??, 1);
        stranger.is_nobodys().await;
        Ok(())
    }));
}

#[test]
fn an_actor_is_allowed_by_its_name_before_and_after_it_starts_and_again_when_restarted() {
    drop(test("allow::names").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let running = Worker::named("allow_running");
        running.is_nobodys().await;
        sandbox.owner().allow("allow_running")?;
        assert_eq!(running.count().await?, 1);

        sandbox.owner().allow("allow_later".to_owned())?;
        let later = Worker::named("allow_later");
        assert_eq!(later.count().await?, 1);
        later.ends().await;
        let restarted = Worker::named("allow_later");
        assert_eq!(restarted.count().await?, 1);

        Worker::named("allow_somebody_else").is_nobodys().await;
        Ok(())
    }));
}

#[test]
fn all_actors_of_a_name_are_allowed() {
    drop(test("allow::several").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let first = Worker::named("allow_several");
        sandbox.owner().allow("allow_several")?;
        let second = Worker::named("allow_several");
        assert_eq!((first.count().await?, second.count().await?), (1, 1));
        Ok(())
    }));
}

#[test]
fn two_owners_that_wait_for_one_name_get_an_actor_each() {
    drop(test("allow::two_wait").run(|_: Sandbox| async move {
        let owners = [
            Owner::start("allow::first").repo(&REPO).await?,
            Owner::start("allow::second").repo(&REPO).await?,
        ];
        insert(&REPO, ADA).owned_by(&owners[0]).await?;
        for owner in &owners {
            owner.allow("allow_two_wait")?;
        }
        let (one, other) = (
            Worker::named("allow_two_wait"),
            Worker::named("allow_two_wait"),
        );
        assert_eq!((one.count().await?, other.count().await?), (1, 0));
        for owner in owners {
            owner.stop().await?;
        }
        Ok(())
    }));
}

#[owned_task(name = "allow_annotated")]
async fn annotated() -> sqlx::Result<i64> {
    count(&REPO).await
}

#[test]
fn the_name_of_an_owned_task_is_the_actors_name() {
    drop(test("allow::annotated").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let fresh = runtime("allow_annotated");
        let run = || fresh.spawn(async { annotated().await });
        let error = run().await?.expect_err("nobody's yet");
        says(ours(&error), &["nobody allows the actor `allow_annotated`"]);
        sandbox.owner().allow("allow_annotated")?;
        assert_eq!(run().await??, 1);
        Ok(())
    }));
}

#[test]
fn what_an_allowed_task_spawns_or_allows_is_the_owners_and_outlives_it() {
    drop(test("allow::passes_on").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let (go, allowed) = oneshot::channel::<()>();
        let spawner = nobodys().spawn(async move {
            allowed.await.ok();
            let (ask, work) = work();
            let heir = tokio::spawn(work.owned());
            let second = Worker::spawn();
            heirloom::require_current()?.allow(&second.task)?;
            let heir = Worker { ask, task: heir };
            Ok::<_, Error>((heir, second))
        });
        sandbox.owner().allow(&spawner)?;
        go.send(()).expect("it waits");
        let (heir, second) = spawner.await??;
        // The task between is gone.
        assert_eq!(heir.count().await?, 1);
        assert_eq!(second.count().await?, 1);
        Ok(())
    }));
}

#[test]
fn an_allowed_task_uses_the_session_but_cannot_give_it_back() {
    drop(
        test("allow::no_checkin").run(|sandbox: Sandbox| async move {
            insert(&REPO, ADA).await?;
            let (go, allowed) = oneshot::channel::<()>();
            let task = nobodys().spawn(async move {
                allowed.await.ok();
                REPO.checkin().await
            });
            sandbox.owner().allow(&task)?;
            go.send(()).expect("it waits");
            assert_eq!(task.await??, Checkin::NotOwner);
            assert_eq!(count(&REPO).await?, 1);
            Ok(())
        }),
    );
}

#[test]
fn allowing_the_same_again_changes_nothing() {
    drop(test("allow::again").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let worker = Worker::spawn();
        let actor = Worker::named("allow_again");
        for _ in 0..3 {
            sandbox.owner().allow(&worker.task)?;
            sandbox.owner().allow("allow_again")?;
        }
        assert_eq!((worker.count().await?, actor.count().await?), (1, 1));
        let seen = sandbox.inspect();
        let own = seen.owners.iter().find(|one| one.name == sandbox.name());
        assert_eq!(own.map(|own| own.allowances.len()), Some(2), "{seen}");
        Ok(())
    }));
}

/// The refusal, after a look at its text.
#[track_caller]
fn refused(result: Result<(), Error>, parts: &[&str]) -> Refusal {
    let error = result.expect_err("refused");
    says(&error, parts);
    says(&error, &["cannot allow", file!(), "help:"]);
    match error {
        Error::NotAllowed { refusal, .. } => refusal,
        error => panic!("another error: {error:?}"),
    }
}

#[test]
fn what_another_owner_allows_is_refused_and_stays_there_until_it_is_reassigned() {
    drop(test("allow::refused").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let other = Owner::start("allow::other").repo(&REPO).await?;
        let (worker, actor) = (Worker::spawn(), Worker::named("allow_contended"));
        sandbox.owner().allow(&worker.task)?;
        sandbox.owner().allow("allow_contended")?;
        let parts = [
            "`allow::other` cannot allow",
            "`allow::refused` has allowed it already",
            "`owner.reassign(..)`",
        ];
        let by = Refusal::AllowedBy("allow::refused".to_owned());
        assert_eq!(refused(other.allow(&worker.task), &parts), by);
        let asked_at = line!() + 1;
        assert_eq!(refused(other.allow("allow_contended"), &parts), by);
        let error = other.allow("allow_contended").expect_err("refused");
        says(
            &error,
            &[
                "the actor `allow_contended`",
                &format!("{}:{}:", file!(), asked_at + 1),
            ],
        );
        assert_eq!((worker.count().await?, actor.count().await?), (1, 1));

        other.reassign(&worker.task)?;
        other.reassign("allow_contended")?;
        assert_eq!((worker.count().await?, actor.count().await?), (0, 0));
        refused(sandbox.owner().allow(&worker.task), &["`allow::other` has"]);
        other.stop().await?;
        sandbox.owner().allow(&worker.task)?;
        assert_eq!(worker.count().await?, 1);
        Ok(())
    }));
}

#[test]
fn reassigning_a_name_leaves_the_actors_that_another_running_owner_spawned() {
    drop(test("allow::spawned").run(|_: Sandbox| async move {
        let first = Owner::start("allow::spawns").repo(&REPO).await?;
        let second = Owner::start("allow::takes").repo(&REPO).await?;
        insert(&REPO, ADA).owned_by(&first).await?;
        let (ask, work) = work();
        let actor = {
            let _scope = first.enter();
            heirloom::owned(work).named("allow_spawned")
        };
        let spawned = Worker {
            ask,
            task: nobodys().spawn(actor),
        };
        let nobodys_own = Worker::named("allow_spawned");
        first.allow("allow_spawned")?;
        assert_eq!(spawned.count().await?, 1);
        assert_eq!(nobodys_own.count().await?, 1);
        second.reassign("allow_spawned")?;
        assert_eq!(spawned.count().await?, 1, "it is the first's by birth");
        assert_eq!(nobodys_own.count().await?, 0, "it was only lent");
        first.stop().await?;
        second.stop().await?;
        Ok(())
    }));
}

#[test]
fn the_end_of_the_first_owner_does_not_revoke_what_was_reassigned() {
    drop(
        test("allow::reassigned").run(|sandbox: Sandbox| async move {
            insert(&REPO, ADA).await?;
            let (worker, actor) = (Worker::spawn(), Worker::named("allow_moved"));
            let first = Owner::start("allow::first_owner").repo(&REPO).await?;
            first.allow(&worker.task)?;
            first.allow("allow_moved")?;
            sandbox.owner().reassign(&worker.task)?;
            sandbox.owner().reassign("allow_moved")?;
            first.stop().await?;
            assert_eq!((worker.count().await?, actor.count().await?), (1, 1));
            Ok(())
        }),
    );
}

#[test]
fn oneself_a_finished_task_and_an_ended_owner_are_refused() {
    drop(test("allow::nonsense").run(|sandbox: Sandbox| async move {
        let owner = sandbox.owner().clone();
        let itself = owner.clone();
        let oneself = async move { itself.allow(tokio::task::id()) };
        let oneself = tokio::spawn(oneself.owned_by(&owner)).await?;
        let refusal = refused(
            oneself,
            &["that is the owner itself", "nothing needs to be done"],
        );
        assert_eq!(refusal, Refusal::Oneself);

        let finished = nobodys().spawn(async {});
        heirloom_tests::eventually(|| {
            finished
                .is_finished()
                .then_some(())
                .ok_or("it runs".to_owned())
        })
        .await;
        for result in [
            owner.allow(&finished),
            owner.reassign(&finished),
            owner.allow(&finished.abort_handle()),
        ] {
            assert_eq!(refused(result, &["it has finished"]), Refusal::Finished);
        }

        let ended = Owner::start("allow::ended").await?;
        let gone = Owner::clone(&ended);
        ended.stop().await?;
        let worker = Worker::spawn();
        for result in [
            gone.allow(&worker.task),
            gone.allow("allow_x"),
            gone.reassign("allow_x"),
        ] {
            let refusal = refused(result, &["`allow::ended` cannot", "the owner has ended"]);
            assert_eq!(refusal, Refusal::OwnerEnded);
        }
        Ok(())
    }));
}

#[test]
fn allowances_end_with_their_owner_and_the_error_says_whose_they_were() {
    drop(test("allow::survivor").run(|_: Sandbox| async move {
        // Who has been told often enough is told in short.
        let fresh = runtime("allow_orphaned");
        let (worker, actor) = (
            Worker::spawn_on(fresh),
            Worker::named_on(fresh, "allow_orphaned"),
        );
        let started = line!() + 1;
        let owner = Owner::start("allow::mortal").repo(&REPO).await?;
        owner.allow(&worker.task)?;
        owner.allow("allow_orphaned")?;
        assert_eq!((worker.count().await?, actor.count().await?), (0, 0));
        let stopped = line!() + 1;
        owner.stop().await?;
        for left in [&worker, &actor] {
            says(
                &left.is_nobodys().await,
                &[
                    "it had one from `allow::mortal`",
                    &format!("started at {}:{started}:", file!()),
                    "which ended",
                    &format!("ago at {}:{stopped}:", file!()),
                ],
            );
        }
        // The next owner adopts them.
        let next = Owner::start("allow::next").repo(&REPO).await?;
        next.allow(&worker.task)?;
        next.allow("allow_orphaned")?;
        assert_eq!((worker.count().await?, actor.count().await?), (0, 0));
        next.stop().await?;
        Ok(())
    }));
}

#[test]
fn what_one_test_allowed_is_not_the_next_ones() {
    let worker = Worker::spawn();
    for round in ["allow::round_one", "allow::round_two"] {
        let worker = &worker;
        drop(test(round).run(|sandbox: Sandbox| async move {
            worker.is_nobodys().await;
            insert(&REPO, ADA).await?;
            sandbox.owner().allow(&worker.task)?;
            assert_eq!(worker.count().await?, 1);
            Ok(())
        }));
    }
}
