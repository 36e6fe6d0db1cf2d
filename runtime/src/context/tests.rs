//! The look-up, carrier by carrier: who is current, and in which order.

use super::{SpanExt, current, layer, mark_this_thread, require_current};
use crate::context::CarrierError;
use crate::error::Error;
use crate::error::Place;
use crate::owner::Owner;
use crate::task::{ClosureExt, FutureExt, owned, owned_fn};
use std::sync::{Arc, Mutex};
use tracing::{Span, error_span, trace_span};
use tracing_subscriber::prelude::*;

fn owner(name: &str) -> Owner {
    let here = Place {
        file: "tests/story.rs",
        line: 1,
        column: 1,
    };
    Owner::begin(name, here)
}

fn with_layer<R>(f: impl FnOnce() -> R) -> R {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer()), f)
}

fn is(expected: &Owner) -> bool {
    current().as_ref() == Some(expected)
}

#[test]
fn the_innermost_scope_wins_and_leaving_restores_what_was_before() {
    let (a, b) = (owner("a"), owner("b"));
    assert_eq!(current(), None);
    let outer = a.enter();
    {
        let _inner = b.enter();
        assert!(is(&b));
    }
    assert!(is(&a));
    drop(outer);
    assert_eq!(current(), None);
}

#[test]
fn scopes_left_out_of_order_leave_only_themselves() {
    let (a, b, c) = (owner("a"), owner("b"), owner("c"));
    let (first, second, third) = (a.enter(), b.enter(), c.enter());
    drop(second);
    assert!(is(&c));
    drop(third);
    assert!(is(&a));
    drop(first);
    assert_eq!(current(), None);
}

#[test]
fn a_scope_is_left_when_its_code_panics() {
    let a = owner("a");
    let panicked = std::panic::catch_unwind(|| {
        let _scope = a.enter();
        panic!("inside");
    });
    assert!(panicked.is_err());
    assert_eq!(current(), None);
}

#[test]
fn a_thread_of_a_tests_runtime_is_an_heir_but_a_scope_is_closer() {
    let (a, b) = (owner("a"), owner("b"));
    let marked = mark_this_thread(a.clone());
    assert!(is(&a));
    {
        let _scope = b.enter();
        assert!(is(&b));
        let nested = mark_this_thread(owner("c"));
        assert!(is(&b));
        drop(nested);
    }
    assert!(is(&a));
    drop(marked);
    assert_eq!(current(), None);
}

#[test]
fn an_owned_future_is_its_owners_on_every_poll_and_on_drop() {
    let (a, seen) = (owner("a"), Arc::new(Mutex::new(Vec::new())));
    let witness = Witness(Arc::clone(&seen));
    let future = {
        let _scope = a.enter();
        owned(async move {
            let _witness = witness;
            tokio::task::yield_now().await;
            let first = current();
            tokio::task::yield_now().await;
            std::future::pending::<()>().await;
            first
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let task = tokio::spawn(future);
        tokio::task::yield_now().await;
        assert_eq!(current(), None, "between polls nothing is entered");
        task.abort();
        assert!(task.await.expect_err("aborted").is_cancelled());
    });
    assert_eq!(*seen.lock().expect("seen"), [Some(a)]);
}

/// Remembers who was current when it was dropped.
struct Witness(Arc<Mutex<Vec<Option<Owner>>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.lock().expect("seen").push(current());
    }
}

#[test]
fn an_owned_closure_is_its_owners_when_called_and_when_dropped_uncalled() {
    let (a, seen) = (owner("a"), Arc::new(Mutex::new(Vec::new())));
    let (called, dropped) = {
        let _scope = a.enter();
        let witness = Witness(Arc::clone(&seen));
        (owned_fn(current), owned_fn(move || drop(witness)))
    };
    assert_eq!(
        std::thread::spawn(called).join().expect("no panic"),
        Some(a.clone())
    );
    drop(dropped);
    assert_eq!(*seen.lock().expect("seen"), [Some(a)]);
    assert_eq!(current(), None);
}

#[test]
fn owned_by_names_an_owner_whoever_is_current() {
    let (a, b) = (owner("a"), owner("b"));
    let _scope = a.enter();
    assert_eq!(ClosureExt::owned_by(current, &b)(), Some(b.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    assert_eq!(runtime.block_on(async { current() }.owned_by(&b)), Some(b));
    assert!(is(&a));
}

#[test]
fn unowned_work_is_nobodys_even_on_a_marked_thread_and_the_error_tells_why() {
    let a = owner("a");
    let _marked = mark_this_thread(a);
    let scope = super::Carrier::unowned("a metrics poller").enter_once();
    let error = require_current().expect_err("nobody's");
    let text = error.to_string();
    assert!(matches!(error, Error::Ownership { .. }));
    for part in [
        "a metrics poller",
        file!(),
        "that of `a`",
        "remove the `#[unowned]`",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    drop(scope);
}

#[test]
fn a_span_carries_the_owner_that_was_current_when_it_was_made() {
    let a = owner("a");
    with_layer(|| {
        let span = {
            let _scope = a.enter();
            // The lowest level: only a filter on the whole subscriber may lose it.
            trace_span!("work")
        };
        assert_eq!(span.owner(), Ok(Some(a.clone())));
        assert_eq!(span.in_scope(current), Some(a));
        assert_eq!(current(), None);
    });
}

#[test]
fn a_root_span_carries_the_current_owner_too() {
    let a = owner("a");
    with_layer(|| {
        let _scope = a.enter();
        let span = error_span!(parent: None, "root");
        assert_eq!(span.owner(), Ok(Some(a.clone())));
    });
}

#[test]
fn an_explicit_parent_is_closer_than_a_link_and_than_the_thread() {
    let (a, b, c) = (owner("a"), owner("b"), owner("c"));
    with_layer(|| {
        let made_by = |owner: &Owner| {
            let _scope = owner.enter();
            error_span!("parent")
        };
        let (of_a, of_b) = (made_by(&a), made_by(&b));
        let _scope = c.enter();
        let child = error_span!(parent: &of_a, "child");
        child.follows_from(&of_b);
        assert_eq!(child.owner(), Ok(Some(a.clone())));
        let linked = error_span!(parent: None, "message");
        linked.follows_from(&of_b);
        linked.follows_from(&of_a);
        assert_eq!(linked.owner(), Ok(Some(b.clone())), "the first link counts");
    });
}

#[test]
fn a_link_to_a_span_without_an_owner_leaves_the_one_current_when_it_was_made() {
    let (a, b) = (owner("a"), owner("b"));
    with_layer(|| {
        let ownerless = error_span!("caller");
        let of_b = {
            let _scope = b.enter();
            error_span!("lifecycle")
        };
        let _scope = a.enter();
        let message = error_span!(parent: None, "message");
        message.follows_from(&ownerless);
        message.follows_from(&of_b);
        assert_eq!(message.owner(), Ok(Some(a.clone())));
    });
}

#[test]
fn spans_left_out_of_order_leave_only_themselves() {
    let (a, b) = (owner("a"), owner("b"));
    with_layer(|| {
        let made_by = |owner: &Owner| {
            let _scope = owner.enter();
            error_span!("span")
        };
        let (of_a, of_b) = (made_by(&a).entered(), made_by(&b).entered());
        drop(of_a);
        assert!(is(&b));
        drop(of_b);
        assert_eq!(current(), None);
    });
}

#[test]
fn a_span_id_that_is_used_again_carries_nothing_over() {
    let a = owner("a");
    with_layer(|| {
        let first = {
            let _scope = a.enter();
            error_span!("first")
        };
        let id = first.id();
        drop(first);
        let next = error_span!("next");
        // The registry packs a generation into its ids; what matters is that the slot is the same and the owner gone.
        assert_ne!(id, next.id());
        assert_eq!(next.owner(), Ok(None));
    });
}

#[test]
fn a_span_that_cannot_carry_says_why() {
    assert_eq!(Span::none().owner(), Err(CarrierError::SpanDisabled));
    tracing::subscriber::with_default(tracing_subscriber::registry(), || {
        assert_eq!(
            error_span!("no layer").owner(),
            Err(CarrierError::LayerMissing)
        );
    });
}

#[test]
fn an_owned_future_keeps_its_owner_where_the_layer_is_missing() {
    let a = owner("a");
    let future = {
        let _scope = a.enter();
        owned(async { current() })
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let seen =
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
            runtime.block_on(future)
        });
    assert_eq!(seen, Some(a));
}

#[test]
fn an_ended_owner_is_found_and_refused_never_skipped() {
    let (a, b) = (owner("a"), owner("b"));
    let _outer = a.enter();
    let _inner = b.enter();
    b.close(b.started_at(), None);
    assert!(is(&b));
    let error = require_current().expect_err("b has ended");
    assert!(matches!(error, Error::OwnerEnded { .. }), "{error}");
}

#[test]
fn the_trail_says_whether_the_layer_is_there() {
    let without = require_current().expect_err("nobody").to_string();
    assert!(
        without.contains("`heirloom::layer()` is not installed"),
        "{without}"
    );
    let with = with_layer(|| require_current().expect_err("nobody")).to_string();
    assert!(!with.contains("not installed"), "{with}");
}

#[test]
fn an_owned_future_inside_its_own_span_leaves_that_span_entered() {
    let (a, b) = (owner("a"), owner("b"));
    let _marked = mark_this_thread(a);
    with_layer(|| {
        let message = {
            let _scope = b.enter();
            error_span!("message")
        };
        message.in_scope(|| {
            owned_fn(|| assert!(is(&b)))();
            assert!(is(&b), "as before the owned work");
            drop(owned(async {}));
            assert!(is(&b), "as before the owned work was dropped");
        });
        assert!(!is(&b));
    });
}

#[test]
fn a_layer_that_is_installed_twice_changes_nothing() {
    let a = owner("a");
    let twice = tracing_subscriber::registry().with(layer()).with(layer());
    tracing::subscriber::with_default(twice, || {
        let span = {
            let _scope = a.enter();
            error_span!("span")
        };
        span.in_scope(|| assert!(is(&a)));
        assert_eq!(current(), None);
    });
}

#[test]
fn two_registries_do_not_leave_each_others_spans() {
    let (a, b) = (owner("a"), owner("b"));
    let dispatch = || tracing::Dispatch::new(tracing_subscriber::registry().with(layer()));
    let made_by = |owner: &Owner| {
        let _scope = owner.enter();
        tracing::dispatcher::with_default(&dispatch(), || error_span!("same number"))
    };
    let (of_a, of_b) = (made_by(&a), made_by(&b));
    let (first, second) = (of_a.entered(), of_b.entered());
    drop(first);
    assert!(is(&b));
    drop(second);
    assert_eq!(current(), None);
}

#[test]
fn a_layer_that_panics_while_a_span_is_entered_changes_nothing_for_later_ones() {
    struct Panics;

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Panics {
        fn on_enter(&self, _: &tracing::Id, _: tracing_subscriber::layer::Context<'_, S>) {
            panic!("in another layer");
        }
    }

    let a = owner("a");
    let work = {
        let subscriber = tracing_subscriber::registry().with(layer()).with(Panics);
        tracing::subscriber::with_default(subscriber, || {
            let _scope = a.enter();
            let span = error_span!("span");
            super::Carrier::with_span(&a, span)
        })
    };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(work.enter())));
    assert!(panicked.is_err());
    a_span_carries_the_owner_that_was_current_when_it_was_made();
}

#[test]
fn what_a_test_leaks_on_its_thread_is_left_at_its_end() {
    let (a, b) = (owner("a"), owner("b"));
    let marked = mark_this_thread(a);
    std::mem::forget(b.enter());
    assert!(is(&b));
    drop(marked);
    assert_eq!(current(), None);
}
