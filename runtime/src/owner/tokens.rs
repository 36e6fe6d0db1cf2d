//! Which owner a token names: one that runs, or one of the last that ended.
//!
//! 128 random bits in a hash map with a random key need no comparison in constant time: how long a look-up takes tells
//! nothing of which tokens there are.

use super::life::Ending;
use super::{Owner, Token};
use crate::error::{Asker, Ended, Error, Place, Subject};
use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How many of those that ended are remembered. A suite that lives long must not grow with every test.
const REMEMBERED: usize = 1024;

static TOKENS: LazyLock<RwLock<Tokens>> = LazyLock::new(RwLock::default);

#[derive(Default)]
struct Tokens {
    known: HashMap<Token, Known>,
    /// Those that ended, the last one last.
    ended: VecDeque<Token>,
}

enum Known {
    Running(Owner),
    Ended(Box<Late>),
}

/// An owner that is gone.
struct Late {
    name: String,
    started_at: Place,
    ended_at: Place,
    ran: Duration,
    when: Instant,
    by: Option<Asker>,
}

/// From now on the token names the owner.
pub(super) fn add(owner: &Owner) {
    let mut tokens = TOKENS.write().unwrap_or_else(PoisonError::into_inner);
    tokens.add(owner);
}

/// From now on the token names one that has ended.
pub(super) fn remove(owner: &Owner) {
    let late = owner.0.clock.ending().map(|ending| late(owner, ending));
    let mut tokens = TOKENS.write().unwrap_or_else(PoisonError::into_inner);
    let gone = tokens.remove(owner.token(), late);
    drop(tokens);
    // The owner may be dropped with them, and what hangs on it takes locks of its own.
    drop(gone);
}

impl Tokens {
    fn add(&mut self, owner: &Owner) {
        let known = Known::Running(owner.clone());
        self.known.insert(*owner.token(), known);
    }

    /// Gives back what is to be dropped: what was known of this one, and the one that is forgotten for it.
    fn remove(&mut self, token: &Token, late: Option<Box<Late>>) -> [Option<Known>; 2] {
        let before = match late {
            Some(late) => self.known.insert(*token, Known::Ended(late)),
            None => self.known.remove(token),
        };
        self.ended.push_back(*token);
        let forgotten = (self.ended.len() > REMEMBERED)
            .then(|| self.ended.pop_front())
            .flatten()
            .and_then(|token| self.known.remove(&token));
        [before, forgotten]
    }
}

fn late(owner: &Owner, ending: &Ending) -> Box<Late> {
    Box::new(Late {
        name: owner.name().to_owned(),
        started_at: owner.started_at(),
        ended_at: ending.at,
        ran: owner.ran(),
        when: ending.when,
        by: ending.by.clone(),
    })
}

impl Owner {
    /// The running owner of this process that a token names.
    ///
    /// For what comes in from outside: a request, a job, a message of another process. Look it up anew each time, as its
    /// test may have ended meanwhile.
    ///
    /// ```
    /// # use heirloom::{Owner, Sandbox, Test};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// let header = sandbox.owner().token().to_string();
    /// let owner = Owner::by_token(&header.parse()?)?;
    /// assert_eq!(&owner, sandbox.owner());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OwnerEnded`] with the owner's name for one of the last 1,024 that ended, [`Error::UnknownToken`] for any
    /// other: those of another process, of another run, and made-up ones.
    #[track_caller]
    pub fn by_token(token: &Token) -> Result<Self, Error> {
        let at: Place = std::panic::Location::caller().into();
        let tokens = TOKENS.read().unwrap_or_else(PoisonError::into_inner);
        let ended = match tokens.known.get(token) {
            Some(Known::Running(owner)) => {
                let owner = owner.clone();
                drop(tokens);
                owner.0.clock.is_named();
                return owner
                    .require_running(Subject::Token, Some(at))
                    .map(|()| owner);
            }
            Some(Known::Ended(late)) => Some(late.told(Asker::now(Some(at)))),
            None => None,
        };
        drop(tokens);
        Err(match ended {
            Some(ended) => Error::OwnerEnded {
                subject: Subject::Token,
                ended: Box::new(ended),
            },
            None => Error::UnknownToken {
                asker: Box::new(Asker::now(Some(at))),
            },
        })
    }
}

impl Late {
    fn told(&self, asker: Asker) -> Ended {
        Ended {
            owner: self.name.clone(),
            started_at: self.started_at,
            ran: self.ran,
            ago: self.when.elapsed(),
            ended_at: self.ended_at,
            by: self.by.clone(),
            asker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::token::NotAToken;

    const HERE: Place = Place {
        file: "tests/story.rs",
        line: 3,
        column: 10,
    };

    #[test]
    fn a_token_names_its_owner_until_it_ends_and_then_who_that_was() {
        let owner = Owner::begin("story::t", HERE);
        let token: Token = owner.token().to_string().to_uppercase().parse().unwrap();
        assert_eq!(Owner::by_token(&token).unwrap(), owner);

        owner.close(HERE, None);
        let closing = Owner::by_token(&token).unwrap_err();
        assert!(matches!(closing, Error::OwnerEnded { .. }), "{closing}");
        owner.end();
        drop(owner);
        let ended = Owner::by_token(&token).unwrap_err();
        assert!(matches!(&ended, Error::OwnerEnded { .. }), "{ended}");
        assert!(ended.to_string().contains("`story::t`"), "{ended}");
        assert!(!ended.to_string().contains(&token.to_string()), "{ended}");
    }

    /// In a directory of its own, as other tests beside this one want to be remembered.
    #[test]
    fn of_those_that_ended_the_last_ones_are_remembered_and_no_more() {
        let mut tokens = Tokens::default();
        let owner = Owner::begin("story::remembered", HERE);
        owner.close(HERE, None);
        let ending = owner.0.clock.ending().expect("it was closed");
        let ended: Vec<Token> = (0..REMEMBERED + 76).map(|_| Token::random()).collect();
        for token in &ended {
            tokens.remove(token, Some(late(&owner, ending)));
        }
        let (forgotten, remembered) = ended.split_at(76);
        assert!(forgotten.iter().all(|it| !tokens.known.contains_key(it)));
        assert!(remembered.iter().all(|it| tokens.known.contains_key(it)));
        assert_eq!((tokens.known.len(), tokens.ended.len()), (1024, 1024));
        owner.end();
    }

    #[test]
    fn a_token_that_nobody_has_is_unknown_and_what_is_no_token_is_refused() {
        let stranger = Owner::by_token(&Token::random()).unwrap_err();
        assert!(matches!(stranger, Error::UnknownToken { .. }), "{stranger}");
        for text in [
            "",
            "0",
            &"g".repeat(32),
            &"0".repeat(33),
            "0 00000000000000000000000000000 0",
        ] {
            assert_eq!(text.parse::<Token>(), Err(NotAToken), "{text}");
        }
    }
}
