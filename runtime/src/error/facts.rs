//! What ownership errors know: where an owner was looked for, and how one ended.

use crate::error::{Inspection, Place};
use std::fmt;
use std::time::Duration;

/// What somebody wanted an owner for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// A repo, by name.
    Repo(&'static str),
    /// The look-up itself, `require_current()`.
    Context,
    /// The owner that a token names.
    Token,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo(name) => write!(f, "repo `{name}`"),
            Self::Context => f.write_str("the current owner"),
            Self::Token => f.write_str("a token"),
        }
    }
}

/// Who wanted an owner, and from where.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Asker {
    /// The thread.
    pub thread: String,
    /// The tokio task, if it was one.
    pub task: Option<String>,
    /// The call. `None` where it came through `sqlx`, whose functions do not tell theirs.
    pub place: Option<Place>,
}

impl Asker {
    /// Whoever runs this code now.
    pub(crate) fn now(place: Option<Place>) -> Self {
        let thread = std::thread::current();
        let unnamed = || format!("{:?}", thread.id());
        Self {
            thread: thread.name().map_or_else(unnamed, str::to_owned),
            task: tokio::task::try_id().map(|id| id.to_string()),
            place,
        }
    }
}

impl Asker {
    /// Thread, task and place, without a verb.
    pub(crate) fn who(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            write!(f, "thread `{}`", self.thread)?;
            if let Some(task) = &self.task {
                write!(f, ", tokio task {task}")?;
            }
            match self.place {
                Some(place) => write!(f, ", at {place}"),
                None => Ok(()),
            }
        })
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asked by {}", self.who())
    }
}

/// Where an owner was looked for, closest first, and what was found there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Trail {
    /// One step per carrier, in the order of the look-up: which carrier, and what was found in it.
    pub steps: Vec<(&'static str, String)>,
    /// Who asked.
    pub asker: Asker,
    /// What to write instead, the likeliest first.
    pub help: Vec<&'static str>,
    /// Who owns what at that moment. Left out once the same asker has been told often enough.
    pub inspection: Option<Box<Inspection>>,
    /// How often the same asker has been told the same before.
    pub repeated: u32,
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}", self.asker)?;
        f.write_str("\n  looked for an owner in\n")?;
        for (index, (carrier, found)) in self.steps.iter().enumerate() {
            writeln!(f, "    {}. {carrier}: {found}", index + 1)?;
        }
        for (index, help) in self.help.iter().enumerate() {
            let lead = if index == 0 {
                "\n  help: "
            } else {
                "\n    or: "
            };
            write!(f, "{lead}{help}")?;
        }
        match &self.inspection {
            Some(inspection) => {
                f.write_str("\n\n")?;
                inspection.write(f, "  ")
            }
            None if self.repeated > 0 => {
                let time = self.repeated + 1;
                write!(
                    f,
                    "\n\n  time {time} for this thread; `heirloom::inspect()` shows who owns what"
                )
            }
            None => Ok(()),
        }
    }
}

/// How an owner ended, and who asked for it afterwards.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ended {
    /// The test, as `module::name`.
    pub owner: String,
    /// Where it is written.
    pub started_at: Place,
    /// How long it ran.
    pub ran: Duration,
    /// How long ago it ended.
    pub ago: Duration,
    /// Where it ended.
    pub ended_at: Place,
    /// Who ended it; `None` for a test, which ends by itself.
    pub by: Option<Asker>,
    /// Who asked.
    pub asker: Asker,
}

impl Ended {
    fn how(&self) -> String {
        match &self.by {
            Some(Asker { place: None, .. }) => "dropped without a `stop()`".to_owned(),
            _ => format!("at {}", self.ended_at),
        }
    }

    /// Tests end by themselves, other owners are ended by somebody.
    pub(crate) fn what(&self) -> &'static str {
        if self.by.is_some() { "owner" } else { "test" }
    }

    pub(crate) fn help(&self, subject: Subject) -> &'static str {
        if subject == Subject::Token {
            "what was sent with its token came too late: wait for it before the end, with `sandbox.settle()` or `eventually(..)`, or run its queue inside the test, `drain_queue(..)`"
        } else if self.by.is_some() {
            "end what uses its sessions (await or abort it) before you stop the owner\n    or: if it serves several owners: pass the caller along with each message: send `heirloom::Envelope::new(message)`, and work on it as the caller's, `envelope.handle(..)`"
        } else {
            "let the test end its tasks and threads (await or abort them) before it returns\n    or: if it serves several tests: pass the caller along with each message: send `heirloom::Envelope::new(message)`, and work on it as the caller's, `envelope.handle(..)`"
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {}: `{}`, started at {}",
            self.what(),
            self.owner,
            self.started_at
        )?;
        writeln!(
            f,
            "  ended: {:.1?} ago, after {:.1?}, {}",
            self.ago,
            self.ran,
            self.how()
        )?;
        if let Some(by) = &self.by {
            writeln!(f, "  ended by: {}", by.who())?;
        }
        write!(f, "  {}", self.asker)
    }
}

/// Why an owner lost its session on a repo while it was running.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The owner gave it back: [`Repo::checkin`](crate::Repo::checkin).
    CheckedIn,
    /// The repo's mode was changed, to this one: [`Repo::set_mode`](crate::Repo::set_mode).
    ModeChanged(String),
    /// It was held for longer than the `ownership_timeout`.
    TimedOut(Duration),
}

/// How an owner lost its session on a repo.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Taken {
    /// The owner, as `module::name`.
    pub owner: String,
    /// Where it was started.
    pub started_at: Place,
    /// Why it was taken.
    pub why: Why,
    /// Who did that. `None` when it was the clock.
    pub by: Option<Asker>,
    /// Who had opened it.
    pub opened_by: Asker,
    /// For how long it had been held.
    pub held: Duration,
    /// When it was taken.
    pub at: std::time::Instant,
    /// Who was using it just then; if nobody was, who had used it last.
    pub used_by: Vec<Asker>,
    /// Whether somebody was using it just then.
    pub in_use: bool,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, started_at) = (&self.owner, self.started_at);
        writeln!(f, "  owner: `{owner}`, started at {started_at}")?;
        let ago = self.at.elapsed();
        write!(f, "  taken: {ago:.1?} ago, ")?;
        match &self.why {
            Why::CheckedIn => f.write_str("by a checkin")?,
            Why::ModeChanged(mode) => write!(f, "by a change of the repo's mode to {mode}")?,
            Why::TimedOut(limit) => {
                write!(
                    f,
                    "because it was held for longer than its `ownership_timeout` of {limit:?}"
                )?;
            }
        }
        if let Some(by) = &self.by {
            write!(f, ", from {}", by.who())?;
        }
        let (held, opened_by) = (self.held, self.opened_by.who());
        write!(
            f,
            "\n  had been open: for {held:.1?}, opened by {opened_by}"
        )?;
        let verb = if self.in_use {
            "used just then"
        } else {
            "last used"
        };
        for user in &self.used_by {
            write!(f, "\n  {verb}: by {}", user.who())?;
        }
        Ok(())
    }
}

impl Taken {
    pub(crate) fn help(&self) -> &'static str {
        match self.why {
            Why::CheckedIn => {
                "give a session back after its last use; the owner's own code opens a new one: `REPO.checkout().await`"
            }
            Why::ModeChanged(_) => {
                "set modes before the tests start, since it takes the session from every owner; the owner's own code opens a new one: `REPO.checkout().await`"
            }
            Why::TimedOut(_) => {
                "find what hangs, or raise `ownership_timeout`: on the test, on the repo or on the checkout; the owner's own code opens a new session: `REPO.checkout().await`"
            }
        }
    }
}

/// Why a task or an actor was not allowed to use an owner's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The owner has ended, and its allowances with it.
    OwnerEnded,
    /// Another owner, of this name, has allowed it already.
    AllowedBy(String),
    /// The running task is the owner itself.
    Oneself,
    /// The task has finished.
    Finished,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerEnded => f.write_str("the owner has ended, and its allowances with it"),
            Self::AllowedBy(other) => write!(f, "`{other}` has allowed it already"),
            Self::Oneself => f.write_str("that is the owner itself"),
            Self::Finished => f.write_str("it has finished"),
        }
    }
}

impl Refusal {
    pub(crate) fn help(&self) -> &'static str {
        match self {
            Self::OwnerEnded => "allow it while the test or the session is running",
            Self::AllowedBy(_) => {
                "end that owner first, or move it on purpose: `owner.reassign(..)`"
            }
            Self::Oneself => "nothing needs to be done: it has its own sessions",
            Self::Finished => {
                "allow a task before it ends; a task that was spawned later is another one"
            }
        }
    }
}
