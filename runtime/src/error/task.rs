//! What errors know of an owner's work.

use super::Place;
use std::fmt;
use std::time::Duration;

/// What a piece of owned work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskKind {
    /// A future.
    Task,
    /// A closure: a blocking job, or a thread.
    Closure,
    /// A message, from when it was sent until it is handled.
    Message,
    /// A request that is handled: from when it came in until its response's body is gone.
    Request,
    /// A request that was sent, until its response's head is there.
    Call,
}

/// What a piece of owned work is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It was handed to a spawn, or sent, and nobody has got to it yet.
    Spawned,
    /// It is being polled or called now.
    Running,
    /// It was woken and is to be polled.
    Woken,
    /// It waits for something.
    Parked,
    /// It is over.
    Done,
}

/// A piece of owned work at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskView {
    /// What it is.
    pub kind: TaskKind,
    /// The type of its future, closure or message, as [`std::any::type_name`] tells it: for an `async` block or a closure
    /// that is where it was written.
    pub name: &'static str,
    /// The actor's name, if it is one.
    pub actor: Option<&'static str>,
    /// Where it was spawned or sent.
    pub spawned_at: Place,
    /// What it is doing.
    pub state: TaskState,
    /// The tokio task that ran it first.
    pub task: Option<String>,
    /// The thread that ran it first.
    pub thread: Option<String>,
    /// How often it was polled and had not finished.
    pub polls: u64,
    /// What is known of a request, handled or sent.
    pub request: Option<RequestView>,
}

/// A request at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestView {
    /// Its method and its target, without the query, which may hold secrets: `GET /entries`.
    pub line: String,
    /// How long ago it came in, or was sent.
    pub ago: Duration,
    /// Whether it is waited for: its response's head is not there yet, and its client is.
    pub in_flight: bool,
}

/// A piece of owned work that panicked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Panicked {
    /// Which one.
    pub task: TaskView,
    /// What it panicked with.
    pub message: String,
}

impl TaskView {
    /// Where its code was written, without what the compiler calls the block. `None` for types that say nothing.
    fn written_in(&self) -> Option<&'static str> {
        let mut name = self.name;
        while let Some(inner) = name
            .strip_prefix("heirloom::task::owned::Owned<")
            .and_then(|inner| inner.strip_suffix('>'))
        {
            name = inner;
        }
        for block in ["::{{closure}}", "::__heirloom_body", "::{{closure}}"] {
            while let Some(shorter) = name.strip_suffix(block) {
                name = shorter;
            }
        }
        let telling =
            name != "()" && !name.contains("dyn ") && !name.contains('<') && name.len() <= 120;
        telling.then_some(name)
    }
}

impl TaskView {
    /// What it is and where it comes from, without what it is doing.
    fn which(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            let at = self.spawned_at;
            match (self.kind, self.actor, &self.task) {
                (TaskKind::Request | TaskKind::Call, ..) => return self.which_request(f),
                (TaskKind::Message, ..) => {
                    let name = self.written_in().map(|name| format!(" `{name}`"));
                    return write!(f, "message{}, sent at {at}", name.unwrap_or_default());
                }
                (_, Some(actor), _) => write!(f, "actor `{actor}`")?,
                (TaskKind::Task, None, _) => f.write_str("task")?,
                (TaskKind::Closure, None, Some(_)) => f.write_str("blocking job")?,
                (TaskKind::Closure, None, None) => f.write_str("thread or job")?,
            }
            if let Some(function) = self.written_in() {
                write!(f, " in `{function}`")?;
            }
            write!(f, ", spawned at {at}")?;
            match &self.task {
                Some(task) => write!(f, ", tokio task {task}"),
                None => Ok(()),
            }
        })
    }
}

impl TaskView {
    fn which_request(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.spawned_at;
        let line = self.request.as_ref().map_or("", |request| &request.line);
        if self.kind == TaskKind::Call {
            return write!(f, "request `{line}`, sent by the layer made at {at}");
        }
        write!(f, "request `{line}`, taken by the layer made at {at}")
    }

    /// Since when, and whether anybody waits for it.
    fn since(&self, f: &mut fmt::Formatter<'_>, request: &RequestView) -> fmt::Result {
        let ago = request.ago;
        match (self.kind, request.in_flight) {
            (TaskKind::Call, _) => return write!(f, "no response for {ago:.1?}"),
            (_, true) => write!(f, "in flight for {ago:.1?}, its handler is ")?,
            (_, false) => write!(
                f,
                "came in {ago:.1?} ago, its client is gone or has its response, it is "
            )?,
        }
        write!(f, "{}", self.state)
    }
}

impl fmt::Display for TaskView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.which())?;
        if let Some(request) = &self.request {
            return self.since(f, request);
        }
        match (self.kind, self.state) {
            (TaskKind::Message, TaskState::Spawned) => {
                return f.write_str(
                    "not handled yet, its envelope is neither opened nor dropped (one that is kept, not sent, is \
                     `Envelope::standing(..)`)",
                );
            }
            (TaskKind::Message, state) => return write!(f, "being handled, {state}"),
            (_, state) => write!(f, "{state}")?,
        }
        if let (TaskKind::Closure, Some(thread)) = (self.kind, &self.thread) {
            write!(f, " on thread `{thread}`")?;
        }
        match self.polls {
            0 => Ok(()),
            1 => f.write_str(", polled once"),
            polls => write!(f, ", polled {polls} times"),
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spawned => "not started yet",
            Self::Running => "running",
            Self::Woken => "woken, to run again",
            Self::Parked => "waiting",
            Self::Done => "done",
        })
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.task.which(), self.message)
    }
}

/// What somebody panicked with.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not text")
}

/// What had not settled, or had not finished, when the time was up.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Busy {
    /// The owned work that is busy, or not finished.
    pub tasks: Vec<TaskView>,
    /// The database calls and requests that were in flight, one text for each.
    pub in_flight: Vec<String>,
    /// The owned work that waited meanwhile, maybe for what was in flight. Empty when nothing was.
    pub waiting: Vec<TaskView>,
    /// When work was still being begun at the end: how much since it was waited for, and where the last came from. Some work
    /// makes more of it for ever.
    pub begun: Option<(u64, Place)>,
    /// How many tasks live on the test's own runtime, when that was not at rest although nothing owned was busy: something
    /// that was spawned by code without annotations, or inside a dependency.
    pub unowned: Option<usize>,
}

impl Busy {
    /// Whether it is known what was busy.
    pub(crate) fn is_seen(&self) -> bool {
        !self.tasks.is_empty() || !self.in_flight.is_empty() || self.begun.is_some()
    }
}

/// How many lines are shown of each kind.
const SHOWN: usize = 16;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, "  ", &self.tasks)?;
        list(f, "  ", &self.in_flight)?;
        if !self.waiting.is_empty() {
            f.write_str("\n  meanwhile these wait, maybe for that:")?;
            list(f, "    ", &self.waiting)?;
        }
        if let Some((begun, last)) = self.begun {
            write!(
                f,
                "\n  it goes on spawning: {begun} tasks, jobs or messages were begun meanwhile, the last at {last}"
            )?;
        }
        match self.unowned {
            None => {}
            Some(0) => f.write_str(
                "\n  the test's runtime, on which no task lives: is the thread blocked that drives it? `.await` this on it",
            )?,
            Some(alive) => write!(
                f,
                "\n  the test's runtime, which had something to do all the time: {alive} tasks live on it, and what is busy was \
                 spawned in a dependency or in code without `#[owned_task]`"
            )?,
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, indent: &str, lines: &[impl fmt::Display]) -> fmt::Result {
    for line in lines.iter().take(SHOWN) {
        write!(f, "\n{indent}{line}")?;
    }
    match lines.len().checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => write!(f, "\n{indent}and {more} more"),
    }
}
