//! Every way of running something else, left alone and owned by hand: whose it is, in a test and where no test has
//! marked the threads. One test per row of `docs/spawns.md`. What an annotation does to the same is in `inheritance.rs`,
//! and what a runtime that hands owners on does is in `tests/unstable`.

mod own_threads;
mod rows;
mod same_task;
mod table;
mod tasks;
