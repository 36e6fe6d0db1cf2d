//! `deny_unowned_spawns!()`: every spawn of the crate that stands outside annotated code.

mod sources;
mod walk;

use crate::diag::error_at;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use sources::Sources;
use std::path::{Path, PathBuf};

/// Something that was found, and where: `src/lib.rs:3:5`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

/// Reads the sources from `root` on and reports. Paths are shown relative to `manifest`, if they are below it.
pub(crate) fn run(
    args: &TokenStream,
    root: Option<PathBuf>,
    manifest: Option<&Path>,
) -> TokenStream {
    if !args.is_empty() {
        let wrong = "`deny_unowned_spawns!` takes no arguments";
        return error_at(
            crate::args::span_of(args),
            wrong,
            "write `heirloom::deny_unowned_spawns!();`",
        )
        .to_compile_error();
    }
    let Some(root) = root.or_else(|| manifest.and_then(usual_root)) else {
        let wrong = "`deny_unowned_spawns!` does not know which file it stands in";
        return error_at(
            Span::call_site(),
            wrong,
            "write it in the crate's root, `src/lib.rs` or `src/main.rs`",
        )
        .to_compile_error();
    };
    let report = Report::of(&root, manifest);
    let mut output: TokenStream = report
        .findings
        .iter()
        .map(
            |Finding {
                 file,
                 line,
                 column,
                 message,
             }| {
                syn::Error::new(
                    Span::call_site(),
                    format!("{file}:{line}:{column}: {message}"),
                )
                .to_compile_error()
            },
        )
        .collect();
    output.extend(
        report
            .problems
            .iter()
            .map(|problem| syn::Error::new(Span::call_site(), problem).to_compile_error()),
    );
    let files = report.files.iter().filter_map(|file| file.to_str());
    // The compiler expands this again when one of these files changes.
    output.extend(quote!(#(const _: &[::core::primitive::u8] = ::core::include_bytes!(#files);)*));
    output
}

fn usual_root(manifest: &Path) -> Option<PathBuf> {
    ["src/lib.rs", "src/main.rs"]
        .iter()
        .map(|root| manifest.join(root))
        .find(|root| root.is_file())
}

/// What was read and found.
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) problems: Vec<String>,
    pub(crate) files: Vec<PathBuf>,
}

impl Report {
    pub(crate) fn of(root: &Path, manifest: Option<&Path>) -> Self {
        let _locations = Locations::on();
        let mut sources = Sources::new(root, manifest);
        let mut findings = Vec::new();
        while let Some(mut source) = sources.next_file() {
            findings.extend(walk::findings(&mut source, &mut sources));
        }
        findings.sort();
        findings.dedup();
        Self {
            findings,
            problems: sources.problems,
            files: sources.files,
        }
    }
}

/// While this lives, tokens are made by proc-macro2 itself: the compiler gives text that is parsed inside a macro no
/// lines of its own.
struct Locations;

impl Locations {
    fn on() -> Self {
        proc_macro2::fallback::force();
        Self
    }
}

impl Drop for Locations {
    fn drop(&mut self) {
        proc_macro2::extra::invalidate_current_thread_spans();
        proc_macro2::fallback::unforce();
    }
}
