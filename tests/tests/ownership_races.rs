//! What ends while it is being opened leaves no file. A binary of its own, whose tests run one by one: it counts the
//! files of the process.

use heirloom::{Checkin, Checkout, FutureExt as _, Owner, Repo, Sandbox};
use heirloom_tests::{Random, count, file_of, files_below, test};
use sqlx::Sqlite;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

static REPO: Repo<Sqlite> = Repo::new();

const ROUNDS: usize = 400;

fn one_by_one() -> MutexGuard<'static, ()> {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The databases of this process, without what SQLite keeps beside one that is open.
fn databases(run: &Path) -> Vec<String> {
    let mut files = files_below(run);
    files.retain(|file| file.ends_with(".sqlite"));
    files
}

async fn a_moment(random: &mut Random) {
    for _ in 0..random.below(6) {
        tokio::task::yield_now().await;
    }
    for _ in 0..random.below(20_000) {
        std::hint::spin_loop();
    }
}

#[test]
fn an_owner_that_is_stopped_while_its_sessions_open_leaves_no_file() {
    let _turn = one_by_one();
    let mut random = Random::seeded();
    println!("{ROUNDS} rounds");
    let many = test("races::stops").multi_thread().worker_threads(2);
    drop(many.run(|_: Sandbox| async move {
        let own = file_of(&REPO).await?;
        let run = own.parent().expect("a directory");
        let before = databases(run);
        for round in 0..ROUNDS {
            let owner = Owner::start("races::stopped").await?;
            let uses = |_| {
                let used = async { count(&REPO).await.is_ok() };
                tokio::spawn(used.owned_by(&owner))
            };
            let uses: Vec<_> = (0..=round % 3).map(uses).collect();
            a_moment(&mut random).await;
            owner.stop().await?;
            assert_eq!(databases(run), before, "round {round}");
            for used in uses {
                used.await?;
            }
            assert_eq!(databases(run), before, "round {round}, later");
        }
        Ok(())
    }));
}

#[test]
fn a_session_that_is_given_back_while_it_opens_leaves_no_file() {
    let _turn = one_by_one();
    let mut random = Random::seeded();
    println!("{ROUNDS} rounds");
    let many = test("races::gives_back").multi_thread().worker_threads(2);
    drop(many.run(|sandbox: Sandbox| async move {
        let other = Owner::start("races::other").repo(&REPO).await?;
        let file = file_of(&REPO).owned_by(&other).await?;
        let run = file.parent().expect("a directory");
        let before = databases(run);
        let mut given_back = 0;
        for round in 0..ROUNDS {
            let checkout = async { REPO.checkout().await }.owned_by(sandbox.owner());
            let checkout = tokio::spawn(checkout);
            a_moment(&mut random).await;
            let back = REPO.checkin().await?;
            if back == Checkin::Ok {
                given_back += 1;
                assert_eq!(databases(run), before, "round {round}");
            }
            // It was made, or is told that it was taken.
            let made = checkout.await?.ok();
            let again = REPO.checkin().await?;
            let told = format!("round {round}: {back:?}, {made:?}, {again:?}");
            assert_eq!(databases(run), before, "{told}");
        }
        println!("given back {given_back} times");
        assert!(given_back > 0, "or this shows nothing");
        other.stop().await?;
        Ok(())
    }));
}

#[test]
fn a_checkout_and_a_checkin_that_one_task_awaits_together_leave_no_file() {
    let _turn = one_by_one();
    drop(test("races::together").run(|_: Sandbox| async move {
        let other = Owner::start("races::beside").repo(&REPO).await?;
        let file = file_of(&REPO).owned_by(&other).await?;
        let run = file.parent().expect("a directory");
        let before = databases(run);
        for round in 0..ROUNDS {
            let (checkout, back) = tokio::join!(REPO.checkout(), REPO.checkin());
            let back = back?;
            if back == Checkin::NotFound {
                assert_eq!(checkout?, Checkout::New);
                assert_eq!(REPO.checkin().await?, Checkin::Ok);
            }
            assert_eq!(databases(run), before, "round {round}");
        }
        other.stop().await?;
        Ok(())
    }));
}

#[test]
fn a_checkout_that_is_given_back_while_it_waits_for_the_session_before_opens_none() {
    let _turn = one_by_one();
    drop(test("races::waits").run(|_: Sandbox| async move {
        let other = Owner::start("races::near").repo(&REPO).await?;
        let file = file_of(&REPO).owned_by(&other).await?;
        let run = file.parent().expect("a directory");
        let before = databases(run);
        let held = REPO.acquire().await?;
        let mut first = Box::pin(REPO.checkin());
        let mut checkout = REPO.checkout().into_future();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending(), "it is held");
        assert!(checkout.as_mut().poll(&mut cx).is_pending(), "it waits");
        let second = REPO.checkin();
        drop(held);
        assert_eq!((first.await?, second.await?), (Checkin::Ok, Checkin::Ok));
        assert_eq!(databases(run), before, "both were given back");
        checkout.await.expect_err("it was taken");
        assert_eq!(databases(run), before, "nothing came into being afterwards");
        other.stop().await?;
        Ok(())
    }));
}
