//! An owner by itself: who it is, and that its life only moves forward.

use super::{Life, Owner};
use crate::error::{Error, Place, Subject};

const HERE: Place = Place {
    file: "tests/story.rs",
    line: 3,
    column: 10,
};
const THERE: Place = Place {
    file: "tests/story.rs",
    line: 9,
    column: 1,
};

#[test]
fn ids_are_never_used_again_and_tokens_differ() {
    let first = Owner::begin("a", HERE);
    let id = first.id();
    let token = *first.token();
    drop(first);
    let second = Owner::begin("a", HERE);
    assert!(second.id() > id);
    assert_ne!(second.token(), &token);
    assert_ne!(second, Owner::begin("a", HERE));
    assert_eq!(second.clone(), second);
}

#[test]
fn a_token_has_32_digits_and_is_not_in_debug_output() {
    let owner = Owner::begin("story::t", HERE);
    let token = owner.token().to_string();
    assert_eq!(token.len(), 32);
    assert!(token.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert!(!format!("{owner:?} {:?}", owner.token()).contains(&token));
    assert!(format!("{owner:?}").contains("tests/story.rs:3:10"));
}

#[test]
fn life_only_moves_forward_and_the_first_end_is_the_one_told() {
    let owner = Owner::begin("story::t", HERE);
    assert_eq!(owner.life(), Life::Running);
    assert!(owner.require_running(Subject::Context, Some(HERE)).is_ok());
    owner.close(THERE, None);
    owner.close(HERE, None);
    assert_eq!(owner.life(), Life::Closing);
    owner.end();
    owner.close(HERE, None);
    assert_eq!(owner.life(), Life::Ended);
    let Err(Error::OwnerEnded { ended, .. }) = owner.require_running(Subject::Context, Some(HERE))
    else {
        panic!("an ended owner is an error");
    };
    assert_eq!(ended.owner, "story::t");
    assert_eq!(ended.started_at, HERE);
    assert_eq!(ended.ended_at, THERE);
}

#[test]
fn an_ended_owner_is_named_with_times_and_places() {
    let owner = Owner::begin("story::t", HERE);
    owner.close(THERE, None);
    let text = owner
        .require_running(Subject::Repo("default"), Some(HERE))
        .expect_err("ended")
        .to_string();
    for part in [
        "`default`",
        "`story::t`",
        "tests/story.rs:3:10",
        "ago",
        "tests/story.rs:9:1",
        "help:",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[cfg(feature = "_database")]
#[test]
fn clones_share_what_is_attached() {
    use std::sync::atomic::Ordering;
    let owner = Owner::begin("a", HERE);
    owner.attachment::<Noted>().0.store(7, Ordering::Relaxed);
    assert_eq!(
        owner
            .clone()
            .attachment::<Noted>()
            .0
            .load(Ordering::Relaxed),
        7
    );
}

/// What a room above might attach.
#[cfg(feature = "_database")]
#[derive(Default)]
struct Noted(std::sync::atomic::AtomicU8);

#[cfg(feature = "_database")]
impl super::Attached for Noted {
    fn sessions(&self) -> Vec<crate::error::SessionView> {
        Vec::new()
    }
}
