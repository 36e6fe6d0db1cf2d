//! Code that nobody owns: what it is told, how often, what is logged, and the policy that lets it wait instead. A binary
//! of its own: it sets the process's subscriber, to count what is logged.

use heirloom::{Error, Mode, ModeChange, OrphanPolicy, Owner, Repo, Sandbox};
use heirloom_tests::{
    MIGRATOR, child, count, empty_dir, eventually, insert, nobodys, ours, runtime, says, test,
    wait_until,
};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Sqlite, SqlitePool};
use std::sync::{LazyLock, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

const CHILD: &str = env!("CARGO_BIN_EXE_heirloom-child");
const TMP: &str = env!("CARGO_TARGET_TMPDIR");
const ADA: &str = "ada@example.org";

/// What heirloom said.
static SAID: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

struct Listens;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Listens {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().starts_with("heirloom") {
            let mut text = Text(String::new());
            event.record(&mut text);
            let mut said = SAID.lock().expect("said");
            said.push((*metadata.level(), text.0));
        }
    }
}

/// Installed before the first test would install its own.
static LISTENING: LazyLock<()> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::registry().with(heirloom::layer());
    let set = tracing::subscriber::set_global_default(subscriber.with(Listens));
    set.expect("the first of this process");
});

fn said_of(repo: &str) -> Vec<(Level, String)> {
    let said = SAID.lock().expect("said");
    let of_it = said.iter().filter(|(_, text)| text.contains(repo));
    of_it.cloned().collect()
}

/// Waits until something that nobody owns waits for an owner on this repo.
async fn paused(repo: &'static str) {
    eventually(|| {
        let seen = heirloom::inspect();
        (seen.paused.iter().any(|one| one.repo == repo))
            .then_some(())
            .ok_or_else(|| seen.to_string())
    })
    .await;
}

#[test]
fn errors_that_repeat_keep_trail_and_help_leave_out_the_tree_and_are_logged_less_and_less() {
    static REPO: Repo<Sqlite> = Repo::named("orphans_repeat").migrator(&MIGRATOR);
    LazyLock::force(&LISTENING);
    let fresh = runtime("orphans_repeat");
    drop(test("orphans::repeat").run(|_: Sandbox| async move {
        let service = fresh.spawn(async {
            let mut errors = Vec::new();
            for _ in 0..1_000 {
                errors.push(count(&REPO).await.expect_err("nobody's"));
            }
            errors
        });
        let errors = service.await?;
        let tree = |error: &sqlx::Error| match ours(error) {
            Error::Ownership { trail, .. } => trail.inspection.is_some(),
            error => panic!("another error: {error:?}"),
        };
        let with_tree = errors.iter().take_while(|error| tree(error)).count();
        assert_eq!(with_tree, 3, "shown often enough");
        assert!(!errors[with_tree..].iter().any(tree), "and no more");
        let last = errors.last().expect("a thousand");
        says(
            ours(last),
            &[
                "nobody owns this use of repo `orphans_repeat`",
                "asked by thread `orphans_repeat`",
                "looked for an owner in",
                "help: ",
                "time 1000 for this thread; `heirloom::inspect()` shows who owns what",
            ],
        );
        assert!(!ours(last).to_string().contains("orphans::repeat"));
        let said = said_of("orphans_repeat");
        println!("{}", said[0].1);
        assert!((1..=16).contains(&said.len()), "{} of 1000", said.len());
        assert!(said.iter().all(|(level, _)| *level == Level::WARN));
        Ok(())
    }));
}

#[test]
fn nothing_is_written_by_a_suite_that_passes_with_an_orphan_in_it() {
    let dir = empty_dir(TMP, "orphans_silent");
    let output = child(CHILD, &["orphans"], &dir).output().expect("it runs");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_process_ends_while_an_orphan_waits() {
    let dir = empty_dir(TMP, "orphans_paused");
    let output = child(CHILD, &["paused"], &dir).output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1 paused\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn an_orphan_that_waits_goes_on_when_it_is_allowed_by_its_handle() {
    static REPO: Repo<Sqlite> = Repo::named("orphans_handle")
        .migrator(&MIGRATOR)
        .orphans(OrphanPolicy::Pause);
    LazyLock::force(&LISTENING);
    drop(test("orphans::handle").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let poller = nobodys().spawn(count(&REPO));
        paused("orphans_handle").await;
        // Somebody else's allowance wakes it, but not for good.
        let other = nobodys().spawn(std::future::pending::<()>());
        sandbox.owner().allow(&other)?;
        paused("orphans_handle").await;
        assert!(!poller.is_finished());
        sandbox.owner().allow(&poller)?;
        assert_eq!(poller.await??, 1);
        let still = sandbox.inspect().paused;
        assert!(still.iter().all(|one| one.repo != "orphans_handle"));
        Ok(())
    }));
    assert_eq!(said_of("orphans_handle"), [], "it was told nothing");
}

#[test]
fn an_actor_that_waits_goes_on_when_its_name_is_allowed() {
    static REPO: Repo<Sqlite> = Repo::named("orphans_actor")
        .migrator(&MIGRATOR)
        .orphans(OrphanPolicy::Pause);
    LazyLock::force(&LISTENING);
    drop(test("orphans::actor").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let start = || nobodys().spawn(heirloom::owned(count(&REPO)).named("orphans_poller"));
        let poller = std::thread::spawn(start).join().expect("it starts");
        paused("orphans_actor").await;
        sandbox.owner().allow("orphans_poller")?;
        assert_eq!(poller.await??, 1);
        Ok(())
    }));
}

#[test]
fn an_orphan_that_waits_goes_on_when_the_repo_is_shared() {
    static REPO: Repo<Sqlite> = Repo::named("orphans_shared")
        .migrator(&MIGRATOR)
        .orphans(OrphanPolicy::Pause);
    LazyLock::force(&LISTENING);
    drop(test("orphans::shared").run(|sandbox: Sandbox| async move {
        insert(&REPO, ADA).await?;
        let poller = nobodys().spawn(count(&REPO));
        paused("orphans_shared").await;
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(REPO.set_mode(mode).await?, ModeChange::Ok);
        assert_eq!(poller.await??, 1);
        Ok(())
    }));
}

#[test]
fn an_orphan_that_waits_goes_on_with_the_plain_pool_in_auto_mode() {
    static REPO: Repo<Sqlite> = Repo::named("orphans_auto").orphans(OrphanPolicy::Pause);
    LazyLock::force(&LISTENING);
    let plain = nobodys().block_on(async {
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool: SqlitePool = pool.connect("sqlite::memory:").await?;
        MIGRATOR.run(&pool).await?;
        Ok::<_, sqlx::Error>(pool)
    });
    REPO.init(plain.expect("a pool")).expect("once");
    drop(test("orphans::auto").run(|_: Sandbox| async move {
        assert_eq!(REPO.set_mode(Mode::Manual).await?, ModeChange::Ok);
        let poller = nobodys().spawn(count(&REPO));
        paused("orphans_auto").await;
        assert_eq!(REPO.set_mode(Mode::Auto).await?, ModeChange::Ok);
        assert_eq!(poller.await??, 0);
        Ok(())
    }));
}

#[test]
fn an_orphan_that_waits_is_listed_and_keeps_no_test_from_ending_and_waits_again() {
    static REPO: Repo<Sqlite> = Repo::named("orphans_listed")
        .migrator(&MIGRATOR)
        .orphans(OrphanPolicy::Pause);
    LazyLock::force(&LISTENING);
    let asked_at = line!() + 1;
    let polls = || async { REPO.acquire().await.map(drop) };
    let poller = nobodys().spawn(async move {
        let mut adopted = 0;
        // Each test lets it have one turn.
        while adopted < 2 {
            if polls().await.is_ok() {
                adopted += 1;
            }
        }
    });
    for name in ["orphans::first", "orphans::second"] {
        let poller = &poller;
        drop(test(name).run(|sandbox: Sandbox| async move {
            paused("orphans_listed").await;
            let text = sandbox.inspect().to_string();
            let line = text
                .lines()
                .find(|line| line.contains("orphans_listed` since"));
            let line = line.unwrap_or_else(|| panic!("not listed: {text}"));
            println!("{line}");
            assert!(line.contains("waits for an owner on repo `orphans_listed`"));
            assert!(line.contains("thread `nobodys`, tokio task"), "{line}");
            assert!(line.contains(&format!("{}:{asked_at}:", file!())), "{line}");
            Ok(())
        }));
        // The test has ended with the poller still waiting; another owner adopts it.
        assert!(!poller.is_finished());
    }
    let owner = nobodys().block_on(Owner::start("orphans::adopts").into_future());
    let owner = owner.expect("an owner");
    owner.allow(&poller).expect("it runs");
    nobodys()
        .block_on(poller)
        .expect("adopted until it is done");
    nobodys().block_on(owner.stop()).expect("it ends");
}

#[test]
fn an_orphan_whose_future_is_dropped_waits_no_more() {
    static REPO: Repo<Sqlite> = Repo::named("orphans_dropped")
        .migrator(&MIGRATOR)
        .orphans(OrphanPolicy::Pause);
    LazyLock::force(&LISTENING);
    drop(test("orphans::dropped").run(|_: Sandbox| async move {
        let poller = nobodys().spawn(count(&REPO));
        paused("orphans_dropped").await;
        poller.abort();
        assert!(poller.await.is_err_and(|error| error.is_cancelled()));
        wait_until(|| {
            let paused = heirloom::inspect().paused;
            (paused.iter().all(|one| one.repo != "orphans_dropped"))
                .then_some(())
                .ok_or_else(|| "it is still listed".to_owned())
        });
        Ok(())
    }));
}

#[test]
fn an_unowned_mark_does_not_wait_where_errors_are_the_policy() {
    static REPO: Repo<Sqlite> = Repo::named("orphans_error").migrator(&MIGRATOR);
    LazyLock::force(&LISTENING);
    drop(test("orphans::error").run(|_: Sandbox| async move {
        let error = nobodys().spawn(count(&REPO)).await?.expect_err("nobody's");
        assert!(matches!(ours(&error), Error::Ownership { .. }));
        Ok(())
    }));
}
