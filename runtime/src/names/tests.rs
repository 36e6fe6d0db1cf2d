use super::{LONGEST, SUFFIX, readable};
use crate::error::Place;
use crate::owner::Owner;
use crate::scoped_name;
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::HashSet;

const HERE: Place = Place {
    file: "tests/story.rs",
    line: 3,
    column: 10,
};

/// Ends with the test.
struct Ends(Owner);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.close(HERE, None);
        self.0.end();
    }
}

fn owner() -> Ends {
    Ends(Owner::begin("names::t", HERE))
}

fn is_fit(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=LONGEST).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

#[test]
fn a_name_that_is_fit_stays_in_front() {
    let ada = owner();
    for (name, front) in [
        ("entries", "entries-"),
        ("orders.created/v2", "orders-created-v2-"),
        ("Ünïcode Topic", "n-code-topic-"),
        ("__", ""),
        ("", ""),
    ] {
        let scoped = ada.0.scoped_name(name);
        assert_eq!(scoped.len(), front.len() + SUFFIX, "{scoped}");
        assert!(scoped.starts_with(front) && is_fit(&scoped), "{scoped}");
    }
    let longest = ada.0.scoped_name(&"a".repeat(5_000));
    assert_eq!(longest.len(), LONGEST);
}

#[test]
fn words_that_look_alike_have_different_names() {
    let ada = owner();
    let long = "a".repeat(100);
    let longer = "a".repeat(101);
    let alike = [
        "a-b", "a_b", "a.b", "A-b", " a-b", "a--b", "é", "ö", "", &long, &longer,
    ];
    let names: HashSet<String> = alike.iter().map(|name| ada.0.scoped_name(name)).collect();
    assert_eq!(names.len(), alike.len(), "{names:?}");
}

#[test]
fn a_name_is_its_owners_alone_and_the_same_whenever_it_asks() {
    let (ada, bob) = (owner(), owner());
    assert_eq!(
        scoped_name("entries"),
        "entries",
        "nobody's is the word itself"
    );
    assert!(matches!(scoped_name("entries"), Cow::Borrowed(_)));
    let entered = ada.0.enter();
    assert_eq!(scoped_name("entries"), ada.0.scoped_name("entries"));
    drop(entered);
    assert_ne!(ada.0.scoped_name("entries"), bob.0.scoped_name("entries"));
}

#[test]
fn a_name_tells_nothing_of_the_token() {
    let ada = owner();
    let token = ada.0.token().to_string();
    let names: String = (0..200)
        .map(|it| ada.0.scoped_name(&it.to_string()))
        .collect();
    // Six digits in a row of a token are there by chance once in a thousand runs of 100,000 places; eight never.
    let parts = token.as_bytes().windows(8);
    let shown = parts.filter(|part| names.contains(str::from_utf8(part).expect("digits")));
    assert_eq!(shown.count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_name_is_fit_and_no_two_are_the_same(words in prop::collection::hash_set("(?s).{0,80}|[a-z0-9-]{0,70}", 0..8)) {
        let owners = [owner(), owner(), owner()];
        let mut names = HashSet::new();
        for owner in &owners {
            for word in &words {
                let scoped = owner.0.scoped_name(word);
                prop_assert!(is_fit(&scoped), "`{}`", scoped);
                prop_assert!(scoped.starts_with(&readable(word)));
                prop_assert_eq!(&scoped, &owner.0.scoped_name(word));
                prop_assert!(names.insert(scoped), "twice");
            }
        }
    }
}
