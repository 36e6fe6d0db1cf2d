//! What the compiler says to people, to the letter: programs in `fail/` must not compile, those in `pass/` must, and run.
//!
//! `TRYBUILD=overwrite cargo test -p heirloom-ui-tests` writes the `.stderr` files; read them like prose afterwards.

#[test]
fn mistakes_are_explained_and_odd_code_compiles() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/owned_task/*.rs");
    cases.pass("pass/deny_unowned_spawns/*.rs");
    cases.compile_fail("fail/*/*.rs");
}
