// The type of a `FutureObj` hides its future.
use futures_util::future::FutureObj;
use futures_util::task::{Spawn, SpawnError};
use heirloom::owned_task;

#[owned_task]
fn job(pool: &impl Spawn, object: FutureObj<'static, ()>) -> Result<(), SpawnError> {
    pool.spawn_obj(object)
}

fn main() {}
