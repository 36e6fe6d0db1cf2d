//! Hygiene: no prelude, and every name that generated code could mean is the user's own.
#![no_implicit_prelude]
#![allow(dead_code, reason = "the names only have to be there")]

extern crate heirloom as renamed;
extern crate sqlx as real_sqlx;
extern crate tokio as real_tokio;

mod std {}
mod core {}
mod tokio {}
mod heirloom {}

struct Ok;
struct Err;
struct Some;
struct None;
struct Result;
struct Option;
struct String;
struct Box;
struct Test;
struct Place;

#[self::renamed::sandboxed(crate = crate::no_implicit_prelude::renamed, migrations = false)]
async fn sandbox(
    pool: self::real_sqlx::SqlitePool,
) -> ::core::result::Result<(), self::real_sqlx::Error> {
    self::real_sqlx::query("SELECT 1").execute(&pool).await?;
    let __heirloom_body = self::real_tokio::spawn(async move { pool.close().await });
    match __heirloom_body.await {
        ::core::result::Result::Ok(()) => ::core::result::Result::Ok(()),
        ::core::result::Result::Err(_) => {
            ::core::result::Result::Err(self::real_sqlx::Error::WorkerCrashed)
        }
    }
}

#[self::renamed::test(crate = crate::no_implicit_prelude::renamed)]
fn plain(_owner: self::renamed::Owner) {}
