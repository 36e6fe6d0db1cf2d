//! Other processes on a test's databases, by the environment that the test gives them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use heirloom::{BoxError, Owner, Repo, Sandbox, sandboxed};
use heirloom_tests::{MIGRATOR, nobodys, test};
use sqlx::{Connection as _, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Barrier;

const CHILD: &str = env!("CARGO_BIN_EXE_heirloom-child");

/// A process that works where a variable says, with nothing else in its environment: what it prints.
async fn works_on(variable: &str, sandbox: &Sandbox) -> Result<String, BoxError> {
    let mut worker = Command::new(CHILD);
    worker.args(["works-on", variable]).env_clear();
    output(worker.envs(sandbox.env().await?))
}

fn output(command: &mut Command) -> Result<String, BoxError> {
    let output = command.output()?;
    let told = String::from_utf8(output.stderr)?;
    assert!(output.status.success(), "{told}");
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

async fn sqlite_guests(pool: &SqlitePool) -> sqlx::Result<Vec<String>> {
    let guests = sqlx::query_scalar("SELECT email FROM guests ORDER BY id");
    guests.fetch_all(pool).await
}

#[sandboxed]
async fn a_process_works_on_the_tests_own_file(
    pool: SqlitePool,
    sandbox: Sandbox,
) -> Result<(), BoxError> {
    sqlx::query("INSERT INTO guests VALUES (1, 'ada@example.org')")
        .execute(&pool)
        .await?;
    assert_eq!(works_on("DATABASE_URL", &sandbox).await?, "ada@example.org");
    let guests = sqlite_guests(&pool).await?;
    assert!(guests[1].ends_with("@workers.example.org"), "{guests:?}");
    let again = works_on("DATABASE_URL", &sandbox).await?;
    assert_eq!(again, guests.join(" "), "each process sees the one before");
    Ok(())
}

#[sandboxed]
async fn a_process_is_told_where_named_repos_are_that_are_open(
    pool: SqlitePool,
    sandbox: Sandbox,
) -> Result<(), BoxError> {
    static AUDIT: Repo<Sqlite> = Repo::named("audit-log").migrator(&MIGRATOR);
    drop(pool);
    let names = |env: heirloom::Env| env.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(sandbox.env().await?),
        ["HEIRLOOM_OWNER", "DATABASE_URL"]
    );
    let _ = AUDIT.checkout().await?;
    sqlx::query("INSERT INTO guests VALUES (1, 'audited@example.org')")
        .execute(&AUDIT)
        .await?;
    assert_eq!(
        works_on("AUDIT_LOG_DATABASE_URL", &sandbox).await?,
        "audited@example.org"
    );
    assert_eq!(works_on("DATABASE_URL", &sandbox).await?, "");
    let _ = AUDIT.checkin().await?;
    assert_eq!(names(sandbox.env().await?).len(), 2, "it is given back");
    Ok(())
}

/// Two tests that are open at the same time, each with a guest and a process of its own.
fn two_at_once(story: impl AsyncFn(&Sandbox, &str) -> Result<String, BoxError> + Sync) {
    let both_are_open = Barrier::new(2);
    std::thread::scope(|scope| {
        for guest in ["ada@example.org", "bob@example.org"] {
            let (story, both_are_open) = (&story, &both_are_open);
            scope.spawn(move || {
                drop(test("env::two").run(async move |sandbox: Sandbox| {
                    let seen = story(&sandbox, guest).await;
                    both_are_open.wait();
                    let env = works_on("DATABASE_URL", &sandbox).await;
                    both_are_open.wait();
                    assert_eq!(seen.unwrap(), "");
                    assert_eq!(env.unwrap(), guest);
                    Ok(())
                }));
            });
        }
    });
}

#[test]
fn processes_of_two_tests_see_nothing_of_each_other_on_sqlite() {
    two_at_once(async |sandbox, guest| {
        let pool: SqlitePool = sandbox.get().await?;
        let before = sqlite_guests(&pool).await?.join(" ");
        let insert = sqlx::query("INSERT INTO guests VALUES (1, ?)").bind(guest);
        insert.execute(&pool).await?;
        Ok(before)
    });
}

#[test]
fn processes_of_two_tests_see_nothing_of_each_other_on_postgres() {
    two_at_once(async |sandbox, guest| {
        let pool: PgPool = sandbox.get().await?;
        let before: Vec<String> = sqlx::query_scalar("SELECT email FROM guests")
            .fetch_all(&pool)
            .await?;
        // Other keys: the server would have one wait for the other's.
        let insert = sqlx::query("INSERT INTO guests VALUES (length($1) + ascii($1), $1)");
        insert.bind(guest).execute(&pool).await?;
        Ok(before.join(" "))
    });
}

#[sandboxed]
async fn psql_needs_no_arguments(pool: PgPool, sandbox: Sandbox) -> Result<(), BoxError> {
    sqlx::query("INSERT INTO guests VALUES (1, 'carol@example.org')")
        .execute(&pool)
        .await?;
    let mut psql = Command::new("psql");
    let sql = "SELECT email FROM guests; INSERT INTO guests VALUES (2, 'psql@example.org')";
    psql.args(["-XAtqc", sql]).envs(sandbox.env().await?);
    // What the suite itself was started with is not meant.
    for stranger in ["PGSERVICE", "PGOPTIONS", "PGHOSTADDR"] {
        psql.env_remove(stranger);
    }
    assert_eq!(output(&mut psql)?, "carol@example.org");
    let guests: Vec<String> = sqlx::query_scalar("SELECT email FROM guests ORDER BY id")
        .fetch_all(&pool)
        .await?;
    assert_eq!(guests, ["carol@example.org", "psql@example.org"]);
    Ok(())
}

#[sandboxed(isolation = "database")]
async fn psql_finds_a_private_database_too(pool: PgPool, sandbox: Sandbox) -> Result<(), BoxError> {
    sqlx::query("INSERT INTO guests VALUES (1, 'dora@example.org')")
        .execute(&pool)
        .await?;
    let mut psql = Command::new("psql");
    psql.args(["-XAtqc", "SELECT email FROM guests"])
        .envs(sandbox.env().await?);
    assert_eq!(output(&mut psql)?, "dora@example.org");
    Ok(())
}

#[sandboxed]
async fn named_repos_of_postgres_have_a_variable_each(
    pool: PgPool,
    sandbox: Sandbox,
) -> Result<(), BoxError> {
    static AUDIT: Repo<Postgres> = Repo::named("env-audit").migrator(&MIGRATOR);
    drop(pool);
    sqlx::query("INSERT INTO guests VALUES (1, 'erin@example.org')")
        .execute(&AUDIT)
        .await?;
    assert_eq!(
        works_on("ENV_AUDIT_DATABASE_URL", &sandbox).await?,
        "erin@example.org"
    );
    Ok(())
}

#[sandboxed]
async fn the_environment_names_the_owner_and_hides_its_values(
    pool: SqlitePool,
    sandbox: Sandbox,
    owner: Owner,
) -> Result<(), BoxError> {
    drop(pool);
    let env = sandbox.env().await?;
    let token = owner.token().to_string();
    let shown = format!("{env:?}");
    assert!(
        shown.contains("HEIRLOOM_OWNER") && !shown.contains(&token),
        "{shown}"
    );
    let env: BTreeMap<String, String> = env.into_iter().collect();
    assert_eq!(env["HEIRLOOM_OWNER"], token);
    assert_eq!(env["DATABASE_URL"], sandbox.database_url().await?);
    Ok(())
}

#[test]
fn what_outlives_its_test_on_sqlite_finds_no_file_and_makes_none() {
    let (tell, told) = std::sync::mpsc::channel();
    drop(test("env::outlived").run(async move |sandbox: Sandbox| {
        let pool: SqlitePool = sandbox.get().await.unwrap();
        let url = sandbox.database_url().await?;
        // As another process: heirloom does not know of it.
        let mut held = SqliteConnection::connect(&url).await?;
        sqlx::query("INSERT INTO guests VALUES (1, 'late@example.org')")
            .execute(&mut held)
            .await?;
        let file = pool.connect_options().get_filename().to_owned();
        tell.send((url, file, held))?;
        Ok(())
    }));
    let (url, file, held) = told.recv().unwrap();
    let left = || {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let files = std::fs::read_dir(file.parent().unwrap()).unwrap();
        let mut names = files.map(|file| file.unwrap().file_name());
        names.any(|one| one.to_string_lossy().starts_with(&name))
    };
    assert!(!left(), "the test's end has removed it");
    nobodys().block_on(async {
        let error = SqliteConnection::connect(&url).await.unwrap_err();
        assert!(error.to_string().contains("unable to open"), "{error}");
        held.close().await.ok();
    });
    assert!(!left(), "nor does anybody make it again");
}
