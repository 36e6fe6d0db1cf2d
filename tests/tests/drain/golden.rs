//! Compares what a failing test says with a file.

use heirloom::Outcome;
use heirloom_tests::failure_of;
use std::fs;
use std::path::Path;

/// Runs a test that fails, and compares what it says with `drain/<name>.txt`.
///
/// A place is written as the line of code that it names, and what differs from run to run as `N`.
#[track_caller]
pub(super) fn reads(name: &str, run: impl FnOnce() -> Outcome) {
    let told = without_counts(&with_code(&failure_of(run))) + "\n";
    // It is chance in which of the two states what never rests is seen.
    let told = told.replace("woken, to run again, polled", "running, polled");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/drain")
        .join(name)
        .with_extension("txt");
    if std::env::var_os("HEIRLOOM_BLESS").is_some() {
        fs::write(&path, &told).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        told, expected,
        "{name}: the text has changed; HEIRLOOM_BLESS=1 accepts that"
    );
}

/// Every place, `file:line:column`, as the code that is there.
fn with_code(text: &str) -> String {
    let tests = file!().trim_end_matches("/golden.rs");
    let mut parts = text.split(tests);
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut place = part.splitn(3, ':');
        let mut next = || place.next().unwrap_or_default();
        let (file, line, column_and_rest) = (format!("{tests}{}", next()), next(), next());
        let rest = column_and_rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        told = format!("{told}{file}, `{}`{rest}", code_at(&file, line));
    }
    told
}

fn code_at(file: &str, line: &str) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let source = fs::read_to_string(workspace.join(file)).unwrap();
    let line: usize = line.parse().unwrap();
    source.lines().nth(line - 1).unwrap().trim().to_owned()
}

/// Numbers that no two runs have in common, by the words around them.
fn without_counts(text: &str) -> String {
    let words: Vec<&str> = text.split_inclusive([' ', '\n']).collect();
    let word = |index: usize| words.get(index).map_or("", |word| word.trim_end());
    let told = words.iter().enumerate().map(|(index, whole)| {
        let before = if index == 0 { "" } else { word(index - 1) };
        let counts = ["polled", "task", "for", "spawning:", "and"].contains(&before)
            || word(index + 1).starts_with("tasks")
            || whole.contains("ThreadId(");
        // From one second on what lasts is told in seconds.
        let seconds = word(index) == "s" && index > 1 && word(index - 2) == "for";
        if counts {
            number_as_n(whole)
        } else if seconds {
            whole.replace('s', "ms")
        } else {
            (*whole).to_owned()
        }
    });
    told.collect()
}

/// `204.4ms` becomes `Nms`.
fn number_as_n(word: &str) -> String {
    let is_of_it = |letter: char| letter.is_ascii_digit() || letter == '.';
    let Some(start) = word.find(|letter: char| letter.is_ascii_digit()) else {
        return word.to_owned();
    };
    let (before, rest) = word.split_at(start);
    format!("{before}N{}", rest.trim_start_matches(is_of_it))
}
