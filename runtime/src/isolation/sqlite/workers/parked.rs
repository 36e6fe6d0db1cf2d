//! How a thread of this process looks that is parked, and whether one is.

use super::Tid;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// What `std` asks of the system to park a thread. It differs by machine and may by version, so it is looked at once.
#[derive(Debug)]
pub(super) struct Parked {
    call: String,
    operation: String,
    /// The number that a parked thread sleeps on.
    value: u64,
    memory: File,
}

/// A call of the system that a thread sleeps in: its number and arguments, as text.
#[derive(Debug)]
struct Asleep {
    call: String,
    address: u64,
    operation: String,
    value: u64,
}

/// How long a thread may take to be parked that has nothing else to do.
const SOON: Duration = Duration::from_secs(1);

/// How often that may last longer, before it is taken for something that never happens here.
const ATTEMPTS: u32 = 3;

impl Parked {
    /// `None` where the system does not tell, as other systems than Linux.
    pub(super) fn known() -> Option<&'static Self> {
        static KNOWN: OnceLock<Option<Parked>> = OnceLock::new();
        static LATE: AtomicU32 = AtomicU32::new(0);
        if let Some(known) = KNOWN.get() {
            return known.as_ref();
        }
        match Self::look() {
            // The thread may have had no time: next time, then.
            None if may_be_told() && LATE.fetch_add(1, Ordering::Relaxed) < ATTEMPTS => None,
            found => KNOWN.get_or_init(|| found).as_ref(),
        }
    }

    /// Looks at a thread of which it is known that it is parked.
    fn look() -> Option<Self> {
        may_be_told().then_some(())?;
        let memory = File::open("/proc/self/mem").ok()?;
        let tid: Arc<OnceLock<Tid>> = Arc::default();
        let done = Arc::new(Mutex::new(false));
        let sleeper = {
            let (tid, done) = (Arc::clone(&tid), Arc::clone(&done));
            let name = "heirloom-parked".to_owned();
            let sleep = move || {
                if let Some(own) = own_tid() {
                    tid.get_or_init(|| own);
                }
                while done.lock().is_ok_and(|done| !*done) {
                    thread::park();
                }
            };
            thread::Builder::new().name(name).spawn(sleep).ok()?
        };
        let started = Instant::now();
        let mut found = None;
        while found.is_none() && started.elapsed() < SOON && !sleeper.is_finished() {
            thread::yield_now();
            let asleep = tid.get().and_then(|&tid| asleep(tid));
            found =
                asleep.filter(|asleep| number_at(&memory, asleep.address) == Some(asleep.value));
        }
        if let Ok(mut done) = done.lock() {
            *done = true;
        }
        sleeper.thread().unpark();
        sleeper.join().ok()?;
        let Asleep {
            call,
            operation,
            value,
            ..
        } = found?;
        Some(Self {
            call,
            operation,
            value,
            memory,
        })
    }

    /// Whether a thread is parked and nobody has called it.
    pub(super) fn is(&self, tid: Tid) -> bool {
        asleep(tid).is_some_and(|asleep| {
            asleep.call == self.call
                && asleep.operation == self.operation
                && asleep.value == self.value
                && number_at(&self.memory, asleep.address) == Some(self.value)
        })
    }

    /// Whether a thread waits for another: on a number as well, but not for a lock that is held for a moment, which is 2
    /// wherever it is.
    pub(super) fn is_waiting(&self, tid: Tid) -> bool {
        asleep(tid).is_some_and(|asleep| asleep.call == self.call && asleep.value != 2)
    }
}

/// Whether the system tells what threads sleep in.
fn may_be_told() -> bool {
    fs::read_to_string("/proc/thread-self/syscall").is_ok() && File::open("/proc/self/mem").is_ok()
}

fn own_tid() -> Option<Tid> {
    let link = fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}

/// What a thread sleeps in; `None` while it runs.
fn asleep(tid: Tid) -> Option<Asleep> {
    let line = fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).ok()?;
    let mut words = line.split_ascii_whitespace();
    let call = words.next()?.to_owned();
    let address = number(words.next()?)?;
    let operation = words.next()?.to_owned();
    // Of the register only this half is the argument.
    let value = number(words.next()?)? & u64::from(u32::MAX);
    Some(Asleep {
        call,
        address,
        operation,
        value,
    })
}

fn number(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// A number in this process's memory, by the system: there may be nothing any more.
fn number_at(memory: &File, address: u64) -> Option<u64> {
    let mut bytes = [0; 4];
    memory.read_exact_at(&mut bytes, address).ok()?;
    Some(u64::from(u32::from_ne_bytes(bytes)))
}
