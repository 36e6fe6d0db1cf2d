//! What ownership errors know: where an owner was looked for, and how one ended.

use crate::error::Place;
use std::fmt;
use std::time::Duration;

/// What somebody wanted an owner for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A repo, by name.
    Repo(&'static str),
    /// The look-up itself, `require_current()`.
    Context,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo(name) => write!(f, "repo `{name}`"),
            Self::Context => f.write_str("the current owner"),
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

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asked by thread `{}`", self.thread)?;
        if let Some(task) = &self.task {
            write!(f, ", tokio task {task}")?;
        }
        match self.place {
            Some(place) => write!(f, ", at {place}"),
            None => Ok(()),
        }
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
        Ok(())
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
    /// Who asked.
    pub asker: Asker,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  test: `{}`, started at {}",
            self.owner, self.started_at
        )?;
        writeln!(
            f,
            "  ended: {:.1?} ago, after {:.1?}, at {}",
            self.ago, self.ran, self.ended_at
        )?;
        write!(f, "  {}", self.asker)
    }
}
