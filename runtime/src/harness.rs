//! Runs one test: its runtime, its owner, its arguments, its end.

#[cfg(feature = "_database")]
mod database;
mod end;
#[cfg(feature = "_database")]
mod env;
mod failure;
mod fixture;
#[cfg(feature = "postgres")]
mod postgres;
mod run;
mod runtime;
mod sandbox;
mod settle;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlx-0_8")]
mod sqlx_0_8;
mod subscriber;

pub use crate::error::BoxError;
#[cfg(feature = "_database")]
pub use env::Env;
pub use failure::{Failure, Outcome};
pub use fixture::argument;
pub use run::{Drain, Test};
pub use sandbox::{FromSandbox, Sandbox};
