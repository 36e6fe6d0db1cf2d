use super::*;
use crate::error::Place;

const HERE: Place = Place {
    file: "tests/story.rs",
    line: 3,
    column: 10,
};

fn ready<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

fn current() -> Option<String> {
    context::current().map(|owner| owner.name().to_owned())
}

#[test]
fn work_is_its_owners_wherever_it_is_restored_until_the_owner_ends() {
    let ada = Owner::begin("context::ada", HERE);
    let bob = Owner::begin("context::bob", HERE);
    let entered = ada.enter();
    let of_ada = OwnerContext::capture();
    drop(entered);
    assert_eq!(of_ada, OwnerContext::from(&ada));
    let written = of_ada.to_string();
    let read: OwnerContext = written.parse().expect("what was written");
    assert_eq!(read.owner().expect("it runs"), Some(ada.clone()));
    let entered = bob.enter();
    let restored = read.restore(async { current() }).expect("it runs");
    assert_eq!(ready(restored).as_deref(), Some("context::ada"));
    let restored = read.restore_fn(current).expect("it runs");
    assert_eq!(restored().as_deref(), Some("context::ada"));
    drop(entered);

    ada.close(HERE, None);
    ada.end();
    let error = read.restore(async {}).err().expect("it has ended");
    let error = error.to_string();
    assert!(error.contains("`context::ada`"), "{error}");
    assert!(!error.contains(&written), "{error}");
    bob.close(HERE, None);
    bob.end();
}

#[test]
fn restored_work_counts_as_its_owners() {
    let ada = Owner::begin("context::counted", HERE);
    let work = OwnerContext::from(&ada).restore(std::future::pending::<()>());
    let tasks = || ada.work::<crate::task::Tracker>().unfinished().len();
    assert_eq!(tasks(), 1);
    drop(work);
    assert_eq!(tasks(), 0);
    ada.close(HERE, None);
    ada.end();
}

#[test]
fn nobodys_work_is_that_of_whoever_restores_it() {
    let nobody = OwnerContext::capture();
    assert_eq!(nobody, OwnerContext::default());
    assert_eq!(nobody.to_string(), "");
    assert_eq!("".parse::<OwnerContext>().expect("nobody"), nobody);
    assert_eq!(nobody.owner().expect("nobody"), None);
    let ada = Owner::begin("context::worker", HERE);
    let entered = ada.enter();
    let restored = nobody.restore(async { current() }).expect("nobody's");
    drop(entered);
    assert_eq!(ready(restored).as_deref(), Some("context::worker"));
    ada.close(HERE, None);
    ada.end();
}

#[test]
fn what_is_no_context_is_refused_and_a_strangers_is_unknown() {
    for text in ["x", "0123", &"g".repeat(32), &"0".repeat(33)] {
        let error = text.parse::<OwnerContext>().expect_err("it is none");
        assert!(matches!(error, Error::NotAContext), "{error}");
        assert!(!error.to_string().contains(text) || text == "x", "{error}");
    }
    let stranger: OwnerContext = "0".repeat(32).parse().expect("it looks like one");
    let error = stranger.restore(async {}).err().expect("nobody has it");
    assert!(matches!(error, Error::UnknownToken { .. }), "{error}");
}

#[test]
fn the_token_is_hidden_from_debug() {
    let ada = Owner::begin("context::debug", HERE);
    let shown = format!(
        "{:?} {:?}",
        OwnerContext::from(&ada),
        OwnerContext::default()
    );
    assert_eq!(shown, "OwnerContext(..) OwnerContext(nobody)");
    ada.close(HERE, None);
    ada.end();
}
