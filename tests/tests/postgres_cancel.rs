//! Who gives up a statement, or has it stopped, stops nothing else: not what another connection does, nor what heirloom
//! sends in front of a statement, which holds together what the test has written.

use heirloom::sandboxed;
use heirloom_tests::Random;
use heirloom_tests::postgres::raw::{Raw, aside, cancel, extended, frame, query, texts};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgPool};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const OVER: &str = "57014";

/// A table of one test's own: tests that make one of the same name wait for each other.
#[derive(Clone, Copy)]
struct Table(&'static str);

impl Table {
    /// With one row.
    async fn create(self, pool: &PgPool) -> sqlx::Result<()> {
        let Self(name) = self;
        let statements = format!("CREATE TABLE {name} (id int); INSERT INTO {name} VALUES (1)");
        let created = sqlx::raw_sql(AssertSqlSafe(statements)).execute(pool);
        created.await.map(drop)
    }

    async fn rows(self, pool: &PgPool) -> sqlx::Result<usize> {
        let count = format!("SELECT count(*) FROM {}", self.0);
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(count))
            .fetch_one(pool)
            .await?;
        Ok(usize::try_from(count).expect("a count"))
    }
}

#[sandboxed]
async fn a_cancelled_statement_is_the_only_one_that_ends(pool: PgPool) -> sqlx::Result<()> {
    let table = Table("alone");
    table.create(&pool).await?;
    for _ in 0..30 {
        let (raw, key) = aside(&pool, Raw::enter).await;
        let mut raw = raw;
        // Its statement may be over, or not begun; another's goes on.
        let ends = aside(&pool, move |options| {
            raw.send(&query("SELECT pg_sleep(0.002)"));
            Raw::open(options).send(&cancel(&key));
            let ends = texts(&raw.until_ready());
            (ends.join("\n"), raw.query("SELECT 7"))
        });
        let other = async {
            for _ in 0..20 {
                assert_eq!(table.rows(&pool).await.expect("a count"), 1);
            }
        };
        let ((ends, after), ()) = tokio::join!(ends, other);
        assert!(ends.contains("SELECT 1") || ends.contains(OVER), "{ends}");
        // A request may be that late.
        assert!(
            after.contains("SELECT 1") || after.contains(OVER),
            "{after}"
        );
    }
    assert_eq!(table.rows(&pool).await?, 1);
    Ok(())
}

/// Whoever interrupts is told by this that it is over, in a panic as well.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks at random moments for the end of what a connection does, again and again, until that is done.
fn interrupt(options: &PgConnectOptions, key: &[u8], random: &mut Random, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let (started, pause) = (Instant::now(), random.below(1_500));
        while started.elapsed() < Duration::from_micros(pause) {
            std::hint::spin_loop();
        }
        Raw::open(options).send(&cancel(key));
    }
}

/// Writes, by both protocols; how often it worked. Every statement works or is stopped.
fn write(raw: &mut Raw, statement: &str, times: usize) -> usize {
    let synced = [extended(statement), frame(b'S', b"")].concat();
    let worked = (0..times).filter(|time| {
        let sent = if time % 2 == 0 {
            &query(statement)
        } else {
            &synced
        };
        raw.send(sent);
        let said = texts(&raw.until_ready()).join("\n");
        let worked = said.contains("INSERT 0 1");
        assert!(worked != said.contains(OVER), "{said}");
        worked
    });
    worked.count()
}

#[sandboxed]
async fn whenever_a_statement_is_stopped_all_others_are_kept(pool: PgPool) -> sqlx::Result<()> {
    const TIMES: usize = 400;
    let table = Table("kept");
    table.create(&pool).await?;
    let mut random = Random::seeded();
    let written = aside(&pool, move |options| {
        let ((mut stopped, key), (mut other, _)) = (Raw::enter(options), Raw::enter(options));
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _done = Done(&done);
            scope.spawn(|| interrupt(options, &key, &mut random, &done));
            let other =
                scope.spawn(move || write(&mut other, "INSERT INTO kept VALUES (2)", TIMES));
            let slow = "INSERT INTO kept SELECT 3 FROM pg_sleep(0.0003)";
            let stopped = write(&mut stopped, slow, TIMES);
            (stopped, other.join().expect("it does not panic"))
        })
    });
    let reads = async {
        for _ in 0..TIMES {
            // Another's settings: there is more in front of each statement.
            table.rows(&pool).await.expect("a count");
        }
    };
    let ((stopped, other), ()) = tokio::join!(written, reads);
    assert_eq!(other, TIMES, "nobody asked for their end");
    assert_eq!(table.rows(&pool).await?, 1 + stopped + other);
    Ok(())
}

#[sandboxed]
async fn a_statement_that_waits_for_its_turn_is_stopped_as_well(pool: PgPool) -> sqlx::Result<()> {
    let table = Table("waiting");
    table.create(&pool).await?;
    let endless = "SELECT pg_sleep(3600)";
    let synced = [extended(endless), frame(b'S', b"")].concat();
    for endless in [query(endless), synced] {
        let ((mut first, _), (mut second, key)) =
            aside(&pool, |options| (Raw::enter(options), Raw::enter(options))).await;
        // This thread's runtime serves them, so all of it is there at once. One of them has to wait for the other.
        first.send(&query("SELECT pg_sleep(0.2)"));
        second.send(&endless);
        Raw::open(&pool.connect_options()).send(&cancel(&key));
        let (first, second) = aside(&pool, move |_| {
            let second = texts(&second.until_ready()).join("\n");
            (texts(&first.until_ready()).join("\n"), second)
        })
        .await;
        assert!(first.contains("SELECT 1"), "{first}");
        assert!(second.contains(OVER), "{second}");
    }
    assert_eq!(table.rows(&pool).await?, 1);
    Ok(())
}

#[sandboxed]
async fn a_request_that_comes_when_nothing_runs_stops_nothing(pool: PgPool) -> sqlx::Result<()> {
    let table = Table("idle");
    table.create(&pool).await?;
    let (within, after) = aside(&pool, |options| {
        let (mut raw, key) = Raw::enter(options);
        let ask = || {
            let mut asks = Raw::open(options);
            asks.send(&cancel(&key));
            assert!(asks.hear().is_none(), "nothing is answered");
        };
        // It has seen all that it asked for, and goes on with the same batch.
        raw.send(&[extended("SELECT 1"), frame(b'H', b"")].concat());
        raw.until(b'C');
        ask();
        raw.send(&[extended("SELECT pg_sleep(0.3)"), frame(b'S', b"")].concat());
        let within = texts(&raw.until_ready()).join("\n");
        ask();
        (within, raw.query("SELECT pg_sleep(0.3)"))
    })
    .await;
    assert!(within.contains("SELECT 1"), "{within}");
    assert!(after.contains("SELECT 1"), "{after}");
    assert_eq!(table.rows(&pool).await?, 1);
    Ok(())
}

#[sandboxed]
async fn queries_that_are_given_up_harm_no_others(pool: PgPool) -> sqlx::Result<()> {
    let table = Table("given_up");
    table.create(&pool).await?;
    for round in 0..60_u64 {
        let (pool, patience) = (pool.clone(), Duration::from_micros(round * 100));
        let slow = sqlx::query("SELECT pg_sleep(0.003)").execute(&pool);
        drop(tokio::time::timeout(patience, slow).await);
        assert_eq!(table.rows(&pool).await?, 1, "round {round}");
    }
    Ok(())
}
