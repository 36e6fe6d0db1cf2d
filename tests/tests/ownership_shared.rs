//! Tests that run alone and lend their sessions to everybody. A binary of its own: every test of the process waits for
//! them.

use heirloom::{Error, Mode, ModeChange, Repo, Sandbox, Test};
use heirloom_tests::{
    MIGRATOR, child, count, empty_dir, failure_of, file_of, first_line, insert, nobodys, ours,
    runtime, says, test, wait_until,
};
use sqlx::Sqlite;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

static REPO: Repo<Sqlite> = Repo::new();
static SECOND: Repo<Sqlite> = Repo::named("shared_second").migrator(&MIGRATOR);

const CHILD: &str = env!("CARGO_BIN_EXE_heirloom-child");
const TMP: &str = env!("CARGO_TARGET_TMPDIR");
const ADA: &str = "ada@example.org";

/// The tests of this file look at what is left of their own shared ones, so they run one by one.
static ONE_BY_ONE: Mutex<()> = Mutex::new(());

fn one_by_one() -> MutexGuard<'static, ()> {
    ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever waits to be alone holds this lock meanwhile.
fn somebody_waits_to_be_alone(dir: &Path) -> Result<(), String> {
    let lock = File::open(dir.join("turn.lock")).map_err(|error| error.to_string())?;
    for _ in 0..100 {
        // Those who do not wait hold it for an instant.
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.to_string()),
            Ok(()) => {
                lock.unlock().map_err(|error| error.to_string())?;
                return Err("nobody waits".to_owned());
            }
        }
    }
    Ok(())
}

#[test]
fn it_waits_for_the_tests_that_run_when_it_starts() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let _turn = one_by_one();
    let mut alone = None;
    let waiting = &mut alone;
    drop(test("shared::runs_first").run(|_: Sandbox| async move {
        let file = file_of(&REPO).await?;
        let dir = file.ancestors().nth(3).expect("heirloom's directory");
        let alone = std::thread::spawn(|| {
            drop(test("shared::waits").shared().run(|_: Sandbox| async move {
                assert!(ENDED.load(SeqCst), "the other one is over");
                Ok(())
            }));
        });
        wait_until(|| somebody_waits_to_be_alone(dir));
        *waiting = Some(alone);
        ENDED.store(true, SeqCst);
        Ok(())
    }));
    let alone = alone.expect("started");
    alone.join().expect("it passes");
}

#[test]
fn nothing_runs_beside_it_however_many_start_at_once() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static ALONE: AtomicUsize = AtomicUsize::new(0);
    static TOGETHER: AtomicUsize = AtomicUsize::new(0);
    async fn beside_others(most: impl Fn() -> bool) {
        for _ in 0..20 {
            assert!(most(), "{RUNNING:?} run, {ALONE:?} of them alone");
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
    }
    fn one(number: usize, thread: usize) {
        if (number + thread).is_multiple_of(4) {
            let alone = test(&format!("shared::alone_{number}")).shared();
            drop(alone.run(|_: Sandbox| async move {
                RUNNING.fetch_add(1, SeqCst);
                ALONE.fetch_add(1, SeqCst);
                beside_others(|| RUNNING.load(SeqCst) == 1).await;
                ALONE.fetch_sub(1, SeqCst);
                RUNNING.fetch_sub(1, SeqCst);
                Ok(())
            }));
        } else {
            drop(test("shared::others").run(|_: Sandbox| async move {
                if RUNNING.fetch_add(1, SeqCst) > 0 {
                    TOGETHER.fetch_add(1, SeqCst);
                }
                beside_others(|| ALONE.load(SeqCst) == 0).await;
                RUNNING.fetch_sub(1, SeqCst);
                Ok(())
            }));
        }
    }
    let _turn = one_by_one();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || (0..40).for_each(|number| one(number, thread)));
        }
    });
    assert!(TOGETHER.load(SeqCst) > 0, "or the counters show nothing");
}

fn start(scenario: &str, name: &str, dir: &Path) -> Child {
    let child = child(CHILD, &[scenario, name], dir).spawn();
    child.expect("a child")
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

fn order(dir: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(dir.join("order.log")).expect("a log");
    log.lines().map(str::to_owned).collect()
}

#[test]
fn between_processes_it_waits_for_others_and_those_who_come_later_wait_for_it() {
    let _turn = one_by_one();
    let dir = empty_dir(TMP, "shared_processes");
    let mut first = start("turn", "first", &dir);
    let mut beside = start("turn", "beside", &dir);
    assert_eq!(first_line(&mut first), "in");
    assert_eq!(first_line(&mut beside), "in", "they run together");
    let mut alone = start("turn-alone", "alone", &dir);
    wait_until(|| somebody_waits_to_be_alone(&dir));
    let mut later = start("turn", "later", &dir);
    end(first);
    assert!(
        !order(&dir).contains(&"alone in".to_owned()),
        "one still runs"
    );
    end(beside);
    assert_eq!(first_line(&mut alone), "in");
    end(alone);
    assert_eq!(first_line(&mut later), "in");
    end(later);
    let order = order(&dir);
    let at = |line: &str| order.iter().position(|one| one == line).expect("written");
    assert!(
        at("first out").max(at("beside out")) < at("alone in"),
        "{order:?}"
    );
    assert!(at("alone out") < at("later in"), "{order:?}");
}

#[test]
fn a_process_that_is_killed_with_its_turn_or_while_waiting_blocks_nobody() {
    let _turn = one_by_one();
    let dir = empty_dir(TMP, "shared_killed");
    let mut killed = start("turn-alone", "killed", &dir);
    assert_eq!(first_line(&mut killed), "in");
    let mut waits = start("turn-alone", "waits", &dir);
    wait_until(|| somebody_waits_to_be_alone(&dir));
    for child in [&mut waits, &mut killed] {
        child.kill().expect("kill -9");
        child.wait().expect("it is dead");
    }
    for (scenario, name) in [("turn-alone", "next"), ("turn", "other")] {
        let mut next = start(scenario, name, &dir);
        assert_eq!(first_line(&mut next), "in");
        end(next);
    }
    assert_eq!(
        order(&dir),
        ["killed in", "next in", "next out", "other in", "other out"]
    );
}

#[test]
fn nobodys_tasks_and_threads_use_its_sessions_on_every_repo_and_are_told_afterwards() {
    let _turn = one_by_one();
    let fresh = runtime("shared_everybody");
    let line = line!() + 1;
    drop(test("shared::lends").shared().run(|_: Sandbox| async move {
        insert(&REPO, ADA).await?;
        assert_eq!(fresh.spawn(count(&REPO)).await??, 1);
        fresh.spawn(insert(&SECOND, ADA)).await??;
        assert_eq!(count(&SECOND).await?, 1);
        let thread = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .expect("a runtime")
                .block_on(insert(&REPO, "bob@example.org"))
        });
        // The thread's query needs nothing of this runtime.
        thread.join().expect("no panic")?;
        assert_eq!(count(&REPO).await?, 2);
        Ok(())
    }));
    for repo in [&REPO, &SECOND] {
        let error = fresh.block_on(fresh.spawn(count(repo)));
        let error = error.expect("no panic").expect_err("nobody's again");
        assert!(matches!(ours(&error), Error::Ownership { .. }));
        says(
            ours(&error),
            &[
                "it was shared by `shared::lends`",
                &format!("started at {}:{line}:", file!()),
                "which ended",
            ],
        );
    }
}

#[test]
fn inside_a_test_it_is_refused_with_the_way_out() {
    let _turn = one_by_one();
    let run = |outer: Test| {
        failure_of(|| {
            outer.run(|_: Sandbox| async move {
                drop(
                    test("shared::inner")
                        .shared()
                        .run(|_: Sandbox| async { Ok(()) }),
                );
                Ok(())
            })
        })
    };
    for outer in [test("shared::outer"), test("shared::outer_alone").shared()] {
        let text = run(outer);
        println!("{text}");
        for part in [
            "`shared::inner` is to run alone",
            "inside a running test",
            file!(),
            "help: run it by itself",
        ] {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
    }
    // Nobody is left waiting for the turn that was refused.
    drop(
        test("shared::afterwards")
            .shared()
            .run(|_: Sandbox| async { Ok(()) }),
    );
}

#[test]
fn a_shared_test_that_fails_gives_up_its_turn_and_its_mode() {
    let _turn = one_by_one();
    let text = failure_of(|| {
        test("shared::fails").shared().run(|_: Sandbox| async move {
            assert_eq!(nobodys().spawn(count(&SECOND)).await??, -1, "as planned");
            Ok(())
        })
    });
    assert!(text.contains("as planned"), "{text}");
    drop(test("shared::is_next").run(|_: Sandbox| async move {
        assert_eq!(REPO.mode(), Mode::Manual);
        Ok(())
    }));
}

/// Does this on a thread of its own, which may take half a minute.
fn in_time(what: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(what);
    wait_until(|| {
        (thread.is_finished())
            .then_some(())
            .ok_or_else(|| "it hangs".to_owned())
    });
    thread.join().expect("it passes");
}

/// Runs a test on a thread that is an heir of the one that runs.
async fn runs_a_test_inside(name: &'static str) -> Result<(), tokio::task::JoinError> {
    let inner = move || {
        let mut ran = false;
        let out = &mut ran;
        drop(test(name).run(|sandbox: Sandbox| async move {
            insert(&REPO, ADA).await?;
            assert_eq!(count(&REPO).await?, 1, "it has a session of its own");
            assert_eq!(sandbox.name(), name);
            *out = true;
            Ok(())
        }));
        assert!(ran);
    };
    tokio::task::spawn_blocking(inner).await
}

#[test]
fn a_test_on_a_blocking_thread_of_a_shared_one_is_part_of_it() {
    let _turn = one_by_one();
    in_time(|| {
        drop(
            test("shared::contains")
                .shared()
                .run(|_: Sandbox| async move {
                    insert(&REPO, ADA).await?;
                    runs_a_test_inside("shared::contained").await?;
                    assert_eq!(count(&REPO).await?, 1);
                    assert_eq!(nobodys().spawn(count(&REPO)).await??, 1, "still shared");
                    Ok(())
                }),
        );
    });
}

#[test]
fn a_test_on_a_blocking_thread_of_another_is_part_of_it_while_a_shared_one_waits() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let _turn = one_by_one();
    in_time(|| {
        let mut alone = None;
        let waiting = &mut alone;
        drop(test("shared::runs_others").run(|_: Sandbox| async move {
            runs_a_test_inside("shared::inner_before").await?;
            let file = file_of(&REPO).await?;
            let dir = file.ancestors().nth(3).expect("heirloom's directory");
            *waiting = Some(std::thread::spawn(|| {
                drop(test("shared::comes").shared().run(|_: Sandbox| async move {
                    assert!(ENDED.load(SeqCst), "the other one is over");
                    Ok(())
                }));
            }));
            wait_until(|| somebody_waits_to_be_alone(dir));
            runs_a_test_inside("shared::inner_meanwhile").await?;
            ENDED.store(true, SeqCst);
            Ok(())
        }));
        alone.expect("started").join().expect("it passes");
    });
}

#[test]
fn it_shares_a_repo_whose_mode_was_set_before_and_leaves_that_mode_as_it_was() {
    static SET: Repo<Sqlite> = Repo::named("shared_set_before").migrator(&MIGRATOR);
    let _turn = one_by_one();
    let shares = || {
        drop(
            test("shared::shares_all")
                .shared()
                .run(|sandbox: Sandbox| async move {
                    insert(&SET, ADA).await?;
                    assert_eq!(SET.mode(), Mode::Shared(sandbox.owner().clone()));
                    assert_eq!(nobodys().spawn(count(&SET)).await??, 1);
                    Ok(())
                }),
        );
    };
    drop(test("shared::by_hand").run(|sandbox: Sandbox| async move {
        insert(&SET, ADA).await?;
        let mode = Mode::Shared(sandbox.owner().clone());
        assert_eq!(SET.set_mode(mode).await?, ModeChange::Ok);
        Ok(())
    }));
    assert_eq!(SET.mode(), Mode::Manual, "its owner has ended");
    shares();
    assert_eq!(SET.mode(), Mode::Manual);
    for mode in [Mode::Auto, Mode::Manual] {
        let change = nobodys().block_on(SET.set_mode(mode.clone()));
        assert_eq!(change.expect("set"), ModeChange::Ok);
        shares();
        assert_eq!(SET.mode(), mode);
    }
}

#[test]
fn a_mode_that_is_set_while_it_runs_ends_with_it() {
    static SET: Repo<Sqlite> = Repo::named("shared_set_meanwhile").migrator(&MIGRATOR);
    let _turn = one_by_one();
    drop(test("shared::sets").shared().run(|_: Sandbox| async move {
        assert_eq!(SET.set_mode(Mode::Auto).await?, ModeChange::Ok);
        assert_eq!(SET.mode(), Mode::Auto);
        Ok(())
    }));
    assert_eq!(SET.mode(), Mode::Manual);
}

#[test]
fn one_whose_runtime_cannot_be_built_leaves_no_owner_and_shares_nothing() {
    let _turn = one_by_one();
    let panics = || {
        let none = test("shared::no_worker").multi_thread().worker_threads(0);
        none.shared().run(|_: Sandbox| async { Ok(()) })
    };
    let text = failure_of(panics);
    println!("{text}");
    let seen = heirloom::inspect();
    let left = seen
        .owners
        .iter()
        .any(|one| one.name == "shared::no_worker");
    assert!(!left, "{seen}");
    assert_eq!(REPO.mode(), Mode::Manual);
    // Its turn is over, too.
    in_time(|| {
        let next = test("shared::after_no_worker").shared();
        drop(next.run(|_: Sandbox| async { Ok(()) }));
    });
}
