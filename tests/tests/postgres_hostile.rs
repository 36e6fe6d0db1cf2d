//! What clients must not be able to do: each of these is wrong, or leaves in the middle, and the test that it happens in
//! goes on as if nothing had been.

use heirloom::{Drain, Sandbox, sandboxed};
use heirloom_tests::postgres::administrate;
use heirloom_tests::postgres::raw::{Raw, aside, cancel, extended, frame, query, startup};
use heirloom_tests::{failure_of, test};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, PgPool};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;
use std::time::{Duration, Instant};

async fn pool_of(sandbox: &Sandbox) -> PgPool {
    sandbox.get().await.expect("a pool")
}

async fn url_of(sandbox: &Sandbox) -> String {
    sandbox.database_url().await.expect("a URL")
}

/// Where the keys of the running test begin: no two tests write the same ones, as they would wait for each other.
fn base() -> i32 {
    static BASES: Mutex<Vec<(String, i32)>> = Mutex::new(Vec::new());
    let thread = std::thread::current();
    let name = thread.name().expect("a test").to_owned();
    let mut bases = BASES.lock().expect("no panic");
    if let Some((_, base)) = bases.iter().find(|(known, _)| *known == name) {
        return *base;
    }
    let random = RandomState::new().hash_one(&name) % 1_000_000;
    let base = i32::try_from(random).expect("small") * 1_000;
    bases.push((name, base));
    base
}

async fn add(pool: &PgPool, id: i32) -> sqlx::Result<()> {
    let insert = sqlx::query("INSERT INTO guests (id, email) VALUES ($1, $1 || '@h.org')");
    insert.bind(base() + id).execute(pool).await.map(drop)
}

async fn ids(pool: &PgPool) -> sqlx::Result<Vec<i32>> {
    let ids = sqlx::query_scalar("SELECT id - $1 FROM guests ORDER BY 1");
    ids.bind(base()).fetch_all(pool).await
}

/// The pool works, and what was written before is there.
async fn all_is_well(pool: &PgPool) -> sqlx::Result<()> {
    add(pool, 99).await?;
    assert_eq!(ids(pool).await?, [1, 99]);
    Ok(())
}

#[sandboxed]
async fn first_packets_of_every_sort(pool: PgPool) -> sqlx::Result<()> {
    add(&pool, 1).await?;
    aside(&pool, |options| {
        let token = options.get_username();
        // Nothing at all, and the beginning of something.
        drop(Raw::open(options));
        Raw::open(options).send(&[0, 0]);
        // Lengths that no packet has.
        for length in [0_u32, 3, 4, 7, 10_005, 0x7fff_ffff, u32::MAX] {
            let mut raw = Raw::open(options);
            raw.try_send(&[&length.to_be_bytes()[..], &[0, 3, 0, 0], &[b'x'; 64]].concat());
            let words = raw.last_words();
            assert!(
                words.contains("FATAL") && words.contains("08P01"),
                "{length}: {words}"
            );
        }
        // Another protocol, and another language.
        for bytes in [&[0, 0, 0, 9, 0, 2, 0, 0, 0][..], b"GET / HTTP/1.1\r\n\r\n"] {
            let mut raw = Raw::open(options);
            raw.try_send(bytes);
            let words = raw.last_words();
            assert!(words.contains("FATAL"), "{words}");
        }
        // Whether it may encrypt, twice; then it is let in all the same.
        let mut raw = Raw::open(options);
        for code in [80_877_103_u32, 80_877_104] {
            raw.send(&[&8_u32.to_be_bytes()[..], &code.to_be_bytes()].concat());
            assert_eq!(raw.byte(), b'N');
        }
        raw.send(&startup(&[("user", token), ("application_name", "\u{1}")]));
        raw.until_ready();
        // A cancel of nobody's.
        let mut raw = Raw::open(options);
        raw.send(&cancel(&[7; 8]));
        assert_eq!(raw.last_words(), "");
        // Everything at once.
        let mut raw = Raw::open(options);
        let start = startup(&[("user", token)]);
        raw.send(&[start, query("SELECT 1"), frame(b'X', b"")].concat());
        assert!(raw.last_words().contains("SELECT 1"));
    })
    .await;
    all_is_well(&pool).await
}

#[sandboxed]
async fn startups_that_are_refused_say_why(pool: PgPool) -> sqlx::Result<()> {
    add(&pool, 1).await?;
    aside(&pool, |options| {
        let token = options.get_username();
        let refused: [(&[(&str, &str)], &str); 6] = [
            (&[], "28000"),
            (&[("user", "")], "28000"),
            (&[("user", &token[1..])], "28000"),
            (&[("user", token), ("database", "other")], "3D000"),
            (&[("user", token), ("replication", "true")], "0A000"),
            (
                &[("user", token), ("DateStyle", "';DROP TABLE guests")],
                "22023",
            ),
        ];
        for (parameters, code) in refused {
            let mut raw = Raw::open(options);
            raw.send(&startup(parameters));
            let words = raw.last_words();
            assert!(
                words.contains("FATAL") && words.contains(code),
                "{code}: {words}"
            );
        }
    })
    .await;
    all_is_well(&pool).await
}

#[sandboxed]
async fn frames_that_no_client_sends(pool: PgPool) -> sqlx::Result<()> {
    add(&pool, 1).await?;
    aside(&pool, |options| {
        let broken: [&[u8]; 10] = [
            b"\0\0\0\0\0\0\0\0",
            b"GET / HTTP/1.1\r\n\r\n",
            b"Q\0\0\0\x03",
            b"Q\xff\xff\xff\xff",
            b"Q\x7f\xff\xff\xff",
            b"Z\0\0\0\x05I",
            b"p\0\0\0\x08abc\0",
            &frame(b'F', b"\0"),
            &frame(b'Q', b"SELECT 1"),
            &frame(b'Q', b"SELECT 1\0\0"),
        ];
        for bytes in broken {
            let (mut raw, _) = Raw::enter(options);
            raw.try_send(bytes);
            let words = raw.last_words();
            assert!(
                words.contains("FATAL") && words.contains("08P01"),
                "{bytes:?}: {words}"
            );
        }
        // These are wrong within, so that the connection goes on.
        for tag in *b"PBDECH" {
            for body in [
                &b""[..],
                b"\0",
                b"S",
                b"x\0",
                b"\xff\xff\xff\xff\xff",
                &[0; 64],
            ] {
                let (mut raw, _) = Raw::enter(options);
                raw.try_send(&[frame(tag, body), frame(b'S', b"")].concat());
                raw.until_ready();
            }
        }
        for tag in *b"dcf" {
            let (mut raw, _) = Raw::enter(options);
            raw.send(&frame(tag, b"nothing\0"));
            assert!(raw.query("SELECT 7").contains("SELECT 1"));
        }
    })
    .await;
    all_is_well(&pool).await
}

#[sandboxed]
async fn a_client_that_hangs_up_in_the_middle(pool: PgPool) -> sqlx::Result<()> {
    add(&pool, 1).await?;
    let insert = "INSERT INTO guests (id, email) VALUES (5, 'five')";
    let copy = "COPY guests (id, email) FROM STDIN";
    let middles: Vec<Vec<u8>> = vec![
        // Half a frame, and frames without an end.
        query(insert)[..9].to_vec(),
        extended(insert),
        [extended(insert), frame(b'H', b"")].concat(),
        [extended(insert), extended("SELECT pg_sleep(600)")].concat(),
        // Within a transaction, and within a failed one.
        query(&format!("BEGIN; {insert}")),
        [query("BEGIN"), query(insert), query("SELECT 1/0")].concat(),
        query(&format!("BEGIN; {insert}; SAVEPOINT a; SELECT 1/0")),
        // Within COPY, by either protocol.
        [query(copy), frame(b'd', b"5\tfive\n")].concat(),
        [extended(copy), frame(b'S', b""), frame(b'd', b"5\tfi")].concat(),
        [query("BEGIN"), query(copy), frame(b'd', b"5\t")].concat(),
        query(&format!(
            "{insert}; COPY (SELECT repeat('x', 1000) FROM generate_series(1, 50000)) TO STDOUT; SELECT 1/0"
        )),
        // While a statement runs.
        query(&format!("{insert}; SELECT pg_sleep(600)")),
        [
            extended(insert),
            extended("SELECT pg_sleep(600)"),
            frame(b'S', b""),
        ]
        .concat(),
    ];
    for (number, middle) in middles.into_iter().enumerate() {
        aside(&pool, move |options| {
            let (mut raw, _) = Raw::enter(options);
            raw.send(&middle);
        })
        .await;
        assert_eq!(ids(&pool).await?, [1], "after {number}");
        // Whoever was in the middle holds nothing any more.
        let mut transaction = pool.begin().await?;
        sqlx::query("LOCK visits")
            .execute(&mut *transaction)
            .await?;
        transaction.rollback().await?;
    }
    all_is_well(&pool).await
}

#[sandboxed]
async fn a_client_that_does_not_read(pool: PgPool) -> sqlx::Result<()> {
    add(&pool, 1).await?;
    let greedy = aside(&pool, |options| {
        let (mut raw, _) = Raw::enter(options);
        // 600 MB, if somebody kept it.
        let sql = "SELECT repeat('x', 100000) FROM generate_series(1, 6000)";
        raw.send(&query(sql));
        raw
    })
    .await;
    // The others need not wait until it has read that.
    all_is_well(&pool).await?;
    let mut greedy = greedy;
    let (words, after) = aside(&pool, move |_| {
        let mut error = String::new();
        for (tag, body) in greedy.until_ready() {
            if tag == b'E' {
                error = String::from_utf8_lossy(&body).into_owned();
            }
        }
        (error, greedy.query("SELECT 1"))
    })
    .await;
    assert!(
        words.contains("54000") && words.contains("has not read"),
        "{words}"
    );
    assert!(after.contains("SELECT 1"), "{after}");
    Ok(())
}

#[sandboxed]
async fn a_hundred_thousand_statements_in_one_string(pool: PgPool) -> sqlx::Result<()> {
    add(&pool, 1).await?;
    let said = aside(&pool, |options| {
        let (mut raw, _) = Raw::enter(options);
        raw.send(&query(&"SELECT 1;".repeat(100_000)));
        raw.until_ready().len()
    })
    .await;
    // A row's description, a row and a tag each.
    assert_eq!(said, 300_001);
    all_is_well(&pool).await
}

#[sandboxed]
async fn a_pipeline_that_is_never_read_until_all_of_it_is_sent(pool: PgPool) -> sqlx::Result<()> {
    add(&pool, 1).await?;
    let tags = aside(&pool, |options| {
        let (mut raw, _) = Raw::enter(options);
        for _ in 0..100 {
            raw.send(&extended("SELECT 1").repeat(200));
        }
        raw.send(&frame(b'S', b""));
        let said = raw.until_ready();
        said.iter().filter(|(tag, _)| *tag == b'C').count()
    })
    .await;
    assert_eq!(tags, 20_000);
    all_is_well(&pool).await
}

#[test]
fn a_session_that_the_server_ends_is_named_for_the_rest_of_the_test() {
    let text = failure_of(|| {
        test("hostile::killed").run(|sandbox: Sandbox| async move {
            let pool = pool_of(&sandbox).await;
            add(&pool, 1).await?;
            let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                .fetch_one(&pool)
                .await?;
            administrate(&format!("SELECT pg_terminate_backend({process}, 10000)")).await;
            for _ in 0..5 {
                let error = add(&pool, 2).await.expect_err("there is no session");
                let text = error.to_string();
                assert!(
                    text.contains("`hostile::killed`") && text.contains("lost"),
                    "{text}"
                );
            }
            ids(&pool).await?;
            sqlx::Result::Ok(())
        })
    });
    assert!(text.contains("everything the test wrote"), "{text}");
    // The next test has another one.
    drop(test("hostile::next").run(|sandbox: Sandbox| async move {
        let pool = pool_of(&sandbox).await;
        assert_eq!(ids(&pool).await?, [] as [i32; 0]);
        sqlx::Result::Ok(())
    }));
}

#[test]
fn a_session_that_is_ended_within_a_statement_is_named() {
    let text = failure_of(|| {
        test("hostile::suicide").run(|sandbox: Sandbox| async move {
            let pool = pool_of(&sandbox).await;
            sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())")
                .execute(&pool)
                .await?;
            sqlx::Result::Ok(())
        })
    });
    assert!(text.contains("`hostile::suicide`"), "{text}");
}

#[test]
fn the_token_of_an_ended_test_opens_nothing() {
    let mut old = None;
    drop(test("hostile::first").run(|sandbox: Sandbox| {
        let old = &mut old;
        async move {
            let pool = pool_of(&sandbox).await;
            add(&pool, 1).await?;
            let url = url_of(&sandbox).await;
            *old = Some((pool.connect_options(), url));
            sqlx::Result::Ok(())
        }
    }));
    let (options, url) = old.expect("it ran");
    drop(test("hostile::second").run(|sandbox: Sandbox| async move {
        let pool = pool_of(&sandbox).await;
        PgConnection::connect_with(&options)
            .await
            .expect_err("nobody listens");
        PgConnection::connect(&url)
            .await
            .expect_err("nobody listens");
        let here = (*pool.connect_options())
            .clone()
            .username(options.get_username());
        let error = PgConnection::connect_with(&here)
            .await
            .expect_err("refused");
        assert!(error.to_string().contains("not the token"), "{error}");
        sqlx::Result::Ok(())
    }));
}

#[sandboxed]
async fn other_processes_are_served_while_the_thread_is_blocked(
    sandbox: Sandbox,
    pool: PgPool,
) -> sqlx::Result<()> {
    add(&pool, 1).await?;
    let url = sandbox.database_url().await.expect("a URL");
    let options: PgConnectOptions = url.parse()?;
    // On this very thread, on which the session has been until now.
    let (mut raw, _) = Raw::enter(&options);
    let two = base() + 2;
    let said = raw.query(&format!(
        "INSERT INTO guests (id, email) VALUES ({two}, '{two}'); SELECT count(*) FROM guests"
    ));
    assert!(said.contains("SELECT 1"), "{said}");
    assert_eq!(ids(&pool).await?, [1, 2]);
    let said = raw.query(&format!("DELETE FROM guests WHERE id = {two}"));
    assert!(said.contains("DELETE 1"), "{said}");
    all_is_well(&pool).await
}

#[test]
fn whoever_is_stuck_when_the_test_ends_is_left_behind() {
    let (mut left, mut process) = (Vec::new(), 0);
    // It would wait for them.
    let test = test("hostile::stuck").drain(Drain::Abort);
    drop(test.run(|sandbox: Sandbox| {
        let (left, process) = (&mut left, &mut process);
        async move {
            let pool = pool_of(&sandbox).await;
            *process = sqlx::query_scalar("SELECT pg_backend_pid()")
                .fetch_one(&pool)
                .await?;
            let options: PgConnectOptions = url_of(&sandbox).await.parse()?;
            // In COPY, in half a frame, in half a pipeline, in nothing, and not reading.
            let copy = query("COPY guests (id, email) FROM STDIN");
            let half = [extended("SELECT 1"), extended("SELECT 2")].concat();
            let large = query("SELECT repeat('x', 100000) FROM generate_series(1, 600)");
            *left = aside(&pool, move |_| {
                let mut left = vec![Raw::open(&options)];
                for said in [large, half, query("SELECT 1")[..8].to_vec()] {
                    let (mut raw, _) = Raw::enter(&options);
                    raw.send(&said);
                    left.push(raw);
                }
                let (mut raw, _) = Raw::enter(&options);
                raw.send(&copy);
                raw.until(b'G');
                left.push(raw);
                left
            })
            .await;
            sqlx::Result::Ok(())
        }
    }));
    // All of them are told, or hung up on.
    for (number, mut raw) in left.into_iter().enumerate() {
        println!("{number}: ends");
        raw.last_words();
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(no_transaction_of(process));
}

/// Waits until a session has nothing open that it wrote in, or is gone.
async fn no_transaction_of(process: i32) {
    let url = heirloom_tests::postgres::superuser_url();
    let mut server = PgConnection::connect(&url).await.expect("the server");
    let patience = Instant::now() + Duration::from_secs(30);
    while Instant::now() < patience {
        let held: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype = 'relation'",
        )
        .bind(process)
        .fetch_one(&mut server)
        .await
        .expect("an answer");
        if held == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("session {process} holds locks of a test that has ended");
}
