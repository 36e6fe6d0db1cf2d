//! In production nobody keeps count of work.

#![allow(
    clippy::extra_unused_type_parameters,
    clippy::unused_self,
    reason = "those of what keeps count in tests"
)]

use crate::context::Carrier;
use std::panic::Location;
use std::task::{Context, Poll};

/// Nothing.
#[derive(Debug, Default)]
pub(crate) struct Tracked;

impl Tracked {
    pub(crate) fn future<F>(_: &Carrier, _: &'static Location<'static>) -> Self {
        Self
    }

    pub(super) fn lent<F>(_: &Carrier, _: &'static Location<'static>) -> Self {
        Self
    }

    pub(crate) fn closure<F>(_: &Carrier, _: &'static Location<'static>) -> Self {
        Self
    }

    pub(super) fn message<T>(_: &Carrier, _: &'static Location<'static>, _: bool) -> Self {
        Self
    }

    pub(crate) fn called<F>(_: &Carrier, _: &'static Location<'static>) -> Self {
        Self
    }

    pub(super) fn entered(_: &Carrier, _: &'static Location<'static>) -> Self {
        Self
    }

    pub(super) fn named(&mut self, _: &'static str) {}

    #[inline]
    pub(super) fn begin(&mut self, _: &Carrier) {}

    pub(super) fn is_aborted(&self) -> bool {
        false
    }

    pub(super) fn abort(&mut self) -> ! {
        unreachable!("nothing is aborted in production: heirloom's bug")
    }

    #[inline]
    pub(super) fn poll<R>(
        &mut self,
        _: &Carrier,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        poll(cx)
    }

    #[inline]
    pub(super) fn call<R>(self, _: &Carrier, call: impl FnOnce() -> R) -> R {
        call()
    }
}
