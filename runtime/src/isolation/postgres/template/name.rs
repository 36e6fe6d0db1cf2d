//! The names of templates and clones, the locks that go with them, and what their comments say.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The longest name PostgreSQL keeps whole, in bytes; a longer one is cut in silence.
const LONGEST: usize = 63;

/// So much of the application's database name that every name below fits.
const BASE: usize = LONGEST - "_heirloom_".len() - "r0123456789ab_4294967295".len();

/// At the end of a template's name while it is being made.
const UNFINISHED: &str = "_new";

/// Before a run; no digit of a hash, so that the two are never mistaken for each other.
const RUN_MARK: char = 'r';

const HASH: usize = 16;
const RUN: usize = 12;

/// What the databases of one application database have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// The application's database.
    pub(super) base: String,
    /// How all their names begin. Two bases may share it, if they are long and alike.
    pub(super) prefix: String,
}

/// What a name of the family says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Template,
    /// Of the template with this name.
    Unfinished(&'a str),
    /// Of the process with this run.
    Clone(&'a str),
}

impl Family {
    pub(super) fn of(base: &str) -> Self {
        let mut end = base.len().min(BASE);
        while !base.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            base: base.to_owned(),
            prefix: format!("{}_heirloom_", &base[..end]),
        }
    }

    /// The parts are hashed together with the whole base, so that what is cut off still counts.
    pub(super) fn template<'a>(&'a self, parts: impl IntoIterator<Item = &'a str>) -> String {
        let mut hash = Sha256::new();
        for part in [&*self.base].into_iter().chain(parts) {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let mut name = self.prefix.clone();
        for byte in hash.finalize().iter().take(HASH / 2) {
            write!(name, "{byte:02x}").expect("a string takes text");
        }
        name
    }

    pub(super) fn clone_of(&self, run: &str, number: u32) -> String {
        format!("{}{RUN_MARK}{run}_{number}", self.prefix)
    }

    /// What a database of this name is, if it is one of the family.
    pub(super) fn kind<'a>(&self, name: &'a str) -> Option<Kind<'a>> {
        let rest = name.strip_prefix(&*self.prefix)?;
        if let Some((run, number)) = rest
            .strip_prefix(RUN_MARK)
            .and_then(|rest| rest.split_once('_'))
        {
            let is_clone = is_hex(run, RUN) && number.parse::<u32>().is_ok();
            return is_clone.then_some(Kind::Clone(run));
        }
        match rest.strip_suffix(UNFINISHED) {
            Some(hash) if is_hex(hash, HASH) => {
                Some(Kind::Unfinished(&name[..name.len() - UNFINISHED.len()]))
            }
            _ => is_hex(rest, HASH).then_some(Kind::Template),
        }
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == length && text.bytes().all(is_digit)
}

/// Where a template is made until it is whole.
pub(super) fn unfinished(template: &str) -> String {
    format!("{template}{UNFINISHED}")
}

/// A name for this process, not guessable from its number: containers have the same ones.
pub(super) fn run() -> String {
    let mut bits = [0; RUN / 2];
    getrandom::fill(&mut bits).expect("the operating system hands out random bytes");
    bits.iter().fold(String::new(), |mut run, byte| {
        write!(run, "{byte:02x}").expect("a string takes text");
        run
    })
}

/// The advisory lock of a template or a run.
pub(super) fn lock(name: &str) -> i64 {
    let digest = Sha256::digest(format!("heirloom {name}"));
    i64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}

/// As an identifier in SQL.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// As a string in SQL, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// What the comment on a database of ours says, beside its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark<'a> {
    /// A template of this database, last used then: seconds by the server's clock.
    Template { used: u64, base: &'a str },
    /// A clone that is kept to look at, since then.
    Kept { since: u64 },
}

impl<'a> Mark<'a> {
    pub(super) fn read(comment: &'a str) -> Option<Self> {
        if let Some(rest) = comment.strip_prefix("heirloom: template, used ") {
            let (used, base) = rest.split_once(", of ")?;
            return Some(Self::Template {
                used: used.parse().ok()?,
                base,
            });
        }
        let rest = comment.strip_prefix("heirloom: kept, since ")?;
        let since = rest.split_once(", for ")?.0.parse().ok()?;
        Some(Self::Kept { since })
    }

    /// For whom a database with this comment is kept.
    pub(super) fn kept_for(comment: &str) -> Option<&str> {
        let rest = comment.strip_prefix("heirloom: kept, since ")?;
        rest.split_once(", for ").map(|(_, whom)| whom)
    }

    pub(super) fn template(used: u64, base: &str) -> String {
        format!("heirloom: template, used {used}, of {base}")
    }

    pub(super) fn kept(since: u64, whom: &str) -> String {
        format!("heirloom: kept, since {since}, for {whom}")
    }
}
