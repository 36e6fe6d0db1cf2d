//! Odd but legal uses of `#[sandboxed]`. A program has no tests in it, so these are modules of a real test binary.

#[path = "../pass/sandboxed/arguments.rs"]
mod arguments;
#[path = "../pass/sandboxed/around_rstest.rs"]
mod around_rstest;
#[path = "../pass/sandboxed/no_implicit_prelude.rs"]
mod no_implicit_prelude;
#[path = "../pass/sandboxed/signatures.rs"]
mod signatures;
