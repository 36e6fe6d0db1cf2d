//! Spawns inside macro calls are rewritten where the tokens can be read.
#![deny(warnings, clippy::all)]

use heirloom::owned_task;

#[owned_task]
async fn everything() {
    let (one, two) = tokio::join!(tokio::spawn(async { 1 }), tokio::spawn(async { 2 }));
    assert_eq!(one.unwrap() + two.unwrap(), 3);
    let tried = tokio::try_join!(tokio::spawn(async { 1 }), tokio::spawn(async { 2 }),);
    assert!(tried.is_ok());
    let (joined,) = futures_util::join!(tokio::spawn(async { 1 }));
    assert_eq!(
        joined.unwrap(),
        1,
        "text {}",
        tokio::spawn(async { 2 }).await.unwrap()
    );
    let mut handles = vec![tokio::spawn(async {}), tokio::spawn(async {})];
    handles.push(tokio::spawn(async {}));
    for handle in handles {
        handle.await.unwrap();
    }
    let mut count = 0;
    let mut repeated = vec![
        {
            count += 1;
            tokio::spawn(async {}).is_finished()
        };
        2
    ];
    repeated.push(true);
    assert_eq!(repeated.len() + count, 4);
    let text = format!(
        "{value} {}",
        1,
        value = tokio::spawn(async { "named" }).await.unwrap()
    );
    assert_eq!(text, "named 1");
    assert!(matches!(tokio::spawn(async { 1 }).await, Ok(value) if value == 1));
    assert!(matches!(dbg!(tokio::spawn(async { 1 }).await), Ok(1)));
    let selected = tokio::select! {
        biased;
        result = tokio::spawn(async { 1 }), if count == 1 => { result.unwrap() }
        Ok(value) = tokio::spawn(async { 2 }) => tokio::spawn(async move { value }).await.unwrap(),
        else => 3,
    };
    assert!(selected < 3);
    tokio::pin! {
        let pinned = tokio::spawn(async { 1 });
    }
    assert_eq!(pinned.await.unwrap(), 1);
    assert_eq!(stringify!(tokio::spawn(x)), "tokio::spawn(x)");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    runtime.block_on(everything());
}
