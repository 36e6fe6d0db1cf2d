//! Wraps the argument of a spawn by what it is: a boxed future or closure, a future, a closure, or anything else.
//!
//! The attributes know only syntax, so the choice is made here by trait: generated code calls
//! `(&&&&&work(&argument)).__heirloom_kind()`, and method resolution takes the first of the five traits that fits, the
//! one for the most references first. The method has a name that no trait of the user's has, so that a blanket one does
//! not win. What is neither future nor closure is handed back untouched, so that a `spawn` that has nothing to do with
//! tasks still compiles.

#![allow(
    clippy::unused_self,
    reason = "generated code calls the methods on the kind that was chosen"
)]

use super::owned::{Owned, carried_fn};
use super::tracked::Tracked;
use crate::context::{Carrier, CarrierScope};
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;

/// Stands for the type of an argument.
#[derive(Debug)]
pub struct Work<T>(PhantomData<fn(T)>);

/// Looks at an argument without touching it.
#[must_use]
pub fn work<T>(_: &T) -> Work<T> {
    Work(PhantomData)
}

/// Boxed work: its type is spelled out in signatures, so it stays the same type.
#[derive(Debug)]
pub struct BoxedKind;

/// A future.
#[derive(Debug)]
pub struct FutureKind;

/// A closure without arguments.
#[derive(Debug)]
pub struct ClosureKind;

/// A function or closure with a parameter, given by name: wrapped it would lose the parameter's type.
#[derive(Debug)]
pub struct ParameterKind;

/// Anything else.
#[derive(Debug)]
pub struct AnyKind;

/// Chosen first.
pub trait BoxedWork {
    /// Chooses.
    fn __heirloom_kind(&self) -> BoxedKind;
}

impl<T: Boxed> BoxedWork for &&&&Work<T> {
    fn __heirloom_kind(&self) -> BoxedKind {
        BoxedKind
    }
}

/// Chosen second.
pub trait FutureWork {
    /// Chooses.
    fn __heirloom_kind(&self) -> FutureKind;
}

impl<T: Future> FutureWork for &&&Work<T> {
    fn __heirloom_kind(&self) -> FutureKind {
        FutureKind
    }
}

/// Chosen third.
pub trait ClosureWork {
    /// Chooses.
    fn __heirloom_kind(&self) -> ClosureKind;
}

impl<T: FnOnce() -> R, R> ClosureWork for &&Work<T> {
    fn __heirloom_kind(&self) -> ClosureKind {
        ClosureKind
    }
}

/// Chosen fourth.
pub trait ParameterWork<A> {
    /// Chooses.
    fn __heirloom_kind(&self) -> ParameterKind;
}

impl<T: FnOnce(A) -> R, A, R> ParameterWork<A> for &Work<T> {
    fn __heirloom_kind(&self) -> ParameterKind {
        ParameterKind
    }
}

/// Chosen last.
pub trait AnyWork {
    /// Chooses.
    fn __heirloom_kind(&self) -> AnyKind;
}

impl<T> AnyWork for Work<T> {
    fn __heirloom_kind(&self) -> AnyKind {
        AnyKind
    }
}

/// Enters whoever handed out a closure, for the time of a call: what counts as its work for so long.
#[must_use]
#[derive(Debug)]
pub struct WorkScope {
    // Dropped in this order: the work is over once nothing is entered any more.
    _entered: CarrierScope,
    _tracked: Tracked,
}

impl Carrier {
    /// A closure is called that stays as it is written: one with parameters, or one that is called many times.
    #[track_caller]
    pub fn enter_work(self) -> WorkScope {
        let tracked = Tracked::entered(&self, Location::caller());
        WorkScope {
            _entered: self.enter_once(),
            _tracked: tracked,
        }
    }
}

impl BoxedKind {
    /// Makes it the caller's.
    #[track_caller]
    pub fn wrap<T: Boxed>(self, work: T) -> T {
        work.carried(Carrier::at_spawn())
    }

    /// Makes it the caller's, and an actor of this name.
    #[track_caller]
    pub fn wrap_named<T: Boxed>(self, work: T, actor: &'static str) -> T {
        work.carried(Carrier::capture_for(actor))
    }

    /// Makes it nobody's, on purpose.
    #[track_caller]
    pub fn exempt<T: Boxed>(self, work: T, why: &'static str) -> T {
        work.carried(Carrier::unowned(why))
    }
}

impl FutureKind {
    /// Makes it the caller's.
    #[track_caller]
    pub fn wrap<F: Future>(self, future: F) -> Owned<F> {
        Owned::spawned(future, Carrier::at_spawn())
    }

    /// Makes it the caller's, and an actor of this name.
    #[track_caller]
    pub fn wrap_named<F: Future>(self, future: F, actor: &'static str) -> Owned<F> {
        Owned::spawned(future, Carrier::capture_for(actor))
    }

    /// Makes it nobody's, on purpose.
    #[track_caller]
    pub fn exempt<F: Future>(self, future: F, why: &'static str) -> Owned<F> {
        Owned::spawned(future, Carrier::unowned(why))
    }
}

impl ClosureKind {
    /// Makes it the caller's.
    #[track_caller]
    pub fn wrap<F: FnOnce() -> R, R>(self, closure: F) -> impl FnOnce() -> R {
        carried_fn(closure, Carrier::at_spawn())
    }

    /// Makes it the caller's, and an actor of this name.
    #[track_caller]
    pub fn wrap_named<F: FnOnce() -> R, R>(
        self,
        closure: F,
        actor: &'static str,
    ) -> impl FnOnce() -> R {
        carried_fn(closure, Carrier::capture_for(actor))
    }

    /// Makes it nobody's, on purpose.
    #[track_caller]
    pub fn exempt<F: FnOnce() -> R, R>(self, closure: F, why: &'static str) -> impl FnOnce() -> R {
        carried_fn(closure, Carrier::unowned(why))
    }
}

/// Nothing implements it: work with a parameter is owned where its closure is written.
#[diagnostic::on_unimplemented(
    message = "this spawn would lose its owner: its work takes a parameter and is given by name",
    label = "takes a parameter",
    note = "help: write the closure here, `spawn(|scope| work(scope))`, or mark the spawn `#[unowned(\"why\")]`"
)]
pub trait OwnedWhereItIsWritten {}

impl ParameterKind {
    /// Refuses.
    #[track_caller]
    pub fn wrap<T: OwnedWhereItIsWritten>(self, work: T) -> T {
        work
    }

    /// Refuses.
    #[track_caller]
    pub fn wrap_named<T: OwnedWhereItIsWritten>(self, work: T, _: &'static str) -> T {
        work
    }

    /// Hands it back: nobody is to own it.
    pub fn exempt<T>(self, work: T, _: &'static str) -> T {
        work
    }
}

impl AnyKind {
    /// Hands it back.
    #[track_caller]
    pub fn wrap<T>(self, work: T) -> T {
        work
    }

    /// Hands it back.
    #[track_caller]
    pub fn wrap_named<T>(self, work: T, _: &'static str) -> T {
        work
    }

    /// Hands it back.
    #[track_caller]
    pub fn exempt<T>(self, work: T, _: &'static str) -> T {
        work
    }
}

/// Boxed futures and closures.
pub trait Boxed: Sized {
    /// The same type, entered when it is polled or called.
    #[track_caller]
    fn carried(self, carrier: Carrier) -> Self;
}

impl<'a, T> Boxed for Pin<Box<dyn Future<Output = T> + Send + 'a>>
where
    T: 'a,
{
    #[track_caller]
    fn carried(self, carrier: Carrier) -> Self {
        Box::pin(Owned::spawned(self, carrier))
    }
}

impl<'a, T> Boxed for Pin<Box<dyn Future<Output = T> + 'a>>
where
    T: 'a,
{
    #[track_caller]
    fn carried(self, carrier: Carrier) -> Self {
        Box::pin(Owned::spawned(self, carrier))
    }
}

impl<'a, R> Boxed for Box<dyn FnOnce() -> R + Send + 'a>
where
    R: 'a,
{
    #[track_caller]
    fn carried(self, carrier: Carrier) -> Self {
        Box::new(carried_fn(self, carrier))
    }
}

impl<'a, R> Boxed for Box<dyn FnOnce() -> R + 'a>
where
    R: 'a,
{
    #[track_caller]
    fn carried(self, carrier: Carrier) -> Self {
        Box::new(carried_fn(self, carrier))
    }
}
