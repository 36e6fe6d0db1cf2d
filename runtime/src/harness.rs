//! Runs one test: its runtime, its owner, its arguments, its end.

#[cfg(feature = "_database")]
mod database;
mod failure;
mod fixture;
#[cfg(feature = "postgres")]
mod postgres;
mod run;
mod sandbox;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlx-0_8")]
mod sqlx_0_8;
mod subscriber;

pub use crate::error::BoxError;
pub use failure::{Failure, Outcome};
pub use fixture::argument;
pub use run::Test;
pub use sandbox::{FromSandbox, Sandbox};
