//! Sessions that follow a script and note what was asked of them: opening, use, taking and giving back, without a
//! database and without time.

mod script;

use super::session::{AnySession as _, InUse, Session, Terms};
use super::sessions::{self, Ask, Sessions, Setup};
use crate::error::{Asker, Error, Place, Why};
use crate::isolation::{Schema, Verdict};
use crate::owner::{Checkin, Checkout, DIRECTORY, Evicted, Owner, RepoId, Role};
use script::{Opens, Scripted, World};
use std::sync::Arc;
use std::time::Duration;

const HERE: Place = Place {
    file: "tests/story.rs",
    line: 3,
    column: 1,
};

/// A place for each who asks, so that errors can be seen to name the right one.
const fn line(line: u32) -> Place {
    Place {
        file: "src/app.rs",
        line,
        column: 5,
    }
}

fn ask(repo: &'static str, at: u32) -> Ask {
    Ask {
        repo: RepoId {
            name: repo,
            database: "scripted",
        },
        terms: Terms::default(),
        config: Terms::default(),
        asked_at: Some(line(at)),
    }
}

/// An owner whose registry entry goes with it, so that tests do not see each other's.
struct Running(Owner);

impl Running {
    fn new(name: &str) -> Self {
        Self(Owner::begin(name, HERE))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}

type Entered = Result<(Arc<Session<Scripted>>, InUse), Error>;

async fn enter(owner: &Running, ask: &Ask, world: &World) -> Entered {
    sessions::enter(&owner.0, ask, |_| world.open()).await
}

async fn checkout(
    owner: &Running,
    role: Role,
    ask: &Ask,
    world: &World,
) -> Result<Checkout, Error> {
    sessions::checkout(&owner.0, role, ask, |_| world.open()).await
}

/// What a mode change or a checkin does, in its two steps.
async fn evict(owner: &Running, repo: RepoId, why: Why) -> Result<(), Error> {
    let (checkin, ticket) =
        DIRECTORY.write(|registry| registry.checkin(owner.0.id(), Role::Owner, repo));
    assert_eq!(checkin, Checkin::Ok);
    let evicted = Evicted {
        owner: owner.0.id(),
        repo,
        ticket: ticket.expect("a checkin that is ok has a ticket"),
    };
    let by = Some(Asker::now(Some(line(99))));
    let session = sessions::take(&owner.0, evicted, why, by).expect("the session is there");
    sessions::close(vec![session]).await
}

#[tokio::test]
async fn a_session_opens_on_first_use_and_once() {
    let (owner, world) = (Running::new("opens"), World::new([Opens::Well]));
    let first = enter(&owner, &ask("a", 1), &world).await.expect("opens");
    let second = enter(&owner, &ask("a", 2), &world).await.expect("is open");
    assert!(Arc::ptr_eq(&first.0, &second.0));
    assert_eq!(world.log(), ["open 1"]);
}

#[tokio::test]
async fn those_who_come_while_it_opens_wait_for_the_same_one() {
    let (owner, world) = (Running::new("waits"), World::new([Opens::WhenTold]));
    let (a1, a2) = (ask("a", 1), ask("a", 2));
    let (first, second, ()) = tokio::join!(
        enter(&owner, &a1, &world),
        enter(&owner, &a2, &world),
        async { world.tell() }
    );
    assert!(Arc::ptr_eq(
        &first.expect("opens").0,
        &second.expect("opens").0
    ));
    assert_eq!(world.log(), ["open 1"]);
}

#[tokio::test]
async fn one_that_cannot_be_opened_is_forgotten_and_the_next_use_tries_again() {
    let owner = Running::new("fails");
    let world = World::new([Opens::Badly, Opens::Well]);
    let error = enter(&owner, &ask("a", 1), &world).await.err();
    assert!(matches!(error, Some(Error::Database { .. })), "{error:?}");
    let held = DIRECTORY.write(|r| r.checkin(owner.0.id(), Role::Owner, ask("a", 1).repo));
    assert_eq!(held, (Checkin::NotFound, None));
    enter(&owner, &ask("a", 2), &world).await.expect("opens");
    assert_eq!(world.log(), ["open 1: fails", "open 2"]);
}

#[tokio::test]
async fn whoever_waited_for_one_that_failed_opens_another() {
    let owner = Running::new("another");
    let world = World::new([Opens::Badly, Opens::Well]);
    let (a1, a2) = (ask("a", 1), ask("a", 2));
    let (first, second) = tokio::join!(enter(&owner, &a1, &world), enter(&owner, &a2, &world));
    assert!(first.is_err());
    let (session, _in_use) = second.expect("opens another");
    assert!(session.gate().closed().is_none());
    let again = enter(&owner, &ask("a", 3), &world).await.expect("open");
    assert!(Arc::ptr_eq(&session, &again.0), "both use the owner's one");
}

#[tokio::test]
async fn an_opening_that_is_dropped_leaves_it_to_the_next() {
    let owner = Running::new("dropped");
    let world = World::new([Opens::WhenTold, Opens::Well]);
    let a1 = ask("a", 1);
    {
        let mut opening = std::pin::pin!(enter(&owner, &a1, &world));
        let polled = futures_poll(opening.as_mut()).await;
        assert!(polled.is_none(), "it waits to be told");
    }
    enter(&owner, &ask("a", 2), &world).await.expect("opens");
    assert_eq!(world.log(), ["open 1: dropped", "open 2"]);
}

async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn taking_cuts_its_users_short_then_rolls_back_and_tells_everybody_why() {
    let (owner, world) = (Running::new("story::taken"), World::new([Opens::Well]));
    let (_, in_use) = enter(&owner, &ask("a", 7), &world).await.expect("opens");
    let why = Why::ModeChanged("Manual".to_owned());
    evict(&owner, ask("a", 1).repo, why).await.expect("closes");
    assert_eq!(world.log(), ["open 1", "revoke 1", "checkin 1: RollBack"]);

    let late = enter(&owner, &ask("a", 8), &world).await.err();
    let late = late.expect("is gone").to_string();
    let told = in_use.explain(sqlx::Error::PoolClosed);
    let told = Error::from_sqlx(&told).expect("ours").to_string();
    for text in [&late, &told] {
        for part in [
            "repo `a`",
            "`story::taken`, started at tests/story.rs:3:1",
            "a change of the repo's mode to Manual",
            "at src/app.rs:99:5",
            "opened by",
            "used just then: by",
            "at src/app.rs:7:5",
            "help: ",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
    assert!(
        late.contains("asked by") && late.contains("src/app.rs:8:5"),
        "{late}"
    );
}

#[tokio::test]
async fn errors_that_have_another_cause_stay_what_they_are() {
    let (owner, world) = (Running::new("other"), World::new([Opens::Well]));
    let (_, in_use) = enter(&owner, &ask("a", 1), &world).await.expect("opens");
    let same = in_use.explain(sqlx::Error::PoolClosed);
    assert!(matches!(same, sqlx::Error::PoolClosed), "nobody took it");
    evict(&owner, ask("a", 1).repo, Why::CheckedIn)
        .await
        .expect("closes");
    let same = in_use.explain(sqlx::Error::RowNotFound);
    assert!(
        matches!(same, sqlx::Error::RowNotFound),
        "not for want of a session"
    );
}

#[tokio::test]
async fn a_checkin_that_goes_wrong_is_told_and_the_session_is_gone_all_the_same() {
    let (owner, world) = (
        Running::new("wrong"),
        World::new([Opens::Well, Opens::Well]),
    );
    world.close_badly(true);
    enter(&owner, &ask("a", 1), &world).await.expect("opens");
    let error = evict(&owner, ask("a", 1).repo, Why::CheckedIn).await.err();
    assert!(matches!(error, Some(Error::StillHeld { .. })), "{error:?}");
    let late = enter(&owner, &ask("a", 2), &world).await.err();
    assert!(matches!(late, Some(Error::SessionEnded { .. })), "{late:?}");
}

#[tokio::test]
async fn after_a_checkin_only_a_checkout_opens_a_new_one() {
    let owner = Running::new("anew");
    let world = World::new([Opens::Well, Opens::Well]);
    let a = ask("a", 1);
    assert_eq!(
        checkout(&owner, Role::Owner, &a, &world).await.ok(),
        Some(Checkout::New)
    );
    let again = checkout(&owner, Role::Owner, &a, &world).await.ok();
    assert_eq!(again, Some(Checkout::AlreadyOwner));
    let heir = checkout(&owner, Role::Heir, &a, &world).await.ok();
    assert_eq!(heir, Some(Checkout::AlreadyAllowed));
    evict(&owner, a.repo, Why::CheckedIn).await.expect("closes");
    assert!(enter(&owner, &a, &world).await.is_err());
    let heir = checkout(&owner, Role::Heir, &a, &world).await.ok();
    assert_eq!(
        heir,
        Some(Checkout::AlreadyAllowed),
        "an heir opens nothing"
    );
    assert!(enter(&owner, &a, &world).await.is_err());
    assert_eq!(
        checkout(&owner, Role::Owner, &a, &world).await.ok(),
        Some(Checkout::New)
    );
    enter(&owner, &a, &world).await.expect("is open");
    let log = world.log();
    assert_eq!(log[..3], ["open 1", "revoke 1", "checkin 1: RollBack"]);
    assert_eq!(log.last().map(String::as_str), Some("open 2"));
}

#[tokio::test]
async fn time_takes_only_the_session_that_it_was_set_for() {
    let owner = Running::new("time");
    let world = World::new([Opens::Well, Opens::Well]);
    let a = ask("a", 1);
    let (first, in_use) = enter(&owner, &a, &world).await.expect("opens");
    drop(in_use);
    evict(&owner, a.repo, Why::CheckedIn).await.expect("closes");
    assert_eq!(
        checkout(&owner, Role::Owner, &a, &world).await.ok(),
        Some(Checkout::New)
    );
    let first: Arc<dyn super::session::AnySession> = first;
    first.expire();
    enter(&owner, &a, &world)
        .await
        .expect("the second is not the one whose time is up");
    let second = enter(&owner, &a, &world).await.expect("open").0;
    let second: Arc<dyn super::session::AnySession> = second;
    second.expire();
    second.expire();
    let error = enter(&owner, &a, &world).await.err().expect("is gone");
    let text = error.to_string();
    for part in [
        "held for longer than its `ownership_timeout` of 120s",
        "last used: by",
        "ownership_timeout",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert_eq!(world.log().last().map(String::as_str), Some("revoke 2"));
}

#[tokio::test]
async fn a_session_whose_time_was_up_is_closed_before_the_next_opens() {
    let owner = Running::new("closed");
    let world = World::new([Opens::Well, Opens::Well]);
    let a = ask("a", 1);
    let (session, in_use) = enter(&owner, &a, &world).await.expect("opens");
    drop(in_use);
    (session as Arc<dyn super::session::AnySession>).expire();
    assert_eq!(
        checkout(&owner, Role::Owner, &a, &world).await.ok(),
        Some(Checkout::New)
    );
    assert_eq!(
        world.log(),
        ["open 1", "revoke 1", "checkin 1: RollBack", "open 2"]
    );
}

#[tokio::test]
async fn while_one_that_was_taken_is_still_held_there_is_no_new_one() {
    let owner = Running::new("held");
    let world = World::new([Opens::Well, Opens::Well]);
    let a = ask("a", 1);
    let (session, in_use) = enter(&owner, &a, &world).await.expect("opens");
    drop(in_use);
    (session as Arc<dyn super::session::AnySession>).expire();
    world.close_badly(true);
    let outside = Ask {
        terms: Terms {
            sandbox: Some(false),
            ..Terms::default()
        },
        ..a.clone()
    };
    let error = checkout(&owner, Role::Owner, &outside, &world).await.err();
    assert!(matches!(error, Some(Error::StillHeld { .. })), "{error:?}");
    let held = DIRECTORY.write(|r| r.checkin(owner.0.id(), Role::Owner, a.repo));
    assert_eq!(held, (Checkin::NotFound, None));
    world.close_badly(false);
    let again = checkout(&owner, Role::Owner, &a, &world).await.ok();
    assert_eq!(again, Some(Checkout::New));
    let (session, _in_use) = enter(&owner, &a, &world).await.expect("is open");
    assert!(
        session.facts().sandbox(),
        "the terms of the one that failed are forgotten"
    );
}

#[tokio::test]
async fn the_end_gives_everything_back_once_and_lets_nobody_in() {
    let owner = Running::new("story::end");
    let world = World::new([Opens::Well, Opens::Well]);
    enter(&owner, &ask("a", 1), &world).await.expect("opens");
    enter(&owner, &ask("b", 2), &world).await.expect("opens");
    owner.0.close(HERE, Some(Asker::now(Some(line(50)))));
    for _ in 0..2 {
        sessions::checkin_all(&owner.0, Verdict::Keep, Duration::ZERO).await;
    }
    let text = enter(&owner, &ask("a", 3), &world)
        .await
        .err()
        .expect("ended")
        .to_string();
    for part in [
        "story::end",
        "ended by: ",
        "src/app.rs:50:5",
        "src/app.rs:3:5",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert_eq!(
        world.log(),
        ["open 1", "open 2", "checkin 1: Keep", "checkin 2: Keep"]
    );
}

#[tokio::test]
async fn one_that_opens_while_its_owner_ends_is_discarded() {
    let (owner, world) = (Running::new("late"), World::new([Opens::WhenTold]));
    let a = ask("a", 1);
    let (entered, ()) = tokio::join!(enter(&owner, &a, &world), async {
        owner.0.close(HERE, None);
        sessions::checkin_all(&owner.0, Verdict::Discard, Duration::ZERO).await;
        world.tell();
    });
    assert!(matches!(entered, Err(Error::OwnerEnded { .. })));
    drop(entered);
    assert_eq!(world.log(), ["open 1", "dropped 1"]);
}

#[tokio::test]
async fn one_that_opens_while_it_is_taken_is_used_by_nobody() {
    let (owner, world) = (Running::new("early"), World::new([Opens::WhenTold]));
    let a = ask("a", 1);
    // The checkin waits for it, so that nothing comes into being afterwards.
    let (entered, evicted, ()) = tokio::join!(
        enter(&owner, &a, &world),
        evict(&owner, a.repo, Why::CheckedIn),
        async { world.tell() }
    );
    evicted.expect("closes");
    assert!(matches!(entered, Err(Error::SessionEnded { .. })));
    assert_eq!(world.log(), ["open 1", "checkin 1: RollBack"]);
}

#[tokio::test]
async fn an_owner_that_is_let_go_cuts_its_users_short_and_goes_with_the_last() {
    let (owner, world) = (Running::new("let go"), World::new([Opens::Well]));
    let (session, in_use) = enter(&owner, &ask("a", 1), &world).await.expect("opens");
    owner.0.close(HERE, None);
    sessions::abandon(&owner.0);
    assert_eq!(world.log(), ["open 1", "revoke 1"]);
    drop((session, in_use));
    assert_eq!(world.log(), ["open 1", "revoke 1", "dropped 1"]);
}

#[tokio::test]
async fn terms_are_those_of_the_checkout_then_the_owners_then_the_repos() {
    let seconds = |seconds| Terms {
        limit: Some(Duration::from_secs(seconds)),
        ..Terms::default()
    };
    let limit_of = async |checkout_terms, owner_terms, config| {
        let owner = Running::new("terms");
        owner.0.attachment::<Sessions>().set_up(Setup {
            package: String::new(),
            named: None,
            fallback: Schema::Empty,
            fixtures: Vec::new(),
            terms: owner_terms,
        });
        let world = World::new([Opens::Well]);
        let wanted = Ask {
            terms: checkout_terms,
            config,
            ..ask("a", 1)
        };
        let (session, _in_use) = enter(&owner, &wanted, &world).await.expect("opens");
        session.facts().terms.limit
    };
    let (none, some) = (Terms::default(), |s| Some(Duration::from_secs(s)));
    assert_eq!(limit_of(seconds(1), seconds(2), seconds(3)).await, some(1));
    assert_eq!(limit_of(none, seconds(2), seconds(3)).await, some(2));
    assert_eq!(limit_of(none, none, seconds(3)).await, some(3));
    assert_eq!(limit_of(none, none, none).await, None);
}

#[tokio::test]
async fn many_tasks_and_one_who_takes_it_agree_on_who_was_inside() {
    let owner = Arc::new(Running::new("many"));
    let world = Arc::new(World::new([Opens::Well]));
    let users: Vec<_> = (1..=50)
        .map(|number| {
            let (owner, world) = (Arc::clone(&owner), Arc::clone(&world));
            tokio::spawn(async move {
                let entered = enter(&owner, &ask("a", number), &world).await;
                // Everybody is in, or was told, before anybody leaves.
                tokio::task::yield_now().await;
                entered.map(|_| ())
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let session = owner.0.attachment::<Sessions>().clone_of_slots().remove(0);
    let inside = session.gate().users().0.len();
    assert_eq!(inside, 50);
    evict(&owner, ask("a", 1).repo, Why::CheckedIn)
        .await
        .expect("closes");
    for user in users {
        user.await
            .expect("no panic")
            .expect("was in before it was taken");
    }
    let text = enter(&owner, &ask("a", 60), &world)
        .await
        .err()
        .expect("gone")
        .to_string();
    assert_eq!(text.matches("used just then: by").count(), 50, "{text}");
}
