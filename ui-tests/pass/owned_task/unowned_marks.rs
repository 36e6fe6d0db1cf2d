//! `#[unowned("why")]` where it may stand.
#![deny(warnings, clippy::all)]

use heirloom::owned_task;

#[owned_task]
async fn everything(flag: Option<u8>) {
    #[unowned("a statement")]
    tokio::spawn(async {});
    #[unowned("a let")]
    let handle = tokio::spawn(async { 1 });
    assert_eq!(handle.await.unwrap(), 1);
    #[unowned("a block")]
    {
        tokio::spawn(async {}).await.unwrap();
        let spawn = tokio::task::spawn_blocking::<fn(), ()>;
        spawn(|| ()).await.unwrap();
    }
    let mut last = None;
    #[unowned("an assignment")]
    last = Some(last.unwrap_or(tokio::spawn(async {})));
    assert!(last.is_some());
    match flag {
        #[unowned("an arm")]
        Some(_) => drop(std::thread::spawn(|| {})),
        None => println!("no flag"),
    }
    #[unowned("a macro")]
    assert!(tokio::spawn(async { true }).await.unwrap());
    #[unowned("an item")]
    fn nested() {
        std::thread::spawn(|| {});
    }
    nested();
    drop(
        #[unowned("an expression")]
        tokio::spawn(async {}),
    );
}

#[owned_task]
mod inside {
    #[unowned("a function of a module")]
    pub fn thread() -> fn(fn()) -> std::thread::JoinHandle<()> {
        std::thread::spawn::<fn(), ()>
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    runtime.block_on(everything(Some(1)));
    inside::thread()(|| {}).join().unwrap();
}
