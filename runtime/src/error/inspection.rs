//! Who owns what at one moment: facts, and the tree that a person reads.

use super::{Asker, Place};
use std::fmt;
use std::time::Duration;

/// Everything that is owned in this process at one moment. Displayed as a tree.
///
/// From [`Sandbox::inspect`](crate::Sandbox::inspect) or [`inspect`](crate::inspect()).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The repos that are used or have a mode of their own.
    pub repos: Vec<RepoView>,
    /// The owners that run, oldest first.
    pub owners: Vec<OwnerView>,
    /// How many more there are than are listed.
    pub more: usize,
    /// What waits for an owner to adopt it.
    pub paused: Vec<PausedView>,
}

/// A repo and its mode.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RepoView {
    /// The repo's name.
    pub name: &'static str,
    /// Its kind of database.
    pub database: &'static str,
    /// Its mode, as text.
    pub mode: String,
}

/// An owner and what it has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OwnerView {
    /// Its name.
    pub name: String,
    /// Where it was started.
    pub started_at: Place,
    /// Whether it has begun to end.
    pub ending: bool,
    /// For how long it has been running, or ran.
    pub ran: Duration,
    /// Its sessions.
    pub sessions: Vec<SessionView>,
    /// The tasks and actors that may use them without being its heirs.
    pub allowances: Vec<String>,
}

/// An owner's session on a repo.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionView {
    /// The repo's name.
    pub repo: &'static str,
    /// Its kind of database.
    pub database: &'static str,
    /// What it is doing: being opened, open, taken away, …
    pub state: String,
    /// For how long the owner has had it.
    pub held: Duration,
    /// Who is using it now, or used it last.
    pub users: Vec<String>,
}

/// Something that nobody owns and that waits for an owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PausedView {
    /// Which repo it wants.
    pub repo: &'static str,
    /// Who it is.
    pub asker: Asker,
    /// How long it has been waiting.
    pub waited: Duration,
}

/// One line, and what hangs below it.
struct Branch(String, Vec<Branch>);

impl Branch {
    fn leaf(text: impl Into<String>) -> Self {
        Self(text.into(), Vec::new())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, before: &str, last: bool) -> fmt::Result {
        let (turn, below) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        write!(f, "\n{before}{turn}{}", self.0)?;
        write_all(&self.1, f, &format!("{before}{below}"))
    }
}

fn write_all(branches: &[Branch], f: &mut fmt::Formatter<'_>, before: &str) -> fmt::Result {
    let last = branches.len().saturating_sub(1);
    for (index, branch) in branches.iter().enumerate() {
        branch.write(f, before, index == last)?;
    }
    Ok(())
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

impl Inspection {
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, before: &str) -> fmt::Result {
        let mut tree: Vec<Branch> = self.repos.iter().map(RepoView::branch).collect();
        tree.extend(self.owners.iter().map(OwnerView::branch));
        if self.more > 0 {
            tree.push(Branch::leaf(format!("{} older owners", self.more)));
        }
        tree.extend(self.paused.iter().map(PausedView::branch));
        let owners = self.owners.len() + self.more;
        let owners = match owners {
            0 => "nobody owns anything".to_owned(),
            1 => "1 owner".to_owned(),
            _ => format!("{owners} owners"),
        };
        write!(f, "{before}{owners} in this process")?;
        write_all(&tree, f, before)
    }
}

impl RepoView {
    fn branch(&self) -> Branch {
        Branch::leaf(format!(
            "repo `{}` ({}): {}",
            self.name, self.database, self.mode
        ))
    }
}

impl OwnerView {
    fn branch(&self) -> Branch {
        let life = if self.ending {
            "ending, after"
        } else {
            "running for"
        };
        let text = format!(
            "`{}`, {life} {:.1?}, started at {}",
            self.name, self.ran, self.started_at
        );
        let sessions = self.sessions.iter().map(SessionView::branch);
        let allowances = self.allowances.iter();
        let allowances = allowances.map(|target| Branch::leaf(format!("allows {target}")));
        Branch(text, sessions.chain(allowances).collect())
    }
}

impl SessionView {
    fn branch(&self) -> Branch {
        let text = format!(
            "session on `{}` ({}), {}, for {:.1?}",
            self.repo, self.database, self.state, self.held
        );
        Branch(text, self.users.iter().map(Branch::leaf).collect())
    }
}

impl PausedView {
    fn branch(&self) -> Branch {
        Branch::leaf(format!(
            "waits for an owner on repo `{}` since {:.1?}: {}",
            self.repo,
            self.waited,
            self.asker.who()
        ))
    }
}
