//! Other processes as a test's own: a worker that the test starts is on the test's session, whatever it is written in.

use heirloom::{Sandbox, Test, eventually_within, sandboxed};
use heirloom_clients::MIGRATIONS;
use heirloom_clients::worker::{Language, Worker};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::time::timeout;

const COUNT: &str = "SELECT count(*)::text FROM guests";

async fn worker(language: Language, sandbox: &Sandbox) -> Worker {
    Worker::start(language, sandbox.env().await.expect("a session")).await
}

/// No other test's: who inserts the same one waits for the end of this test, and a worker takes its time to start.
fn address(name: &str) -> String {
    format!("{}@example.org", heirloom::unique(name))
}

fn insert(email: &str) -> String {
    format!("INSERT INTO guests (email) VALUES ('{email}')")
}

async fn sign_up(pool: &PgPool, email: &str) {
    let insert = sqlx::query("INSERT INTO guests (email) VALUES ($1)").bind(email);
    insert.execute(pool).await.expect("a guest");
}

async fn guests(pool: &PgPool) -> Vec<String> {
    let emails = sqlx::query_scalar("SELECT email FROM guests ORDER BY email");
    emails.fetch_all(pool).await.expect("guests")
}

async fn it_is_on_the_tests_own_session(language: Language, pool: PgPool, sandbox: Sandbox) {
    let (ada, grace) = (address("ada"), address("grace"));
    sign_up(&pool, &ada).await;
    let mut worker = worker(language, &sandbox).await;
    let seen = worker.ask("SELECT email FROM guests").await;
    assert_eq!(seen, format!(r#"[["{ada}"]]"#));
    assert_eq!(worker.ask(&insert(&grace)).await, "null");
    assert_eq!(guests(&pool).await, [ada, grace]);
}

/// What it does wrong is its own error, and the test goes on.
async fn its_errors_are_its_own(language: Language, pool: PgPool, sandbox: Sandbox) {
    let ada = address("ada");
    sign_up(&pool, &ada).await;
    let mut worker = worker(language, &sandbox).await;
    let refused = worker.ask(&insert(&ada)).await;
    assert!(refused.contains(r#""sqlstate":"23505""#), "{refused}");
    assert_eq!(worker.ask(COUNT).await, r#"[["1"]]"#);
    assert_eq!(guests(&pool).await, [ada]);
}

/// Each with a worker, at the same moment, on the same row of the same schema.
fn tests_at_once_see_nothing_of_each_other(language: Language) {
    const TESTS: usize = 4;
    let written = &Barrier::new(TESTS);
    let run = move || {
        let test = Test::here("at_once").migrator(&MIGRATIONS);
        test.run(move |sandbox: Sandbox| async move {
            let pool: PgPool = sandbox.get().await.expect("a pool");
            let mut worker = worker(language, &sandbox).await;
            assert_eq!(worker.ask(&insert(&address("a"))).await, "null");
            // One that fails before is not waited for.
            let all = timeout(Duration::from_mins(1), written.wait()).await;
            all.expect("all have written");
            assert_eq!(worker.ask(COUNT).await, r#"[["1"]]"#);
            assert_eq!(guests(&pool).await.len(), 1);
            Ok(())
        })
    };
    std::thread::scope(|scope| {
        for test in [(); TESTS].map(|()| scope.spawn(run)) {
            drop(test.join().expect("it passes"));
        }
    });
}

async fn notifications_go_both_ways(language: Language, pool: PgPool, sandbox: Sandbox) {
    let mut worker = worker(language, &sandbox).await;
    assert_eq!(worker.ask("LISTEN orders").await, "null");
    let notify = sqlx::query("NOTIFY orders, 'tea'");
    notify.execute(&pool).await.expect("it is told");
    assert_eq!(worker.ask("wait orders").await, r#""tea""#);

    let mut listener: PgListener = sandbox.get().await.expect("a listener");
    listener.listen("served").await.expect("it listens");
    assert_eq!(worker.ask("NOTIFY served, 'tea'").await, "null");
    let served = listener.recv().await.expect("it is told");
    assert_eq!(served.payload(), "tea");
}

/// Killed in the middle of a transaction and of a statement; the rest of the test does not notice.
async fn one_that_is_killed_hurts_nobody(language: Language, pool: PgPool, sandbox: Sandbox) {
    let ada = address("ada");
    sign_up(&pool, &ada).await;
    let mut worker = worker(language, &sandbox).await;
    for line in ["BEGIN", &insert(&address("grace"))] {
        assert_eq!(worker.ask(line).await, "null");
    }
    let asleep = format!("SELECT pg_sleep(600) AS {}", heirloom::unique("asleep"));
    worker.tell(&asleep).await;
    is_running(&asleep).await;
    worker.kill().await;
    assert_eq!(guests(&pool).await, [ada]);
}

/// Waits until the server runs this. Asked beside the test: its own session is busy.
async fn is_running(sql: &str) {
    let server = std::env::var("DATABASE_URL").expect("a server");
    let server = PgPool::connect(&server).await.expect("it connects");
    let running =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = $1 AND state = 'active')";
    let running = eventually_within(Duration::from_mins(1), async || {
        let asked = sqlx::query_scalar(running).bind(sql);
        asked
            .fetch_one(&server)
            .await
            .is_ok_and(|running: bool| running)
    });
    running.await.expect("it runs");
}

fn one_that_outlives_its_test_is_told_which_that_was(language: Language) {
    // Not the test's: what speaks to the process is to live as long as that.
    let outside = tokio::runtime::Runtime::new().expect("a runtime");
    let mut survivor = None;
    let outcome = Test::here("forgets_its_worker")
        .migrator(&MIGRATIONS)
        .run(|sandbox: Sandbox| {
            let (outside, survivor) = (&outside, &mut survivor);
            async move {
                let env: Vec<_> = sandbox
                    .env()
                    .await
                    .expect("a session")
                    .into_iter()
                    .collect();
                let worker = outside.spawn(Worker::start(language, env.clone())).await;
                *survivor = Some((worker.expect("it starts"), env));
                Ok(())
            }
        });
    drop(outcome);
    let (mut survivor, env) = survivor.expect("it has been started");
    let told = outside.block_on(survivor.ask("SELECT 1"));
    // One that connects again, as a pool does by itself, or that comes too late.
    let refused = outside.block_on(Worker::refused(language, env));
    for text in [told, refused] {
        assert!(text.contains("forgets_its_worker"), "{text}");
        assert!(text.contains("has ended"), "{text}");
    }
}

macro_rules! stories {
    ($($module:ident: $language:ident,)*) => {$(
        mod $module {
            use super::{Language, MIGRATIONS, PgPool, Sandbox, sandboxed};

            #[sandboxed(migrator = MIGRATIONS)]
            async fn it_is_on_the_tests_own_session(pool: PgPool, sandbox: Sandbox) {
                super::it_is_on_the_tests_own_session(Language::$language, pool, sandbox).await;
            }

            #[sandboxed(migrator = MIGRATIONS)]
            async fn its_errors_are_its_own(pool: PgPool, sandbox: Sandbox) {
                super::its_errors_are_its_own(Language::$language, pool, sandbox).await;
            }

            #[test]
            fn tests_at_once_see_nothing_of_each_other() {
                super::tests_at_once_see_nothing_of_each_other(Language::$language);
            }

            #[sandboxed(migrator = MIGRATIONS)]
            async fn notifications_go_both_ways(pool: PgPool, sandbox: Sandbox) {
                super::notifications_go_both_ways(Language::$language, pool, sandbox).await;
            }

            #[sandboxed(migrator = MIGRATIONS)]
            async fn one_that_is_killed_hurts_nobody(pool: PgPool, sandbox: Sandbox) {
                super::one_that_is_killed_hurts_nobody(Language::$language, pool, sandbox).await;
            }

            #[test]
            fn one_that_outlives_its_test_is_told_which_that_was() {
                super::one_that_outlives_its_test_is_told_which_that_was(Language::$language);
            }
        }
    )*};
}

stories! {
    a_python_process: Python,
    a_node_process: Node,
}
