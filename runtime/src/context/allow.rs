//! Allowing what is nobody's heir to use an owner's sessions.

use super::changes;
use super::claim::Claim;
use super::stack;
use crate::error::{Error, Place, Refusal};
use crate::owner::{DIRECTORY, Owner, Refused, Role, Target, Task};
use std::borrow::Cow;
use std::panic::Location;
use tokio::task::{AbortHandle, JoinHandle};

/// Who is to be allowed: a tokio task, by its id or a handle to it, or an actor, by name.
///
/// An actor's name is that of `#[owned_task(name = "..")]` or [`Owned::named`](crate::Owned::named). It need not be
/// running yet.
#[derive(Clone, Debug)]
pub struct AllowTarget {
    target: Target<Task>,
    /// Known only where there is a handle.
    finished: bool,
}

impl From<Task> for AllowTarget {
    /// An id does not tell whether its task still runs; a handle does.
    fn from(task: Task) -> Self {
        Self {
            target: Target::Task(task),
            finished: false,
        }
    }
}

impl<T> From<&JoinHandle<T>> for AllowTarget {
    fn from(handle: &JoinHandle<T>) -> Self {
        Self {
            target: Target::Task(handle.id()),
            finished: handle.is_finished(),
        }
    }
}

impl From<&AbortHandle> for AllowTarget {
    fn from(handle: &AbortHandle) -> Self {
        Self {
            target: Target::Task(handle.id()),
            finished: handle.is_finished(),
        }
    }
}

impl From<&'static str> for AllowTarget {
    fn from(actor: &'static str) -> Self {
        Self {
            target: Target::Actor(Cow::Borrowed(actor)),
            finished: false,
        }
    }
}

impl From<String> for AllowTarget {
    fn from(actor: String) -> Self {
        Self {
            target: Target::Actor(Cow::Owned(actor)),
            finished: false,
        }
    }
}

impl Owner {
    /// Lets a task or an actor that is nobody's heir use this owner's sessions, until the owner ends.
    ///
    /// What it spawns by [`owned`](crate::owned()) from then on is the owner's heir, and stays so when it ends itself. An
    /// actor's name stands for every actor of that name that is running or starts later, except those that other owners
    /// spawned or have allowed; where several owners allow one name, each actor that starts goes to the one with the
    /// fewest. One whose owner ends is handed on to nobody in the middle of its work: it is another owner's when that
    /// allows it again, or when it is restarted. Allowing the same again changes nothing else.
    ///
    /// What names its owner inside the task stays that owner's: an owned future that is awaited there or that the task was
    /// spawned as by hand (`tokio::spawn(owned(future))`), a span that carries an owner, [`Owner::enter`].
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// let worker = tokio::spawn(async { heirloom::current() });
    /// sandbox.owner().allow(&worker)?;
    /// sandbox.owner().allow("pricing")?; // an actor that has not started yet
    /// # worker.await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotAllowed`] when another owner has allowed it already, when it has finished, when it is the owner
    /// itself, or when the owner has ended.
    #[track_caller]
    pub fn allow(&self, target: impl Into<AllowTarget>) -> Result<(), Error> {
        self.assign(target.into(), Location::caller().into(), |target| {
            DIRECTORY.write(|registry| registry.allow(self.id(), target))
        })
    }

    /// As [`Owner::allow`], but takes it from whichever owner had allowed it.
    ///
    /// An actor's name then means every running actor of that name, whoever had allowed it, except those that other owners
    /// spawned and that are theirs as long as they run.
    ///
    /// # Errors
    ///
    /// As [`Owner::allow`], except for other owners.
    #[track_caller]
    pub fn reassign(&self, target: impl Into<AllowTarget>) -> Result<(), Error> {
        self.assign(target.into(), Location::caller().into(), |target| {
            DIRECTORY.write(|registry| registry.reassign(self.id(), target))
        })
    }

    fn assign(
        &self,
        AllowTarget { target, finished }: AllowTarget,
        place: Place,
        assign: impl FnOnce(Target<Task>) -> Result<(), Refused>,
    ) -> Result<(), Error> {
        let text = match &target {
            Target::Task(task) => format!("task {task}"),
            Target::Actor(name) => format!("the actor `{name}`"),
        };
        let refused = |refusal| Error::NotAllowed {
            owner: self.name().to_owned(),
            target: text,
            refusal,
            place,
        };
        if finished {
            return Err(refused(Refusal::Finished));
        }
        if self.is_running_task(&target) {
            return Err(refused(Refusal::Oneself));
        }
        if self.life() != crate::owner::Life::Running {
            return Err(refused(Refusal::OwnerEnded));
        }
        match assign(target) {
            Ok(()) => {
                changes::happened();
                Ok(())
            }
            Err(Refused::OwnerEnded) => Err(refused(Refusal::OwnerEnded)),
            Err(Refused::AllowedBy(other)) => {
                let other = DIRECTORY.read(|registry| registry.owner(other).cloned());
                let name =
                    other.map_or_else(|| "another owner".to_owned(), |o| o.name().to_owned());
                Err(refused(Refusal::AllowedBy(name)))
            }
        }
    }

    /// Whether the target is the code that asks, and that is the owner itself.
    fn is_running_task(&self, target: &Target<Task>) -> bool {
        let Target::Task(task) = target else {
            return false;
        };
        let oneself = |claim| matches!(claim, Claim::Owned(owner, Role::Owner) if owner == *self);
        tokio::task::try_id() == Some(*task) && stack::claim().is_some_and(oneself)
    }
}
