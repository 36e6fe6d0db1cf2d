use super::*;
use crate::isolation::Schema;
use crate::isolation::postgres::config::Config;
use crate::isolation::postgres::template::Purpose;
use crate::isolation::postgres::templates::{self, Ask};
use crate::isolation::postgres::upstream::tests::Throwaway;
use std::path::Path;
use tokio::net::{UnixListener, UnixStream};

/// A database of the server as it is.
async fn database(role: &str, name: &str) -> Arc<Ready> {
    of(Throwaway::get().unix(role, name)).await
}

async fn of(config: Config) -> Arc<Ready> {
    let ask = Ask {
        config,
        schema: Schema::Empty,
        extensions: Vec::new(),
        purpose: Purpose::Sessions,
    };
    let ready = templates::of(ask, "pool::tests").await.unwrap();
    // Whoever is first in the process has it; here everything is a test's own.
    drop(ready.take_first());
    ready
}

async fn administrate(sql: &str) -> Option<String> {
    let admin = Throwaway::get().unix("postgres", "postgres");
    let mut admin = Upstream::connect(&admin).await.unwrap();
    let answer = admin.simple(sql).await.unwrap();
    admin.close().await;
    answer.first().map(str::to_owned)
}

fn who(name: &str) -> Who {
    Who {
        name: name.to_owned(),
        patience: PATIENCE,
    }
}

/// A pool of a test's own, used as all are: from the background runtime.
struct Here(Arc<Pool>);

impl Here {
    fn with(bound: usize) -> Self {
        Self(Arc::new(Pool::with(bound)))
    }

    async fn take(&self, ready: &Arc<Ready>, name: &str) -> (Parked, Slot) {
        self.taken(ready, who(name)).await.unwrap().into_parts()
    }

    async fn taken(&self, ready: &Arc<Ready>, who: Who) -> Result<Taken, Error> {
        if let Some(taken) = self.0.take_idle(ready, &who.name) {
            return Ok(taken);
        }
        let (pool, ready) = (Arc::clone(&self.0), Arc::clone(ready));
        background::run_while_wanted(async move { pool.take(&ready, who).await }).await
    }

    /// Until everything that was given back is idle again.
    async fn rest(&self) {
        let all = self.0.places.acquire_many(self.0.bound.try_into().unwrap());
        drop(all.await.unwrap());
    }

    fn idle(&self) -> usize {
        self.0.state().idle.len()
    }
}

/// The server's process for a session that is in use here.
fn process(parked: Parked) -> (u32, Parked) {
    let session = Session::resume(parked).unwrap();
    (session.canceller().process(), session.park().unwrap())
}

#[tokio::test]
async fn a_session_is_used_again_and_its_place_is_free_when_it_rests() {
    let (pool, ready) = (Here::with(1), database("humble", "postgres").await);
    let (parked, slot) = pool.take(&ready, "first").await;
    let (first, parked) = process(parked);
    slot.give_back(Session::resume(parked).unwrap());
    // Its place is the only one: whoever gets it has waited for the reset.
    let (parked, slot) = pool.take(&ready, "second").await;
    let (second, parked) = process(parked);
    assert_eq!(first, second);
    slot.give_back(Session::resume(parked).unwrap());
    pool.rest().await;
    assert_eq!(pool.idle(), 1);
    assert!(pool.0.holders().is_empty());
}

#[tokio::test]
async fn a_session_that_is_lost_leaves_its_place_to_another() {
    let (pool, ready) = (Here::with(1), database("humble", "postgres").await);
    let (parked, slot) = pool.take(&ready, "first").await;
    let (first, _) = process(parked);
    drop(slot);
    let (parked, _slot) = pool.take(&ready, "second").await;
    assert_ne!(process(parked).0, first);
    assert_eq!(pool.idle(), 0);
}

#[tokio::test]
async fn one_that_nobody_wanted_any_more_is_given_back() {
    let (pool, ready) = (Here::with(1), database("humble", "postgres").await);
    drop(pool.taken(&ready, who("taken")).await.unwrap());
    pool.rest().await;
    assert_eq!(pool.idle(), 1);
}

#[tokio::test]
async fn what_died_while_it_was_idle_is_replaced() {
    let (pool, ready) = (Here::with(2), database("humble", "postgres").await);
    let one = pool.take(&ready, "one").await;
    let two = pool.take(&ready, "two").await;
    let mut dead = Vec::new();
    for (parked, slot) in [one, two] {
        let (process, parked) = process(parked);
        dead.push(process.to_string());
        slot.give_back(Session::resume(parked).unwrap());
    }
    pool.rest().await;
    let dead = dead.join(", ");
    let ended = "SELECT count(*) FROM pg_stat_activity WHERE pid IN";
    administrate(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ({dead})"
    ))
    .await;
    while administrate(&format!("{ended} ({dead})")).await.as_deref() != Some("0") {}
    let (parked, _slot) = pool.take(&ready, "three").await;
    let (fresh, _) = process(parked);
    assert!(!dead.contains(&fresh.to_string()));
    assert_eq!(pool.idle(), 0, "both were found dead");
}

#[tokio::test]
async fn whoever_waits_is_served_in_turn_and_the_holders_are_named() {
    let (pool, ready) = (Here::with(1), database("humble", "postgres").await);
    let (parked, slot) = pool.take(&ready, "holder").await;
    let impatient = Who {
        patience: Duration::from_millis(20),
        ..who("impatient")
    };
    let text = pool.taken(&ready, impatient).await.unwrap_err().to_string();
    for part in [
        "`impatient` waited 20ms",
        "may have 1\n",
        "held by `holder`, for ",
        "HEIRLOOM_MAX_CONNECTIONS",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    let order = Mutex::new(Vec::new());
    let waits = async |name: &'static str| {
        let (parked, slot) = pool.take(&ready, name).await;
        order.lock().unwrap().push(name);
        slot.give_back(Session::resume(parked).unwrap());
    };
    let gives_up = async {
        let soon = timeout(Duration::from_millis(20), pool.take(&ready, "gives up"));
        assert!(soon.await.is_err());
        slot.give_back(Session::resume(parked).unwrap());
    };
    tokio::join!(waits("a"), waits("b"), gives_up, waits("c"));
    assert_eq!(*order.lock().unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn idle_sessions_of_another_database_make_room() {
    let pool = Here::with(2);
    let (one, other) = (
        database("humble", "postgres").await,
        database("humble", "template1").await,
    );
    for (ready, idle) in [(&one, 1), (&other, 2), (&one, 2), (&one, 2)] {
        let (parked, slot) = pool.take(ready, "somebody").await;
        slot.give_back(Session::resume(parked).unwrap());
        pool.rest().await;
        assert_eq!(pool.idle(), idle);
    }
    let first = pool.take(&one, "first").await;
    let second = pool.take(&one, "second").await;
    assert_eq!(pool.idle(), 0, "that of the other database was closed");
    drop((first, second));
}

/// The server says that it is full although the pool would allow more.
#[tokio::test]
async fn a_full_server_is_waited_for() {
    administrate("CREATE ROLE narrow LOGIN CONNECTION LIMIT 1").await;
    let (pool, ready) = (Here::with(9), database("narrow", "postgres").await);
    let (parked, slot) = pool.take(&ready, "holder").await;
    let (first, parked) = process(parked);
    let waits = async || {
        let (parked, slot) = pool.take(&ready, "waits").await;
        let (process, parked) = process(parked);
        slot.give_back(Session::resume(parked).unwrap());
        process
    };
    let gives_back = async {
        let soon = timeout(Duration::from_millis(20), pool.take(&ready, "gives up"));
        assert!(soon.await.is_err());
        slot.give_back(Session::resume(parked).unwrap());
    };
    let (one, two, ()) = tokio::join!(waits(), waits(), gives_back);
    assert_eq!((one, two), (first, first));
    pool.rest().await;
    // Another database's idle session is in the way.
    let other = database_when_free("narrow", &pool).await;
    let (parked, slot) = pool.take(&other, "other").await;
    slot.give_back(Session::resume(parked).unwrap());
}

/// Many at once, some of whom give up or lose theirs: no place is lost, and no session has two users.
#[test]
fn places_add_up_whatever_their_holders_do() {
    const BOUND: usize = 3;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    let seed = random_below(u32::MAX);
    println!("seed {seed}");
    runtime.block_on(async {
        let pool = Arc::new(Here::with(BOUND));
        let databases = [
            database("humble", "postgres").await,
            database("humble", "template1").await,
        ];
        let in_use = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8_u32 {
            let (pool, in_use) = (Arc::clone(&pool), Arc::clone(&in_use));
            let databases = databases.clone();
            tasks.spawn(async move {
                let mut random = u64::from(seed ^ task) + 1;
                let mut below = |most: u64| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (random >> 33) % most
                };
                for _ in 0..40 {
                    let ready = &databases[usize::try_from(below(2)).unwrap()];
                    let patience = Duration::from_micros(
                        [50, 500, 60_000_000][usize::try_from(below(3)).unwrap()],
                    );
                    let Ok((parked, slot)) =
                        timeout(patience, pool.take(ready, "one of many")).await
                    else {
                        continue;
                    };
                    let (process, parked) = process(parked);
                    assert!(
                        in_use.lock().unwrap().insert(process),
                        "it has another user"
                    );
                    tokio::task::yield_now().await;
                    assert!(in_use.lock().unwrap().len() <= BOUND);
                    in_use.lock().unwrap().remove(&process);
                    if below(8) > 0 {
                        slot.give_back(Session::resume(parked).unwrap());
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        pool.rest().await;
        assert!(pool.idle() <= BOUND);
        assert!(pool.0.holders().is_empty());
        assert_eq!(pool.0.state().queued, 0);
    });
}

#[tokio::test]
async fn nothing_of_one_owner_reaches_the_next() {
    let (pool, ready) = (Here::with(1), database("humble", "template1").await);
    let (parked, slot) = pool.take(&ready, "first").await;
    let mut session = Session::resume(parked).unwrap();
    for sql in [
        "SET application_name = 'mine'; SELECT pg_advisory_lock(4711); CREATE TEMP TABLE mine (id serial); PREPARE mine AS SELECT 1; LISTEN mine",
        "SELECT nothing",
    ] {
        session.simple(sql).await.ok();
    }
    // What a connection's own statements are known by.
    session.prepared_by_sql = true;
    slot.give_back(session);
    let (parked, slot) = pool.take(&ready, "second").await;
    let mut session = Session::resume(parked).unwrap();
    let left = session
        .simple(
            "SELECT current_setting('application_name') = 'mine', to_regclass('mine') IS NOT NULL, \
             EXISTS (SELECT FROM pg_prepared_statements WHERE name NOT LIKE 'heirloom%'), EXISTS (SELECT FROM pg_listening_channels()), \
             EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
        )
        .await
        .unwrap();
    assert_eq!(left.rows, [vec![Some("f".to_owned()); 5]]);
    assert_eq!(left.status, b'T');
    slot.give_back(session);
}

/// The other database can be looked for only while nobody is in the one connection that there is.
async fn database_when_free(role: &str, pool: &Here) -> Arc<Ready> {
    pool.0.close_longest_idle();
    let other = database(role, "template1").await;
    let (parked, slot) = pool.take(&database(role, "postgres").await, "idle").await;
    slot.give_back(Session::resume(parked).unwrap());
    pool.rest().await;
    assert_eq!(pool.idle(), 1);
    other
}

/// Stands before the server: hangs up on so many, then lets everybody through.
async fn door(dir: &Path, hangs_up: usize) {
    let path = dir.join(".s.PGSQL.5432");
    std::fs::remove_file(&path).ok();
    let listener = UnixListener::bind(path).unwrap();
    let real = Throwaway::get().unix("humble", "postgres");
    let super::super::config::Address::Unix(real) = real.address().clone() else {
        panic!("a unix socket");
    };
    for _ in 0..hangs_up {
        drop(listener.accept().await.unwrap());
    }
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let real = real.clone();
        tokio::spawn(async move {
            let mut server = UnixStream::connect(real).await.unwrap();
            tokio::io::copy_bidirectional(&mut client, &mut server)
                .await
                .ok();
        });
    }
}

#[tokio::test]
async fn a_server_that_restarts_is_waited_for() {
    let dir = std::env::temp_dir().join(format!("heirloom-door-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let url = format!("postgres:///postgres?host={}&user=humble", dir.display());
    let open = tokio::spawn({
        let dir = dir.clone();
        async move { door(&dir, 0).await }
    });
    while !dir.join(".s.PGSQL.5432").exists() {
        tokio::task::yield_now().await;
    }
    let (pool, ready) = (Here::with(2), of(Config::from_url(&url).unwrap()).await);
    let (parked, slot) = pool.take(&ready, "before").await;
    slot.give_back(Session::resume(parked).unwrap());
    pool.rest().await;
    // Its connections break, its socket is gone; then it hangs up on those who come, and then it is there.
    open.abort();
    open.await.unwrap_err();
    pool.0.state().idle.clear();
    std::fs::remove_file(dir.join(".s.PGSQL.5432")).unwrap();
    let taking = pool.take(&ready, "after");
    let mut taking = std::pin::pin!(taking);
    let soon = timeout(Duration::from_millis(20), &mut taking).await;
    assert!(soon.is_err(), "there is no server");
    let open = tokio::spawn({
        let dir = dir.clone();
        async move { door(&dir, 3).await }
    });
    let (parked, slot) = taking.await;
    slot.give_back(Session::resume(parked).unwrap());
    open.abort();
    std::fs::remove_dir_all(&dir).ok();
}

#[tokio::test]
async fn a_templates_tables_are_vacuumed_now_and_then() {
    let dir = std::env::temp_dir().join(format!("heirloom-tidy-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("1_goods.sql"), "CREATE TABLE goods (name text)").unwrap();
    let ask = Ask {
        config: Throwaway::get().unix("creator", "tidied"),
        schema: Schema::Directory(dir.clone()),
        extensions: Vec::new(),
        purpose: Purpose::Sessions,
    };
    let ready = templates::of(ask, "pool::tests").await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    let pool = Here::with(1);
    let (parked, slot) = pool.take(&ready, "fills").await;
    let mut session = Session::resume(parked).unwrap();
    let rows = "INSERT INTO goods SELECT repeat('x', 1000) FROM generate_series(1, 1000)";
    session.simple(rows).await.unwrap();
    let key = Arc::clone(ready.key());
    pool.0.state().given_back.insert(key, TIDY_EVERY - 1);
    slot.give_back(session);
    let mut looks = Upstream::connect(ready.template().config()).await.unwrap();
    let vacuumed = "SELECT pg_stat_get_vacuum_count('goods'::regclass) > 0";
    timeout(PATIENCE, async {
        while looks.simple(vacuumed).await.unwrap().first() != Some("t") {}
    })
    .await
    .expect("it is vacuumed");
    assert_eq!(pool.0.state().given_back.get(ready.key()), Some(&0));
    // The application's own database is left alone.
    let own = database("humble", "postgres").await;
    for _ in 0..=TIDY_EVERY {
        assert!(!pool.0.is_untidy(&own));
    }
}
