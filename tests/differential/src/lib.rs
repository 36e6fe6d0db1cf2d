//! Tells whether two PostgreSQL servers behave alike towards one client, frame by frame: made-up scripts are sent to both.
//!
//! The reference is a real session on a database of its own; the candidate may be anything that speaks the protocol. What
//! is compared: every frame, in order; rows, columns, tags and errors to the byte; where `ReadyForQuery` says the
//! transaction stands; parameters as they change. What is not: numbers of processes, tables and of types made here, and
//! places in the server's source.
//!
//! Two more things have no reference: [`run_several`] looks at several connections of one owner, with a model of what each
//! must see; [`check_barred`] at statements that cannot be in a transaction.
//!
//! Not compared, as one session that stays in a transaction cannot have it: the time of day, numbers of transactions and
//! processes, COMMIT in a `DO` block, two-phase commit, `DISCARD ALL`, and where a setting comes from.

mod answers;
mod barred;
mod client;
pub mod database;
mod endpoint;
mod generate;
mod message;
mod pair;
mod random;
mod renew;
mod report;
mod run;
mod schema;
mod script;
mod several;
mod shrink;
mod transcript;

pub use barred::{Asked, BARRED, check_barred};
pub use client::Client;
pub use endpoint::{Address, Endpoint};
pub use generate::{Generator, names as families};
pub use message::{Frame, Kind, Message};
pub use random::Random;
pub use renew::Renew;
pub use report::{Difference, Report};
pub use run::{Plan, run};
pub use schema::STARTUP;
pub use script::{Batch, Script};
pub use several::{
    Action, Expected, Model, SeveralPlan, SeveralReport, Step, Wrong, run_several, step_names,
};
pub use transcript::{Event, Transcript};
