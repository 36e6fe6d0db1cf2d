//! Every shape of `async fn` keeps its meaning: lifetimes, generics, patterns, receivers, return types.
#![deny(warnings, clippy::all, clippy::pedantic)]
#![allow(
    clippy::must_use_candidate,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::missing_safety_doc
)]
#![allow(async_fn_in_trait)]

use heirloom::owned_task;
use std::error::Error;
use std::fmt::Display;
use std::pin::Pin;
use std::sync::Mutex;

/// Documented.
#[owned_task]
pub async fn nothing() {}

#[owned_task]
pub async fn elided(text: &str) -> &str {
    text.trim()
}

#[owned_task]
pub async fn two_lifetimes<'a>(left: &'a str, _right: &str) -> &'a str {
    left
}

#[owned_task]
pub async fn generic<T, const N: usize>(values: [T; N]) -> usize
where
    T: Display + Send,
{
    values.iter().map(|value| value.to_string().len()).sum()
}

#[owned_task]
pub async fn anonymous(value: impl Display, other: &impl Display) -> String {
    format!("{value}{other}")
}

#[rustfmt::skip]
#[owned_task]
pub async fn on_one_line(text: &str) -> usize { text.len() }

#[owned_task]
pub async fn iterator(count: u8) -> impl Iterator<Item = u8> {
    0..count
}

#[owned_task]
pub async fn inner_opaque(count: u8) -> Result<impl Iterator<Item = u8>, String> {
    if count > 100 {
        return Err("too many".to_owned());
    }
    Ok(0..count)
}

#[owned_task]
pub async fn mutable(mut count: u8) -> u8 {
    count += 1;
    count
}

#[owned_task]
pub async fn taken_apart((left, right): (u8, u8), [first, ..]: [u8; 3], _: String) -> u8 {
    left + right + first
}

#[owned_task]
pub async fn by_reference(ref text: String) -> usize {
    text.len()
}

#[owned_task]
pub async fn coerced() -> Result<(), Box<dyn Error + Send + Sync>> {
    let number: u8 = "1".parse()?;
    if number == 0 {
        return Err("zero".into());
    }
    Ok(())
}

#[owned_task]
pub async fn never() -> ! {
    loop {
        tokio::task::yield_now().await;
    }
}

#[owned_task]
pub async fn never_ends() {
    loop {
        tokio::task::yield_now().await;
    }
}

#[owned_task]
pub async fn always_panics() -> u8 {
    panic!("on purpose")
}

#[owned_task]
pub async unsafe fn with_promise(pointer: *const u8) -> u8 {
    // SAFETY: promised by the caller.
    unsafe { *pointer }
}

#[owned_task]
#[must_use]
pub async fn must_be_used() -> u8 {
    1
}

#[owned_task]
#[allow(unused_variables)]
pub async fn with_attributes(#[allow(dead_code)] unused: u8, #[cfg(any())] absent: Absent) {}

#[owned_task]
pub async fn borrows_in_the_last_expression(text: Mutex<String>) -> usize {
    text.lock().unwrap().len()
}

#[owned_task]
pub async fn recursive(depth: u32) -> u32 {
    if depth == 0 {
        return 0;
    }
    1 + Box::pin(recursive(depth - 1)).await
}

#[derive(Clone, Default)]
pub struct Actor {
    name: String,
}

impl Actor {
    #[owned_task]
    pub async fn by_ref(&self) -> &str {
        &self.name
    }

    #[owned_task]
    pub async fn by_mut(&mut self, name: &str) -> &mut String {
        self.name.push_str(name);
        &mut self.name
    }

    #[owned_task]
    pub async fn by_value(self) -> String {
        self.name
    }

    #[owned_task]
    pub async fn by_mut_value(mut self) -> String {
        self.name.push('!');
        self.name
    }

    #[owned_task]
    pub async fn by_box(self: Box<Self>) -> String {
        self.name
    }

    #[owned_task]
    pub async fn by_pin(self: Pin<&mut Self>) -> usize {
        self.name.len()
    }
}

#[owned_task]
impl Actor {
    pub const LIMIT: usize = 3;

    pub const fn limit() -> usize {
        Self::LIMIT
    }

    pub async fn in_a_block(&self, more: &[u8]) -> usize {
        self.name.len() + more.len()
    }
}

pub trait Greets {
    async fn greet(&self, name: &str) -> String;
}

#[owned_task]
impl Greets for Actor {
    async fn greet(&self, name: &str) -> String {
        format!("{} {name}", self.name)
    }
}

#[owned_task]
pub trait Repeats {
    async fn once(&self) -> u8;

    async fn twice(&self) -> u8
    where
        Self: Sync,
    {
        self.once().await + self.once().await
    }
}

impl Repeats for u8 {
    #[owned_task]
    async fn once(&self) -> u8 {
        *self
    }
}

#[owned_task]
pub mod inline {
    use super::Actor;

    pub async fn outer(actor: Actor) -> String {
        actor.by_value().await
    }

    pub mod deeper {
        pub async fn inner() -> u8 {
            tokio::spawn(async { 1 }).await.unwrap()
        }
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    nothing().await;
    assert_eq!(elided(" a ").await, "a");
    assert_eq!(two_lifetimes("a", "b").await, "a");
    assert_eq!(generic([1, 22]).await, 3);
    assert_eq!(anonymous(1, &2).await, "12");
    assert_eq!(on_one_line("ab").await, 2);
    assert_eq!(iterator(3).await.count(), 3);
    assert_eq!(inner_opaque(3).await.unwrap().count(), 3);
    assert_eq!(mutable(1).await, 2);
    assert_eq!(taken_apart((1, 2), [3, 4, 5], String::new()).await, 6);
    assert_eq!(by_reference("abc".to_owned()).await, 3);
    coerced().await.unwrap();
    drop(is_send(never()));
    drop(is_send(never_ends()));
    drop(always_panics());
    let byte = 7;
    // SAFETY: it points to a local.
    assert_eq!(unsafe { with_promise(&raw const byte).await }, 7);
    assert_eq!(must_be_used().await, 1);
    with_attributes(1).await;
    assert_eq!(
        borrows_in_the_last_expression(Mutex::new("ab".to_owned())).await,
        2
    );
    assert_eq!(recursive(3).await, 3);

    let mut actor = Actor::default();
    actor.by_mut("ada").await;
    assert_eq!(is_send(actor.by_ref()).await, "ada");
    assert_eq!(actor.clone().by_value().await, "ada");
    assert_eq!(actor.clone().by_mut_value().await, "ada!");
    assert_eq!(Box::new(actor.clone()).by_box().await, "ada");
    assert_eq!(Pin::new(&mut actor).by_pin().await, 3);
    assert_eq!(actor.in_a_block(b"xy").await + Actor::limit(), 8);
    assert_eq!(actor.greet("hello").await, "ada hello");
    assert_eq!(4.twice().await, 8);
    assert_eq!(inline::outer(actor).await, "ada");
    assert_eq!(inline::deeper::inner().await, 1);
}
