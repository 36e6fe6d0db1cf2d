//! `#[heirloom::test]` in the place of `#[sqlx::test]`: one suite, in every form that sqlx documents, run by both. What
//! tells the two apart is one word.

#![allow(
    clippy::duplicate_mod,
    reason = "the same suite is run under two attributes"
)]

static OTHER: sqlx::migrate::Migrator = sqlx::migrate!("./schemas/other");

#[path = "drop_in"]
mod before {
    use sqlx as chosen;

    #[path = "suite.rs"]
    mod suite;
}

#[path = "drop_in"]
mod after {
    use heirloom as chosen;

    #[path = "suite.rs"]
    mod suite;
}
