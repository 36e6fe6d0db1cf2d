//! What other processes do to a template and its copies: race for it, die with a copy open, find it broken.

use heirloom_tests::{child, empty_dir, files_below, first_line};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const CHILD: &str = env!("CARGO_BIN_EXE_heirloom-child");
const TMP: &str = env!("CARGO_TARGET_TMPDIR");

fn run(mut command: Command) -> (bool, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the child runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.success(), text(stdout), text(stderr))
}

fn templates(dir: &Path) -> Vec<String> {
    let below = files_below(&dir.join("sqlite"));
    below
        .into_iter()
        .filter(|file| !file.starts_with("run-"))
        .collect()
}

#[test]
fn processes_that_race_for_a_template_all_get_a_whole_one() {
    let dir = empty_dir(TMP, "race");
    let children: Vec<_> = (0..8)
        .map(|_| child(CHILD, &["count"], &dir).spawn().expect("a child"))
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), "3 tables\n");
    }
    assert_eq!(templates(&dir).len(), 1);
    assert_eq!(
        files_below(&dir).len(),
        1,
        "the template and nothing else: {:?}",
        files_below(&dir)
    );
}

#[test]
fn a_killed_process_leaves_the_template_whole_and_its_copy_to_the_next_run() {
    let dir = empty_dir(TMP, "killed");
    let mut killed = child(CHILD, &["hold"], &dir).spawn().expect("a child");
    let copy = first_line(&mut killed);
    let template = dir.join("sqlite").join(&templates(&dir)[0]);
    let before = fs::read(&template).expect("the template");
    killed.kill().expect("kill -9");
    killed.wait().expect("it is dead");
    assert!(Path::new(&copy).is_file(), "nobody could remove it: {copy}");

    let mut running = child(CHILD, &["hold"], &dir).spawn().expect("a child");
    let other = first_line(&mut running);
    assert!(
        !Path::new(&copy).exists(),
        "the next run collects what the dead one left"
    );
    let (passed, stdout, stderr) = run(child(CHILD, &["count"], &dir));
    assert!(passed, "{stderr}");
    assert_eq!(stdout, "3 tables\n");
    assert!(
        Path::new(&other).is_file(),
        "a running process keeps its copy"
    );
    drop(running.stdin.take());
    assert!(running.wait().expect("it ends").success());

    assert_eq!(
        fs::read(&template).expect("the template"),
        before,
        "byte for byte"
    );
    assert_eq!(
        files_below(&dir),
        [format!("sqlite/{}", templates(&dir)[0])]
    );
}

#[test]
fn a_half_made_template_of_a_killed_process_is_never_used() {
    let dir = empty_dir(TMP, "half_made");
    assert!(run(child(CHILD, &["count"], &dir)).0);
    let template = dir.join("sqlite").join(&templates(&dir)[0]);
    // As `kill -9` during the migrations leaves it: a partial file with a log beside it, and no template.
    fs::rename(&template, template.with_extension("partial")).expect("renamed");
    fs::write(template.with_extension("partial-wal"), "not a log").expect("written");
    let (passed, stdout, stderr) = run(child(CHILD, &["count"], &dir));
    assert!(passed, "{stderr}");
    assert_eq!(stdout, "3 tables\n");
    assert_eq!(templates(&dir).len(), 1, "{:?}", templates(&dir));
}

#[test]
fn an_edited_migration_gets_a_template_of_its_own() {
    let dir = empty_dir(TMP, "edited");
    let migrations = empty_dir(TMP, "edited_migrations");
    let path = migrations.to_str().expect("text");
    let file = migrations.join("1_start.sql");
    fs::write(&file, "CREATE TABLE one (id INTEGER);").expect("written");
    assert_eq!(run(child(CHILD, &["count-in", path], &dir)).1, "2 tables\n");
    fs::write(
        &file,
        "CREATE TABLE one (id INTEGER); CREATE TABLE two (id INTEGER);",
    )
    .expect("written");
    let (passed, stdout, stderr) = run(child(CHILD, &["count-in", path], &dir));
    assert!(passed, "{stderr}");
    assert_eq!(stdout, "3 tables\n");
    assert_eq!(templates(&dir).len(), 2);
    fs::write(&file, "CREATE TABLE one (id INTEGER);").expect("written");
    assert_eq!(run(child(CHILD, &["count-in", path], &dir)).1, "2 tables\n");
    assert_eq!(templates(&dir).len(), 2, "an old content is an old hash");
}

#[test]
fn a_migration_that_fails_is_named_with_its_file_and_leaves_no_template() {
    let dir = empty_dir(TMP, "broken");
    for _ in 0..2 {
        let (passed, _, stderr) = run(child(CHILD, &["count-in", "schemas/broken"], &dir));
        assert!(!passed);
        for part in [
            "migration 2 (add colour) failed",
            "schemas/broken/2_add_colour.sql",
            "no such table: nothing_of_that_name",
        ] {
            assert!(stderr.contains(part), "{part} is missing in: {stderr}");
        }
        assert_eq!(files_below(&dir), [] as [&str; 0]);
    }
}

#[test]
fn migrations_that_are_not_there_are_an_error_that_says_what_to_write() {
    let dir = empty_dir(TMP, "no_migrations");
    let (passed, _, stderr) = run(child(CHILD, &["count-in", "schemas/nowhere"], &dir));
    assert!(!passed);
    for part in ["schemas/nowhere", "help:", "migrations = false"] {
        assert!(stderr.contains(part), "{part} is missing in: {stderr}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named_with_the_way_out() {
    // A file where the directory should be: also the superuser cannot write below it.
    let dir = empty_dir(TMP, "unwritable").join("a_file");
    fs::write(&dir, "in the way").expect("written");
    let (passed, _, stderr) = run(child(CHILD, &["count"], &dir));
    assert!(!passed);
    for part in ["a_file", "cannot create", "help:", "HEIRLOOM_DIR"] {
        assert!(stderr.contains(part), "{part} is missing in: {stderr}");
    }
}

#[test]
fn a_subscriber_without_the_layer_is_reported_once_with_the_fix() {
    let dir = empty_dir(TMP, "no_layer");
    let (passed, stdout, stderr) = run(child(CHILD, &["spans-without-layer"], &dir));
    assert!(passed, "{stderr}");
    assert_eq!(stdout, "false\nfalse\n", "spans carry nothing");
    assert_eq!(stderr.matches("heirloom::layer()").count(), 1, "{stderr}");
    let (passed, stdout, stderr) = run(child(CHILD, &["spans-with-layer"], &dir));
    assert!(passed, "{stderr}");
    assert_eq!((stdout.as_str(), stderr.as_str()), ("true\n", ""));
}
