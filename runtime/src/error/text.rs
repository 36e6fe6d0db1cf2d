//! Parts of errors' texts: lists, and what depends on what happened.

#[cfg(feature = "_database")]
use super::Kept;
use super::{Error, Panicked, with_causes};

pub(super) fn all_of(errors: &[Error]) -> String {
    let texts: Vec<String> = errors.iter().map(|error| with_causes(error)).collect();
    texts.join("\n")
}

pub(super) fn lines(panics: &[Panicked]) -> String {
    let lines = panics.iter().map(|panicked| format!("\n  {panicked}"));
    lines.collect()
}

pub(super) fn jobs(which: &str, jobs: &[String]) -> String {
    let lines = jobs.iter().map(|job| format!("\n  {which} {job}"));
    lines.collect()
}

pub(super) fn held_by(holders: &[String]) -> String {
    let lines = holders.iter().map(|holder| format!("\n  held by {holder}"));
    lines.collect()
}

#[cfg(feature = "_database")]
pub(super) fn lines_of(holders: &[String]) -> String {
    let lines = holders.iter().map(|holder| format!("\n  {holder}"));
    lines.collect()
}

#[cfg(feature = "_database")]
pub(super) fn kept_at(kept: Option<&Kept>) -> String {
    kept.map_or_else(String::new, |kept| {
        format!("\n  the database as it was then: {kept}")
    })
}

pub(super) fn files_help(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space, or set HEIRLOOM_DIR to a directory where there is some"
        }
        ErrorKind::NotFound => {
            "was it removed while the tests run, by `cargo clean` perhaps? run them again"
        }
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::AlreadyExists => {
            "make the directory writable, or set HEIRLOOM_DIR to one that is"
        }
        _ => "see the cause; too many open files is `ulimit -n`, another directory is HEIRLOOM_DIR",
    }
}

pub(super) fn at_file(file: Option<&std::path::Path>) -> String {
    file.map_or_else(String::new, |file| format!("\n  file: {}", file.display()))
}
