//! `docs/spawns.md` names tests that exist, and every row names one.

use std::path::PathBuf;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The last cell of every row, in which its tests are named.
fn cells() -> Vec<String> {
    let table = std::fs::read_to_string(repository().join("docs/spawns.md")).expect("the table");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    let cells = cells.map(|cell| cell.trim().to_owned());
    cells.filter(|cell| cell != "shown by").collect()
}

/// The tests and files in backticks.
fn named(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Where the tests of a module may be.
const TESTS: [&str; 3] = ["tests/tests/spawns", "tests/tests", "tests/unstable/tests"];

/// Why what is named does not exist.
fn missing(named: &str) -> Option<String> {
    let Some((module, test)) = named.split_once("::") else {
        let program = repository().join("ui-tests").join(named);
        let is_there = ["rs", "stderr"].map(|end| program.with_extension(end).is_file());
        return (is_there != [true; 2]).then(|| format!("`{named}`: no such program"));
    };
    let files = TESTS.map(|dir| repository().join(dir).join(module).with_extension("rs"));
    let sources = files
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok());
    let function = format!("fn {test}(");
    let mut sources = sources.filter(|source| source.contains(&function));
    let is_test = sources.any(|source| {
        let before = source.split(&function).next().unwrap_or_default();
        let attributes = before.rsplit("\n\n").next().unwrap_or_default();
        ["#[test]", "#[sandboxed]"]
            .iter()
            .any(|mark| attributes.contains(mark))
    });
    (!is_test).then(|| format!("`{named}`: no such test"))
}

#[test]
fn every_row_names_a_test_and_every_test_that_is_named_exists() {
    let cells = cells();
    assert!(cells.len() > 25, "the table was not read: {cells:?}");
    for cell in &cells {
        assert!(named(cell).next().is_some(), "no test: {cell}");
    }
    let missing: Vec<_> = cells
        .iter()
        .flat_map(|cell| named(cell))
        .filter_map(missing)
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn what_does_not_exist_is_missed() {
    assert!(missing("tasks::no_such_test").is_some());
    assert!(missing("no_such_module::spawned_tasks").is_some());
    assert!(missing("table::missing").is_some(), "it is no test");
    assert!(missing("fail/owned_task/no_such_program").is_some());
    assert!(missing("tasks::spawned_tasks").is_none());
    assert!(missing("fail/owned_task/const_fn").is_none());
}
