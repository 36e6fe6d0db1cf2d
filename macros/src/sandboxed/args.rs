//! The arguments of `#[sandboxed]`.

use super::fixtures::{self, Fixture};
use crate::args::{self, Argument, empty, unknown};
use crate::diag::{Sink, error, list};
use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Ident, LitBool, LitInt, LitStr, Path, Token};

const NAMES: &[&str] = &[
    "migrations",
    "migrator",
    "fixtures",
    "isolation",
    "shared",
    "flavor",
    "worker_threads",
    "start_paused",
    "ownership_timeout",
    "drain",
    "drain_timeout",
    "spawns",
    "allow",
    "crate",
];

/// What was asked for. Where a later check may object, the token to point at is kept.
#[derive(Default)]
pub(super) struct Args {
    pub(super) runtime: Option<Path>,
    pub(super) migrations: Option<(Ident, Migrations)>,
    pub(super) migrator: Option<(Ident, Path)>,
    pub(super) fixtures: Vec<Fixture>,
    pub(super) isolation: Option<Isolation>,
    pub(super) shared: bool,
    pub(super) flavor: Option<(Ident, Flavor)>,
    pub(super) worker_threads: Option<(Ident, usize)>,
    pub(super) start_paused: Option<Ident>,
    /// In milliseconds.
    pub(super) ownership_timeout: Option<u64>,
    /// In milliseconds.
    pub(super) drain: Option<Drain>,
    pub(super) drain_timeout: Option<u64>,
    pub(super) spawns: Option<(LitStr, Spawns)>,
    pub(super) allow: Option<(Ident, Vec<Path>)>,
}

pub(super) enum Migrations {
    Directory(LitStr),
    None,
}

#[derive(Clone, Copy)]
pub(super) enum Isolation {
    Transaction,
    Database,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    CurrentThread,
    MultiThread,
}

/// What the end of the test does about what is still running.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    Settle,
    Join,
    Abort,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spawns {
    Inherit,
    Deny,
}

impl Args {
    pub(super) fn parse(tokens: TokenStream, sink: &mut Sink) -> Self {
        let mut args = Self::default();
        for argument in args::parse(tokens, &["fixtures"], sink) {
            if let Err(error) = args.take(&argument) {
                sink.push(error);
            }
        }
        args.check(sink);
        args
    }

    fn take(&mut self, argument: &Argument) -> syn::Result<()> {
        let name = argument.name.clone();
        match name.to_string().as_str() {
            "migrations" => self.migrations = Some((name, migrations(argument)?)),
            "migrator" => self.migrator = Some((name, migrator(argument)?)),
            "fixtures" => self.fixtures.extend(fixtures::parse(argument)?),
            "isolation" => self.isolation = Some(isolation(argument)?),
            "shared" => self.shared = shared(argument)?,
            "flavor" => self.flavor = Some((name, flavor(argument)?)),
            "worker_threads" => self.worker_threads = Some((name, worker_threads(argument)?)),
            "start_paused" => self.start_paused = start_paused(argument)?.then_some(name),
            "ownership_timeout" => self.ownership_timeout = Some(duration(argument, OWNERSHIP)?),
            "drain" => self.drain = Some(drain(argument)?),
            "drain_timeout" => self.drain_timeout = Some(duration(argument, DRAIN)?),
            "spawns" => self.spawns = Some(spawns(argument)?),
            "allow" => self.allow = Some((name, allow(argument)?)),
            "crate" => self.runtime = Some(args::runtime_path(argument)?),
            _ => return Err(unknown(argument, NAMES)),
        }
        Ok(())
    }

    /// Arguments that exclude each other.
    fn check(&self, sink: &mut Sink) {
        if let (Some(_), Some((name, _))) = (&self.migrations, &self.migrator) {
            sink.push(error(
                name,
                "`migrations` and `migrator` are given together",
                "a test has one set of migrations; keep `migrator = path` or `migrations = \"dir\"`",
            ));
        }
        let multi = self
            .flavor
            .as_ref()
            .is_some_and(|(_, flavor)| *flavor == Flavor::MultiThread);
        if let (Some((name, _)), false) = (&self.worker_threads, multi) {
            sink.push(error(
                name,
                "`worker_threads` without `flavor = \"multi_thread\"`",
                "the default runtime has one thread; add `flavor = \"multi_thread\"` or remove `worker_threads`",
            ));
        }
        if let (Some(name), true) = (&self.start_paused, multi) {
            sink.push(error(
                name,
                "`start_paused` with `flavor = \"multi_thread\"`",
                "tokio pauses time only on one thread; remove one of the two",
            ));
        }
        let deny = self
            .spawns
            .as_ref()
            .is_some_and(|(_, spawns)| *spawns == Spawns::Deny);
        if let (Some((name, _)), false) = (&self.allow, deny) {
            sink.push(error(
                name,
                "`allow` without `spawns = \"deny\"`",
                "spawns are allowed anyway; add `spawns = \"deny\"` or remove `allow(..)`",
            ));
        }
    }
}

/// A string out of a fixed set.
fn choice<T: Copy>(argument: &Argument, choices: &[(&str, T)]) -> syn::Result<(LitStr, T)> {
    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
    let form = format!("{} = \"{}\"", argument.name, names[0]);
    let text: LitStr = argument.assigned(&form)?;
    let value = text.value();
    if let Some((_, chosen)) = choices.iter().find(|(name, _)| *name == value) {
        Ok((text, *chosen))
    } else {
        let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let quoted: Vec<_> = quoted.iter().map(String::as_str).collect();
        let wrong = format!("unknown value \"{value}\" for `{}`", argument.name);
        Err(error(text, wrong, format!("write {}", list(&quoted, "or"))))
    }
}

fn migrations(argument: &Argument) -> syn::Result<Migrations> {
    const FORM: &str = "migrations = \"./migrations\"` or `migrations = false";
    if let Ok(flag) = argument.assigned::<LitBool>(FORM) {
        return if flag.value {
            Err(error(
                flag,
                "`migrations = true` says nothing",
                "remove it, or name the directory: `migrations = \"dir\"`",
            ))
        } else {
            Ok(Migrations::None)
        };
    }
    let dir: LitStr = argument.assigned(FORM)?;
    if dir.value().trim().is_empty() {
        return Err(error(
            dir,
            "the directory of migrations is empty",
            format!("write `{FORM}`"),
        ));
    }
    Ok(Migrations::Directory(dir))
}

/// A path, or one in quotes as `#[sqlx::test]` takes it.
fn migrator(argument: &Argument) -> syn::Result<Path> {
    const FORM: &str = "migrator = crate::MIGRATOR";
    let Ok(text) = argument.assigned::<LitStr>(FORM) else {
        return argument.assigned(FORM);
    };
    text.parse().map_err(|_| {
        let wrong = format!("\"{}\" is not a path", text.value());
        error(&text, wrong, format!("write `{FORM}`"))
    })
}

fn isolation(argument: &Argument) -> syn::Result<Isolation> {
    let choices = [
        ("transaction", Isolation::Transaction),
        ("database", Isolation::Database),
        ("none", Isolation::None),
    ];
    choice(argument, &choices).map(|(_, chosen)| chosen)
}

fn shared(argument: &Argument) -> syn::Result<bool> {
    argument
        .assigned("shared = true")
        .map(|flag: LitBool| flag.value)
}

fn start_paused(argument: &Argument) -> syn::Result<bool> {
    argument
        .assigned("start_paused = true")
        .map(|flag: LitBool| flag.value)
}

fn drain(argument: &Argument) -> syn::Result<Drain> {
    let choices = [
        ("settle", Drain::Settle),
        ("join", Drain::Join),
        ("abort", Drain::Abort),
    ];
    choice(argument, &choices).map(|(_, drain)| drain)
}

fn flavor(argument: &Argument) -> syn::Result<Flavor> {
    let choices = [
        ("current_thread", Flavor::CurrentThread),
        ("multi_thread", Flavor::MultiThread),
    ];
    choice(argument, &choices).map(|(_, flavor)| flavor)
}

fn spawns(argument: &Argument) -> syn::Result<(LitStr, Spawns)> {
    choice(
        argument,
        &[("inherit", Spawns::Inherit), ("deny", Spawns::Deny)],
    )
}

fn worker_threads(argument: &Argument) -> syn::Result<usize> {
    const MOST: usize = 1024;
    let number: LitInt = argument.assigned("worker_threads = 2")?;
    match number.base10_parse::<usize>() {
        Ok(count @ 1..=MOST) => Ok(count),
        _ => Err(error(
            &number,
            format!("`worker_threads = {number}` is out of range"),
            format!("write a number from 1 to {MOST}"),
        )),
    }
}

/// How an argument that takes a duration is written, and what else can be done.
#[derive(Clone, Copy)]
struct Form {
    example: &'static str,
    or: &'static str,
}

const OWNERSHIP: Form = Form {
    example: "ownership_timeout = \"90s\"",
    or: ", or leave it out for the default of 120 s",
};

const DRAIN: Form = Form {
    example: "drain_timeout = \"5s\"",
    or: "",
};

/// In milliseconds.
fn duration(argument: &Argument, form: Form) -> syn::Result<u64> {
    let name = &argument.name;
    let help = format!(
        "write a whole number and a unit (`ms`, `s` or `m`), from \"1ms\" to \"60m\": `{}`{}",
        form.example, form.or
    );
    if let Ok(number) = argument.assigned::<LitInt>(form.example) {
        return Err(error(number, format!("`{name}` needs a unit"), help));
    }
    let text: LitStr = argument.assigned(form.example)?;
    match milliseconds(text.value().trim()) {
        Some(millis @ 1..=3_600_000) => Ok(millis),
        Some(_) => Err(error(
            &text,
            format!("`{name} = \"{}\"` is out of range", text.value()),
            help,
        )),
        None => Err(error(
            &text,
            format!("\"{}\" is not a duration", text.value()),
            help,
        )),
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()?.saturating_mul(factor))
}

fn allow(argument: &Argument) -> syn::Result<Vec<Path>> {
    const FORM: &str = "allow(tokio::spawn)";
    let group = argument.list(FORM)?;
    let paths = Punctuated::<Path, Token![,]>::parse_terminated
        .parse2(group.stream())
        .map_err(|_| {
            error(
                group.stream(),
                "`allow` lists paths of functions that spawn",
                format!("write `{FORM}`"),
            )
        })?;
    if paths.is_empty() {
        return Err(empty(group.span(), "allow", FORM));
    }
    Ok(paths.into_iter().collect())
}
