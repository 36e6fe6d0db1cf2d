//! `docs/http.md`, `docs/jobs.md` and `docs/processes.md` name tests for what they say: these have to exist.

use std::path::Path;

/// Checks each `file.rs::test` that is quoted. A file without a path is one of these directories'.
fn every_named_test_exists(document: &str, at_least: usize) {
    const DIRS: [&str; 3] = ["", "tests/tests", "tests/clients/tests"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs").join(document)).expect("it is there");
    let quoted = text.split('`').skip(1).step_by(2);
    let named: Vec<_> = quoted.filter_map(|it| it.split_once(".rs::")).collect();
    assert!(
        named.len() >= at_least,
        "no longer read as it is written: {named:?}"
    );
    for (file, test) in named {
        let files = DIRS.map(|dir| root.join(dir).join(format!("{file}.rs")));
        let sources = files
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok());
        let mut sources = sources.filter(|source| source.contains(&format!("fn {test}(")));
        assert!(sources.next().is_some(), "`{test}` is not in `{file}.rs`");
    }
}

/// Those of other files than `http_*.rs`, which has a check of its own.
#[test]
fn every_example_that_the_documentation_of_http_names_exists() {
    every_named_test_exists("http.md", 2);
}

#[test]
fn every_test_that_the_documentation_of_jobs_names_exists() {
    every_named_test_exists("jobs.md", 8);
}

#[test]
fn every_test_that_the_documentation_of_processes_names_exists() {
    every_named_test_exists("processes.md", 10);
}
