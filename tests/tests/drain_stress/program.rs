//! Random programs that tell, without a look at any clock, whether something of them could still run.

use heirloom::{Envelope, FutureExt as _, owned, owned_fn};
use heirloom_tests::Random;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::runtime::{Handle, Id, Runtime};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{self, AbortHandle, yield_now};

const GATES: u64 = 4;

/// No program makes more pieces of work than this.
const MOST: usize = 400;

/// A future, or what a message holds.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the pieces of work of one program share.
///
/// A piece runs, waits at a gate or for others, or is over. So when nothing runs, all that are not over wait; and no gate
/// lets anybody wait who could pass: what was put into it has been taken out, or is in it and nobody waits.
pub(super) struct World {
    seed: u64,
    home: Id,
    strangers: &'static Runtime,
    desk: UnboundedSender<Envelope<Work>>,
    gates: Vec<Gate>,
    made: AtomicUsize,
    alive: AtomicUsize,
    panics: AtomicUsize,
    tasks: Mutex<Vec<AbortHandle>>,
    /// Tasks that somebody waits for.
    awaited: Mutex<HashMap<task::Id, AbortHandle>>,
    /// Pieces that wait for those inside of them.
    gathering: AtomicUsize,
}

struct Gate {
    passes: Semaphore,
    put: AtomicUsize,
    taken: AtomicUsize,
    waiting: AtomicUsize,
}

/// Counted until it is dropped.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn among(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A piece of work from when it is made until it is over, however it ends.
struct Piece(Arc<World>);

impl Piece {
    fn new(world: &Arc<World>) -> Self {
        world.made.fetch_add(1, Ordering::SeqCst);
        world.alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(world))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl World {
    /// On the test's runtime and on one that belongs to nobody, where a desk handles messages, each in a task of its own.
    pub(super) fn new(seed: u64, strangers: &'static Runtime) -> Arc<Self> {
        let (desk, mut inbox) = unbounded_channel::<Envelope<Work>>();
        strangers.spawn(async move {
            while let Some(envelope) = inbox.recv().await {
                tokio::spawn(envelope.handle(|work| work));
            }
        });
        let gate = |_| Gate {
            passes: Semaphore::new(0),
            put: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        };
        Arc::new(Self {
            seed,
            home: Handle::current().id(),
            strangers,
            desk,
            gates: (0..GATES).map(gate).collect(),
            made: AtomicUsize::new(0),
            alive: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            tasks: Mutex::default(),
            awaited: Mutex::default(),
            gathering: AtomicUsize::new(0),
        })
    }

    pub(super) fn start(self: &Arc<Self>, random: &mut Random) {
        for _ in 0..=random.below(8) {
            self.spawn(random, &Handle::current());
        }
    }

    fn spawn(self: &Arc<Self>, random: &mut Random, on: &Handle) {
        let task = on.spawn(owned(act(self, random, true)));
        self.tasks.lock().unwrap().push(task.abort_handle());
    }

    /// From outside: lets some pass, and aborts some.
    pub(super) fn pokes(self: &Arc<Self>, random: &mut Random) {
        for _ in 0..random.below(12) {
            match random.below(6) {
                0 => self.aborts(random),
                1 => self.spawn(random, self.strangers.handle()),
                _ => self.gate(random).put(),
            }
        }
    }

    /// Whoever waits goes on, and comes to its end.
    pub(super) fn gives_up(&self) {
        for gate in &self.gates {
            gate.passes.close();
        }
    }

    /// Nothing of it can run.
    pub(super) fn is_at_rest(&self) {
        let seed = self.seed;
        let alive = self.alive.load(Ordering::SeqCst);
        let (awaited, over) = self.awaited();
        assert_eq!(over, 0, "seed {seed}: a task is over, and is waited for");
        let mut waiting = awaited + self.gathering.load(Ordering::SeqCst);
        for gate in &self.gates {
            let waits = gate.waiting.load(Ordering::SeqCst);
            let left = gate.put.load(Ordering::SeqCst) - gate.taken.load(Ordering::SeqCst);
            let passes = gate.passes.available_permits();
            assert_eq!(left, passes, "seed {seed}: one may pass and has not gone");
            assert!(passes == 0 || waits == 0, "seed {seed}: one waits in vain");
            waiting += waits;
        }
        assert_eq!(
            alive, waiting,
            "seed {seed}: so many are alive, and so many wait"
        );
    }

    /// How many tasks are waited for, and how many of them are over.
    fn awaited(&self) -> (usize, usize) {
        let awaited = self.awaited.lock().unwrap();
        let over = awaited.values().filter(|task| task.is_finished());
        (awaited.len(), over.count())
    }

    /// Nothing of it is left.
    pub(super) fn is_over(&self) {
        assert_eq!(self.alive.load(Ordering::SeqCst), 0, "seed {}", self.seed);
    }

    /// How many panics its test is to be told of.
    pub(super) fn panics(&self) -> usize {
        self.panics.load(Ordering::SeqCst)
    }

    fn gate(&self, random: &mut Random) -> &Gate {
        &self.gates[usize::try_from(random.below(GATES)).unwrap()]
    }

    fn aborts(&self, random: &mut Random) {
        let tasks = self.tasks.lock().unwrap();
        let which = random.below(tasks.len().max(1) as u64);
        if let Some(task) = tasks.get(usize::try_from(which).unwrap()) {
            task.abort();
        }
    }
}

impl Gate {
    fn put(&self) {
        self.put.fetch_add(1, Ordering::SeqCst);
        self.passes.add_permits(1);
    }

    /// `false` when nobody will ever pass again.
    async fn pass(&self) -> bool {
        let _waits = Counted::among(&self.waiting);
        let Ok(pass) = self.passes.acquire().await else {
            return false;
        };
        pass.forget();
        self.taken.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// A piece of work that does a few things at random. `tracked` when its test is told of its panic.
fn act(world: &Arc<World>, random: &mut Random, tracked: bool) -> Work {
    let piece = Piece::new(world);
    let mut random = Random::from(random.below(u64::MAX));
    Box::pin(async move {
        for _ in 0..random.below(8) {
            if !step(&piece.0, &mut random, tracked).await {
                return;
            }
        }
    })
}

/// One thing. `false` when it is to be the last.
async fn step(world: &Arc<World>, random: &mut Random, tracked: bool) -> bool {
    let may_grow = world.made.load(Ordering::SeqCst) < MOST;
    match random.below(16) {
        0 | 1 => yield_now().await,
        2..=4 => return world.gate(random).pass().await,
        5 | 6 => world.gate(random).put(),
        7 => world.aborts(random),
        8 => {
            // Begins to wait, and goes on to something else.
            tokio::select! {
                biased;
                passed = world.gate(random).pass() => return passed,
                () = yield_now() => {}
            }
        }
        9 if random.below(4) == 0 => {
            world
                .panics
                .fetch_add(usize::from(tracked), Ordering::SeqCst);
            // Not printed: the panic hook is not called.
            resume_unwind(Box::new("as the program says"));
        }
        10 if may_grow => world.spawn(random, &Handle::current()),
        11 if may_grow => world.spawn(random, world.strangers.handle()),
        12 if may_grow => {
            let work = act(world, random, true);
            world.desk.send(Envelope::new(work)).ok();
        }
        13 if may_grow => elsewhere(world, random),
        14 if may_grow => {
            let one = act(world, random, true).owned();
            let other = act(world, random, true).owned();
            let _gathers = Counted::among(&world.gathering);
            tokio::join!(one, other);
        }
        15 if may_grow => waits_for_one(world, random).await,
        _ => {}
    }
    true
}

/// In ways that no task is owned by.
fn elsewhere(world: &Arc<World>, random: &mut Random) {
    // As a dependency does. Nobody knows of it on a runtime that is nobody's.
    if random.below(2) == 0 && Handle::current().id() == world.home {
        drop(tokio::spawn(act(world, random, false)));
        return;
    }
    let (piece, gate) = (Piece::new(world), random.below(GATES));
    let job = owned_fn(move || piece.0.gates[usize::try_from(gate).unwrap()].put());
    if random.below(2) == 0 {
        drop(task::spawn_blocking(job));
    } else {
        drop(std::thread::spawn(job));
    }
}

async fn waits_for_one(world: &Arc<World>, random: &mut Random) {
    struct Awaits<'a>(&'a World, task::Id);

    impl Drop for Awaits<'_> {
        fn drop(&mut self) {
            self.0.awaited.lock().unwrap().remove(&self.1);
        }
    }

    let on = match random.below(2) {
        0 => Handle::current(),
        _ => world.strangers.handle().clone(),
    };
    let child = on.spawn(owned(act(world, random, true)));
    let handle = child.abort_handle();
    world.tasks.lock().unwrap().push(handle.clone());
    world.awaited.lock().unwrap().insert(child.id(), handle);
    let _awaits = Awaits(world, child.id());
    child.await.ok();
}
