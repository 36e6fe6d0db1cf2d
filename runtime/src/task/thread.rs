//! Whether a thread is at work: a thread has no waker that would tell.

use std::cell::OnceCell;
use std::fs;
use std::num::NonZeroU32;
use std::time::Duration;

/// A thread of this process, as the system numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ThreadId(NonZeroU32);

impl ThreadId {
    /// The running thread. `None` where the system does not tell: elsewhere than on Linux.
    #[inline]
    pub(crate) fn current() -> Option<Self> {
        thread_local! {
            static HERE: OnceCell<Option<ThreadId>> = const { OnceCell::new() };
        }
        HERE.try_with(|here| *here.get_or_init(Self::ask))
            .ok()
            .flatten()
    }

    #[cold]
    fn ask() -> Option<Self> {
        // `<process>/task/<thread>`.
        let link = fs::read_link("/proc/thread-self").ok()?;
        let number = link.file_name()?.to_str()?.parse();
        number.ok().map(Self)
    }

    pub(super) fn from_number(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    pub(super) fn number(self) -> u32 {
        self.0.get()
    }

    /// Whether it sleeps until something wakes it: in a lock, a channel, a timer, on a socket.
    ///
    /// Whoever wakes it makes it runnable at once, before it gets to run: so a thread that was handed something is never
    /// seen asleep. `None` once the thread has ended.
    pub(crate) fn is_asleep(self) -> Option<bool> {
        self.fields().map(|(state, _)| state == "S")
    }

    /// For how long it has been at work so far, not counting the time for which it waited for a processor.
    pub(super) fn worked(self) -> Option<Duration> {
        let precise = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.0)).ok();
        let precise = precise.and_then(|stat| stat.split(' ').next()?.parse().ok());
        // Some systems count in hundredths of a second only.
        let coarse = || Some(self.fields()?.1 * 10_000_000);
        precise.or_else(coarse).map(Duration::from_nanos)
    }

    /// Its state, and the hundredths of a second that it has been at work.
    fn fields(self) -> Option<(String, u64)> {
        let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", self.0)).ok()?;
        // `1234 (name) S ..`, and the name may hold anything. The state is the third field.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?.to_owned();
        // Its own time and the system's for it are the 14th and the 15th.
        let times = fields.skip(10).take(2);
        let hundredths = times.filter_map(|time| time.parse::<u64>().ok()).sum();
        Some((state, hundredths))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::ThreadId;
    use std::hint::spin_loop;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    #[test]
    fn a_thread_that_waits_is_asleep_and_one_that_computes_is_not() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let (tell, told) = channel();
        let (wake, woken) = channel::<()>();
        let waits = std::thread::spawn({
            let tell = tell.clone();
            move || {
                tell.send(ThreadId::current()).unwrap();
                woken.recv().ok();
            }
        });
        let waiting = told.recv().unwrap().unwrap();
        while waiting.is_asleep() != Some(true) {
            std::thread::yield_now();
        }
        let computes = std::thread::spawn(move || {
            tell.send(ThreadId::current()).unwrap();
            while !STOP.load(Ordering::Relaxed) {
                spin_loop();
            }
        });
        let computing = told.recv().unwrap().unwrap();
        assert!((0..1000).all(|_| computing.is_asleep() == Some(false)));
        assert_eq!(ThreadId::current().unwrap().is_asleep(), Some(false));
        STOP.store(true, Ordering::Relaxed);
        drop(wake);
        waits.join().unwrap();
        computes.join().unwrap();
    }
}
