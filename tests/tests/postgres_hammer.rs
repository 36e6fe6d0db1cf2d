//! Owners that end at random moments under load, and processes that are killed: nothing hangs, and nothing is left.

use heirloom::Sandbox;
use heirloom_tests::postgres::{connect, options_of, superuser_url, url};
use heirloom_tests::{Random, child, empty_dir, nobodys, test, wait_until};
use sqlx::{ConnectOptions as _, PgConnection, PgPool};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};

const HAMMER: &str = env!("CARGO_BIN_EXE_heirloom-hammer");
const TMP: &str = env!("CARGO_TARGET_TMPDIR");

/// The program, whose sessions are known to the server by this name.
fn hammer(name: &str, owners: u64, seed: u64) -> Command {
    let url = url();
    let and = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{and}application_name={name}");
    let numbers = [owners.to_string(), seed.to_string()];
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let mut command = child(HAMMER, &numbers, &empty_dir(TMP, name));
    command
        .env("DATABASE_URL", url)
        .stderr(std::process::Stdio::inherit());
    command
}

/// Reads so many lines, or all; the last of them.
fn lines(child: &mut Child, most: usize) -> String {
    let stdout = child.stdout.as_mut().expect("it is piped");
    let lines = BufReader::new(stdout).lines().take(most);
    lines.map_while(Result::ok).last().unwrap_or_default()
}

#[test]
fn owners_end_at_random_moments_and_nothing_is_left() {
    let (owners, seed) = (1_000, Random::seeded().below(u64::MAX));
    let mut child = hammer("h_hammer", owners, seed).spawn().expect("it runs");
    let all = usize::try_from(owners).expect("small") + 1;
    let last = lines(&mut child, all);
    assert_eq!(last, "done", "it ended early");
    let mut server = block_on(connect(&superuser_url()));
    // Its sessions are still there, for the next owners; none does or holds anything.
    wait_until(|| {
        let busy = "SELECT count(*) FROM pg_stat_activity a WHERE application_name = 'h_hammer' \
                    AND (state = 'active' OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid \
                    AND locktype IN ('relation', 'transactionid', 'advisory')))";
        match block_on(one(busy, &mut server)) {
            0 => Ok(()),
            left => Err(format!(
                "{left} sessions are busy, of owners that have ended"
            )),
        }
    });
    let all = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'h_hammer'";
    let sessions = block_on(one(all, &mut server));
    assert!((1..=12).contains(&sessions), "{sessions} for four at once");
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
    assert_eq!(committed_guests(), 0);
}

#[test]
fn processes_that_are_killed_leave_their_template_as_it_was() {
    let mut random = Random::seeded();
    for _ in 0..20 {
        let mut command = hammer("h_killed", 1_000_000, random.below(u64::MAX));
        let mut child = command.spawn().expect("it runs");
        lines(
            &mut child,
            usize::try_from(random.below(60)).expect("small"),
        );
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
    }
    // The server notices when it next has something to say to them.
    let mut server = block_on(connect(&superuser_url()));
    wait_until(|| {
        let all = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'h_killed'";
        match block_on(one(all, &mut server)) {
            0 => Ok(()),
            left => Err(format!("{left} sessions of processes that are dead")),
        }
    });
    assert_eq!(committed_guests(), 0);
}

/// How many guests are committed in the database that all of these sessions are in.
fn committed_guests() -> i64 {
    let mut template = String::new();
    let name = &mut template;
    drop(test("hammer::template").run(|sandbox: Sandbox| async move {
        let pool: PgPool = sandbox.get().await.expect("a pool");
        let options = pool.connect_options();
        options.get_database().expect("a name").clone_into(name);
        sqlx::Result::Ok(())
    }));
    block_on(async {
        let mut inside = options_of(&template).connect().await.expect("it is there");
        one("SELECT count(*) FROM guests", &mut inside).await
    })
}

async fn one(sql: &'static str, server: &mut PgConnection) -> i64 {
    let count = sqlx::query_scalar(sql).fetch_one(server);
    count.await.expect("a number")
}

/// All on one runtime, as connections die with theirs.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    nobodys().block_on(work)
}
