//! Work for threads that no runtime of a test has: they are nobody's, in a test as well.

use crate::rows::Whose::Lost;
use crate::rows::{ByHand, Hand, LeftAlone, Seen, by_hand, left_alone};
use heirloom::{current, owned_task};
use rayon::prelude::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::thread;

#[test]
fn threads_and_named_threads() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let plain = H::closure(current);
        let named = H::closure(current);
        let builder = thread::Builder::new().name("named".to_owned());
        let mut seen = Vec::new();
        thread::scope(|scope| {
            let plain = scope.spawn(plain);
            let named = builder.spawn_scoped(scope, named).expect("a thread");
            seen.extend([plain, named].map(|thread| thread.join().expect("no panic")));
        });
        seen
    }
    left_alone(row::<LeftAlone>, Lost, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn work_for_the_thread_of_a_library() {
    type Work = Pin<Box<dyn Future<Output = Seen> + Send>>;

    /// The library, which has its thread before anybody uses it.
    fn library() -> (mpsc::Sender<Work>, mpsc::Receiver<Seen>) {
        let (submit, submitted) = mpsc::channel();
        let (answer, answered) = mpsc::channel();
        drop(thread::spawn(move || {
            for work in submitted {
                answer.send(futures_executor::block_on(work)).ok();
            }
        }));
        (submit, answered)
    }

    async fn row<H: Hand>() -> Vec<Seen> {
        let (submit, answered) = library();
        let work = Box::pin(H::future(async { current() }));
        submit.send(work).expect("the library works");
        vec![answered.recv().expect("an answer")]
    }
    left_alone(row::<LeftAlone>, Lost, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn rayon_jobs() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let (left, right) = rayon::join(H::closure(current), H::closure(current));
        let in_scope = H::closure(current);
        let (told, tell) = mpsc::channel();
        rayon::scope(|scope| {
            scope.spawn(move |_| told.send(in_scope()).expect("somebody listens"));
        });
        vec![left, right, tell.recv().expect("told")]
    }
    left_alone(row::<LeftAlone>, Lost, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn items_of_parallel_iterators() {
    async fn row<H: Hand>() -> Vec<Seen> {
        let jobs: Vec<_> = (0..8).map(|_| H::closure(current)).collect();
        jobs.into_par_iter().map(|job| job()).collect()
    }
    #[owned_task]
    async fn annotated() -> Vec<Seen> {
        (0..8).into_par_iter().map(|_| current()).collect()
    }
    left_alone(row::<LeftAlone>, Lost, Lost);
    left_alone(annotated, Lost, Lost);
    by_hand(row::<ByHand>);
}

#[test]
fn tasks_of_a_futures_thread_pool() {
    async fn row<H: Hand>() -> Vec<Seen> {
        use futures_util::task::SpawnExt as _;
        let pool = futures_executor::ThreadPool::new().expect("a pool");
        let work = H::future(async { current() });
        let task = pool.spawn_with_handle(work).expect("it takes work");
        vec![task.await]
    }
    left_alone(row::<LeftAlone>, Lost, Lost);
    by_hand(row::<ByHand>);
}
