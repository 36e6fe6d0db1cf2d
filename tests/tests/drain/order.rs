//! What comes after what at the end of a test.

use heirloom::{Owner, Sandbox, Test, owned, owned_fn};
use sqlx::SqlitePool;
use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use tokio::task::yield_now;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn say(&self, what: &str, owner: &Owner, database: &Path) {
        let database = if database.exists() { "there" } else { "gone" };
        let said = format!(
            "{what}: the owner {:?}, its database {database}",
            owner.life()
        );
        self.0.lock().unwrap().push(said);
    }
}

struct Says(Option<Box<dyn FnOnce() + Send>>);

impl Drop for Says {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

#[test]
fn each_step_of_the_end_waits_for_the_one_before() {
    let log = Log::default();
    let mut known = None;
    let (keep, lines) = (&mut known, log.clone());
    drop(Test::here("end").run(|sandbox: Sandbox| async move {
        let pool: SqlitePool = sandbox.get().await.map_err(std::io::Error::other)?;
        let database = pool.connect_options().get_filename().to_owned();
        let owner = sandbox.owner().clone();
        *keep = Some((owner.clone(), database.clone()));
        let say = move |what: &'static str| {
            let (log, owner, database) = (lines.clone(), owner.clone(), database.clone());
            move || log.say(what, &owner, &database)
        };
        tokio::spawn({
            let settled = say("settled");
            owned(async move {
                for _ in 0..1000 {
                    yield_now().await;
                }
                settled();
            })
        });
        let (held, released) = mpsc::channel::<()>();
        tokio::spawn({
            let dropped = say("task dropped");
            owned(async move {
                let _held = held;
                let _says = Says(Some(Box::new(dropped)));
                pending::<()>().await;
            })
        });
        // It ends by itself, once it hears of the task's end.
        std::thread::spawn({
            let ended = say("thread ended");
            owned_fn(move || {
                released.recv().unwrap_err();
                ended();
            })
        });
        let torn_down = say("torn down");
        sandbox.on_teardown(|| async move {
            torn_down();
            Ok(())
        });
        say("returned")();
        Ok(())
    }));
    let (owner, database) = known.unwrap();
    log.say("told", &owner, &database);
    let expected = [
        "returned: the owner Running, its database there",
        "settled: the owner Running, its database there",
        "torn down: the owner Running, its database there",
        "task dropped: the owner Closing, its database there",
        "thread ended: the owner Closing, its database there",
        "told: the owner Ended, its database gone",
    ];
    assert_eq!(*log.0.lock().unwrap(), expected);
}
