use super::*;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc;
use std::time::Duration;

fn on_a_runtime_of_its_own<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

#[test]
fn work_is_done_on_the_one_thread_for_whoever_asks() {
    let name = async || std::thread::current().name().map(str::to_owned);
    for _ in 0..3 {
        let done = on_a_runtime_of_its_own(run(name()));
        assert_eq!(done.as_deref(), Some("heirloom-postgres"));
    }
}

#[test]
fn it_has_time_and_sockets_although_the_asker_has_neither() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let bound = runtime.block_on(run(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::net::UnixStream::pair().map(drop)
    }));
    bound.unwrap();
}

#[test]
fn a_panic_reaches_the_asker_and_nobody_else() {
    let asked = catch_unwind(AssertUnwindSafe(|| {
        on_a_runtime_of_its_own(run(async { panic!("no luck") }))
    }));
    let panic = asked.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"no luck"));
    assert_eq!(on_a_runtime_of_its_own(run(async { 1 })), 1);
}

#[test]
fn work_whose_asker_has_gone_goes_on() {
    let (go_on, wait) = oneshot::channel::<()>();
    let (done, end) = mpsc::channel();
    on_a_runtime_of_its_own(async {
        let mut asked = pin!(run(async move {
            wait.await.ok();
            done.send("done").ok();
        }));
        // Begun, and then dropped with the runtime.
        let begun = poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx).is_pending()));
        assert!(begun.await);
    });
    go_on.send(()).unwrap();
    assert_eq!(end.recv(), Ok("done"));
}

#[test]
fn work_that_nobody_wants_any_more_is_dropped_there() {
    struct Dropped(mpsc::Sender<Option<String>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            let thread = std::thread::current();
            self.0.send(thread.name().map(str::to_owned)).ok();
        }
    }

    let (dropped, end) = mpsc::channel();
    let kept = Dropped(dropped);
    on_a_runtime_of_its_own(async {
        let mut asked = pin!(run_while_wanted(async move {
            let _kept = kept;
            std::future::pending::<()>().await;
        }));
        let begun = poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx).is_pending()));
        assert!(begun.await);
    });
    assert_eq!(end.recv(), Ok(Some("heirloom-postgres".to_owned())));
    assert_eq!(on_a_runtime_of_its_own(run_while_wanted(async { 1 })), 1);
}
