//! What a process says when it gets no database on PostgreSQL, and what several of them do to one server.

use heirloom_tests::postgres::{administrate, databases, exists, options_of};
use heirloom_tests::{child, empty_dir, first_line, wait_until};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output};

const CHILD: &str = env!("CARGO_BIN_EXE_heirloom-child");
const TMP: &str = env!("CARGO_TARGET_TMPDIR");

/// The child program, with a database of its own that nobody has made.
fn postgres(scenario: &[&str], options: &PgConnectOptions) -> Command {
    let name = options.get_database().expect("a name");
    let mut command = child(CHILD, scenario, &empty_dir(TMP, name));
    command.env("DATABASE_URL", options.to_url_lossy().as_str());
    command
}

fn run(mut command: Command) -> (bool, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the child runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.success(), text(stdout), text(stderr))
}

#[track_caller]
fn fails(command: Command, parts: &[&str]) -> String {
    let (passed, stdout, stderr) = run(command);
    assert!(!passed, "it passes: {stdout}");
    println!("{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "`{part}` is missing in: {stderr}");
    }
    stderr
}

/// What a child says before its end, or the first lines of it if it says that its thread is blocked.
fn of_a_blocked_thread(how: &str) -> String {
    let dir = empty_dir(TMP, &format!("postgres_blocked_{how}"));
    let mut child = child(CHILD, &["postgres-blocked", how], &dir)
        .spawn()
        .expect("the child starts");
    let stderr = child.stderr.take().expect("it is piped");
    let mut said = String::new();
    for line in BufReader::new(stderr).lines() {
        said.push_str(&line.expect("text"));
        said.push('\n');
        if said.contains("help:") {
            child.kill().expect("it is blocked");
        }
    }
    child.wait().expect("it ends");
    said
}

#[test]
fn a_blocked_thread_that_is_waited_for_is_named() {
    for how in ["connecting", "joining"] {
        let said = of_a_blocked_thread(how);
        println!("{said}");
        let starts = "heirloom: the thread of test `child::blocked` has been blocked for ";
        assert!(said.starts_with(starts), "{how}: {said}");
        for part in ["database_url()", "spawn_blocking", "multi_thread"] {
            assert!(said.contains(part), "{how}: `{part}` is missing in: {said}");
        }
    }
}

#[test]
fn a_thread_for_which_nobody_waits_may_block() {
    for how in ["alone", "working"] {
        assert_eq!(of_a_blocked_thread(how), "", "{how}");
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(work)
}

/// The databases of an application's database.
async fn family(base: &str) -> Vec<String> {
    databases(&format!("{base}_heirloom_")).await
}

/// As if no run had been there before.
async fn forget(base: &str) {
    for database in family(base).await {
        administrate(&format!("DROP DATABASE \"{database}\" WITH (FORCE)")).await;
    }
}

#[test]
fn without_a_url_the_variable_is_named_and_a_file_may_hold_it() {
    let dir = empty_dir(TMP, "w_dotenv");
    let mut command = child(CHILD, &["postgres"], &dir);
    command.env_remove("DATABASE_URL").current_dir(&dir);
    // A file above would be found as well.
    std::fs::write(dir.join(".env"), "").expect("written");
    fails(
        command,
        &[
            "`child::postgres` uses repo `default`",
            "`DATABASE_URL` is not set",
            ".env",
        ],
    );
    let options = options_of("w_dotenv");
    let line = format!("DATABASE_URL='{}'\n", options.to_url_lossy());
    std::fs::write(dir.join(".env"), line).expect("written");
    let mut command = child(CHILD, &["postgres"], &dir);
    command.env_remove("DATABASE_URL").current_dir(&dir);
    let (passed, stdout, stderr) = run(command);
    assert!(passed, "{stderr}");
    assert_eq!(stdout, "3 tables\n");
}

#[test]
fn a_url_of_something_else_is_named_and_its_password_is_not() {
    let dir = empty_dir(TMP, "w_url");
    for (url, part) in [
        ("mysql://ada:sesame@localhost/shop", "starts with `mysql:`"),
        (
            "postgres://ada:sesame@localhost:port/shop",
            "cannot be read",
        ),
    ] {
        let mut command = child(CHILD, &["postgres"], &dir);
        command.env("DATABASE_URL", url);
        let text = fails(
            command,
            &["`DATABASE_URL`", part, "postgres://user:password@"],
        );
        assert!(!text.contains("sesame"), "{text}");
    }
}

#[test]
fn a_login_that_is_refused_and_a_server_that_is_not_there_are_named() {
    let stranger = options_of("w_stranger").username("w_stranger");
    fails(
        postgres(&["postgres"], &stranger),
        &["`child::postgres`", "w_stranger", "28000", "CREATE ROLE"],
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("a port").port();
    drop(closed);
    let nowhere = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("ada")
        .database("w_nowhere");
    let place = format!("127.0.0.1:{port}");
    fails(
        postgres(&["postgres"], &nowhere),
        &[&place, "nothing listens", "DATABASE_URL"],
    );
}

#[test]
fn without_the_right_to_create_databases_the_right_is_named() {
    block_on(administrate("DROP DATABASE IF EXISTS w_humble; "));
    block_on(administrate(
        "DO $$ BEGIN IF to_regrole('w_humble') IS NULL THEN CREATE ROLE w_humble LOGIN; END IF; END $$",
    ));
    let humble = options_of("w_humble").username("w_humble");
    fails(
        postgres(&["postgres"], &humble),
        &[
            "`child::postgres`",
            "role `w_humble` may not create databases",
            "ALTER ROLE \"w_humble\" CREATEDB",
            "migrations = false",
        ],
    );
    // Who has no migrations needs the right for the copy, and is told so.
    block_on(administrate("CREATE DATABASE w_humble OWNER w_humble"));
    fails(
        postgres(&["postgres-as-it-is"], &humble),
        &[
            "`child::postgres`",
            "database `w_humble` is to be cloned as it is",
            "isolation = \"transaction\"",
        ],
    );
}

#[test]
fn a_migration_that_fails_is_named_and_nothing_is_left_of_it() {
    let base = options_of("w_broken");
    block_on(forget("w_broken"));
    fails(
        postgres(&["postgres-in", "schemas/broken"], &base),
        &["migration 2 (add colour) failed", "2_add_colour.sql"],
    );
    assert!(block_on(family("w_broken")).is_empty());
}

#[test]
fn processes_that_race_for_a_template_all_get_a_clone_of_the_one() {
    let base = options_of("w_race");
    block_on(forget("w_race"));
    let children: Vec<_> = (0..6)
        .map(|_| postgres(&["postgres"], &base).spawn().expect("a child"))
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "3 tables\n");
    }
    let template = only_template("w_race");
    let again = postgres(&["postgres"], &base);
    assert!(run(again).0);
    assert_eq!(only_template("w_race"), template);
}

/// The one template there is; clones that a process did not come to drop at its end do not count.
#[track_caller]
fn only_template(base: &str) -> String {
    let prefix = format!("{base}_heirloom_r");
    let mut templates = block_on(family(base));
    templates.retain(|database| !database.starts_with(&prefix));
    assert_eq!(templates.len(), 1, "{templates:?}");
    templates.remove(0)
}

#[test]
fn a_killed_process_leaves_its_clone_to_the_next_one() {
    let base = options_of("w_killed");
    let mut killed = postgres(&["postgres-hold"], &base)
        .spawn()
        .expect("a child");
    let clone = first_line(&mut killed);
    assert!(block_on(exists(&clone)));
    let mut running = postgres(&["postgres-hold"], &base)
        .spawn()
        .expect("a child");
    let other = first_line(&mut running);
    killed.kill().expect("kill -9");
    killed.wait().expect("it is dead");
    // The server may take a moment to notice.
    wait_until(|| {
        let (passed, stdout, stderr) = run(postgres(&["postgres"], &base));
        assert!(passed, "{stderr}");
        assert_eq!(stdout, "3 tables\n", "the template is whole");
        if block_on(exists(&clone)) {
            return Err(format!("`{clone}` is still there"));
        }
        Ok(())
    });
    assert!(block_on(exists(&other)), "a running process keeps its own");
    drop(running.stdin.take());
    assert!(running.wait().expect("it ends").success());
}

#[test]
fn a_server_that_restarts_between_two_tests_is_not_noticed() {
    let base = options_of("w_restarts").application_name("w_restarts");
    let mut child = postgres(&["postgres-again"], &base)
        .spawn()
        .expect("a child");
    let mut input = child.stdin.take().expect("its input is piped");
    let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
    for _ in 0..3 {
        writeln!(input, "again").expect("written");
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert_eq!(line, "3 tables\n");
        // To a client it is as if the server had been restarted: every session ends.
        block_on(administrate(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'w_restarts'",
        ));
    }
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}
