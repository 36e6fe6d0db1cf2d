//! Other processes, some of which are killed: this test binary, run again.

use super::*;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Makes the template, and says so.
#[tokio::test]
#[ignore = "started by the other tests in this file"]
async fn child() {
    let Ok(url) = std::env::var("HEIRLOOM_CHILD_URL") else {
        return;
    };
    let dir = PathBuf::from(std::env::var("HEIRLOOM_CHILD_DIR").unwrap());
    let mut suite = Suite::of(&dir, "children").await;
    let config = Config::from_url(&url).unwrap();
    if std::env::var_os("HEIRLOOM_CHILD_CLONES").is_some() {
        let (source, _) = ensure(&config, &suite.wanted(Purpose::Source))
            .await
            .unwrap();
        let clones = Clones::open(&config, &source).await.unwrap();
        loop {
            println!("\nclone: {}", clones.create().await.unwrap().name());
        }
    }
    let (template, session) = ensure(&config, &suite.wanted(Purpose::Sessions))
        .await
        .unwrap();
    let oid = session
        .unwrap()
        .simple("SELECT oid FROM pg_database WHERE datname = current_database()")
        .await
        .unwrap();
    println!("\nmade: {} {}", template.name(), oid.first().unwrap());
    // The directory is the parent's.
    suite.dir = PathBuf::new();
}

fn start(base: &str, dir: &Path, clones: bool) -> Child {
    let name = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            &format!("{name}::child"),
        ])
        .env("HEIRLOOM_CHILD_URL", server().unix_url("creator", base))
        .env("HEIRLOOM_CHILD_DIR", dir)
        .stdout(Stdio::piped());
    if clones {
        command.env("HEIRLOOM_CHILD_CLONES", "1");
    }
    command.spawn().unwrap()
}

fn made(child: Child) -> String {
    let out = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("made: "));
    line.unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// Waits until a child has made so many clones. Its pipe stays open: it is to end only when it is killed.
fn until_cloned(child: &mut Child, times: usize) {
    let out = BufReader::new(child.stdout.as_mut().unwrap());
    let lines = out.lines().map_while(Result::ok);
    let clones = lines.filter(|line| line.starts_with("clone: "));
    assert_eq!(clones.take(times).count(), times, "the child has ended");
}

#[tokio::test]
async fn eight_processes_at_once_make_one() {
    let suite = Suite::new("eight", NOTES).await;
    let children: Vec<_> = (0..8).map(|_| start("eight", &suite.dir, false)).collect();
    let mut made: Vec<_> = children.into_iter().map(made).collect();
    made.dedup();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(databases("eight").await.len(), 1);
}

/// Whether a template of this base is being made.
async fn is_half_made(base: &str) -> bool {
    let there = databases(&format!("{base}_")).await;
    there.iter().any(|name| name.ends_with("_new"))
}

/// What is there under its final name is whole; says whether anything is there.
async fn leaves_only_whole_ones(base: &str) -> bool {
    let left = databases(&format!("{base}_")).await;
    for name in left.iter().filter(|name| !name.ends_with("_new")) {
        let migrated = ask(&app(name), "SELECT count(*) FROM _sqlx_migrations").await;
        assert_eq!(migrated.as_deref(), Some("3"), "{name}");
    }
    !left.is_empty()
}

/// Every second one while it migrates, the others at any moment: before, while and after.
#[tokio::test]
async fn a_killed_maker_leaves_no_half_made_template() {
    let files = [NOTES, &[("3_slow.sql", "SELECT pg_sleep(0.2)")]].concat();
    let suite = Suite::new("killed", &files).await;
    for round in 0..12_u64 {
        // Sessions and the children's backends may still be in the last one.
        let base = format!("killed{round}");
        let mut child = start(&base, &suite.dir, false);
        if round % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(40 * round)).await;
        } else {
            // A machine that is busy elsewhere may miss it.
            while !is_half_made(&base).await && child.try_wait().unwrap().is_none() {}
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if leaves_only_whole_ones(&base).await {
            let made = made(start(&base, &suite.dir, false));
            let now = databases(&format!("{base}_")).await;
            assert_eq!(now.len(), 1, "{now:?}");
            assert!(made.starts_with(&*now[0]));
        }
    }
}

#[tokio::test]
async fn clones_of_a_killed_process_are_dropped_by_the_next() {
    let suite = Suite::new("reaped", NOTES).await;
    let mut child = start("reaped", &suite.dir, true);
    until_cloned(&mut child, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let is_clone = |name: &String| name.contains("_heirloom_r") && name.matches('_').count() == 3;
    let left = databases("reaped_").await;
    assert!(
        left.iter().filter(|name| is_clone(name)).count() >= 3,
        "{left:?}"
    );
    let config = app("reaped");
    let mut here = Suite::of(&suite.dir, "children").await;
    let (source, _) = ensure(&config, &here.wanted(Purpose::Source))
        .await
        .unwrap();
    // The server notices a while after it that the process is dead.
    let started = Instant::now();
    while databases("reaped_").await.iter().any(is_clone) {
        assert!(started.elapsed() < Duration::from_mins(1));
        drop(Clones::open(&config, &source).await.unwrap());
    }
    here.dir = PathBuf::new();
}
