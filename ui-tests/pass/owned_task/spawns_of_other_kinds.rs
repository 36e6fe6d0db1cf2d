//! A `spawn` that has nothing to do with tasks still compiles, and so does one that wants boxes or repeated calls.
#![deny(warnings, clippy::all)]

use heirloom::owned_task;
use std::future::Future;
use std::pin::Pin;
use std::process::Command;

#[derive(Default)]
struct World {
    entities: Vec<String>,
}

struct Health(u8);

impl World {
    fn spawn(&mut self, entity: impl Into<String>) -> &mut Self {
        self.entities.push(entity.into());
        self
    }

    fn spawn_all(&mut self, spawn: bool) -> usize {
        if spawn { 1 } else { 0 }
    }
}

struct Pairs;

impl Pairs {
    fn spawn(&self, health: Health, amount: Option<u8>) -> u8 {
        health.0 + amount.unwrap_or(1)
    }
}

struct Numbers;

impl Numbers {
    fn spawn(&self, numbers: Vec<u8>) -> usize {
        numbers.len()
    }
}

struct Boxes;

impl Boxes {
    fn spawn(&self, work: Pin<Box<dyn Future<Output = u8> + Send>>) -> u8 {
        futures_executor::block_on(work)
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() -> u8 + Send>) -> u8 {
        work()
    }
}

struct Supervisor;

impl Supervisor {
    fn spawn<F: FnMut() -> Fut, Fut: Future<Output = u8>>(&self, mut start: F) -> u8 {
        futures_executor::block_on(start()) + futures_executor::block_on(start())
    }
}

struct Repeats;

impl Repeats {
    fn spawn<F: FnMut() + Send>(&self, mut work: F) {
        work();
        work();
    }
}

struct Shares;

impl Shares {
    fn spawn<F: Fn() -> u8 + Send + 'static>(&self, work: F) -> u8 {
        work() + work()
    }
}

struct Async;

impl Async {
    fn spawn<F: AsyncFn(u8) -> u8>(&self, work: F) -> u8 {
        futures_executor::block_on(work(1)) + futures_executor::block_on(work(2))
    }
}

fn spawn(name: &str, times: usize) -> String {
    name.repeat(times)
}

#[owned_task]
fn everything() {
    let mut world = World::default();
    world.spawn("ada").spawn(String::from("grace"));
    let spawn_flag = true;
    assert_eq!(world.spawn_all(spawn_flag), 1);
    assert_eq!(Pairs.spawn(Health(1), None), 2);
    assert_eq!(Pairs.spawn(Health(1), 2.into()), 3);
    assert_eq!(Numbers.spawn(Vec::new()), 0);
    assert_eq!(Numbers.spawn(vec![1]), 1);
    assert_eq!(Numbers.spawn((0..3).collect()), 3);
    assert_eq!(Numbers.spawn(Default::default()), 0);
    assert_eq!(Boxes.spawn(Box::pin(async { 1 })), 1);
    let boxed: Pin<Box<dyn Future<Output = u8> + Send>> = Box::pin(async { 2 });
    assert_eq!(Boxes.spawn(boxed), 2);
    assert_eq!(Boxes.spawn_blocking(Box::new(|| 3)), 3);
    assert_eq!(Supervisor.spawn(|| async { 1 }), 2);
    assert_eq!(Shares.spawn(|| "three".len().try_into().unwrap()), 10);
    let mut count = 0;
    Repeats.spawn(|| count += 1);
    assert_eq!(count, 2);
    let start = 3;
    assert_eq!(Supervisor.spawn(move || async move { start }), 6);
    assert_eq!(Async.spawn(async move |value| value + start), 9);
    assert_eq!(spawn("a", 2), "aa");
    let mut child = Command::new("true").spawn().expect("`true` runs");
    assert!(child.wait().expect("it ends").success());
    {
        let spawn = true;
        assert!(spawn);
    }
}

fn main() {
    everything();
}
