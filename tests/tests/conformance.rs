//! `docs/conformance.md` is complete, and every test that it names exists and is run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ANSWERS: [&str; 2] = ["same", "different"];

/// Every case of the reference that is about ownership (class A).
fn cases() -> BTreeSet<String> {
    let below_the_sandbox = ["DBC-24", "DBC-28", "ES-24"];
    let suites = [("DBC", 35), ("ES", 24), ("PE", 8)];
    let all = suites
        .into_iter()
        .flat_map(|(suite, last)| (1..=last).map(move |number| format!("{suite}-{number}")));
    all.filter(|case| !below_the_sandbox.contains(&case.as_str()))
        .collect()
}

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

struct Row {
    case: String,
    answer: String,
    why: String,
}

fn rows() -> Vec<Row> {
    let table = package().join("../docs/conformance.md");
    let table = std::fs::read_to_string(table).expect("the table");
    let rows = table.lines().filter(|line| line.starts_with("| "));
    rows.filter(|line| !line.starts_with("| case |"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [case, _, answer, why] = cells[..] else {
                panic!("not four cells: {line}");
            };
            Row {
                case: case.to_owned(),
                answer: answer.to_owned(),
                why: why.to_owned(),
            }
        })
        .collect()
}

/// What stands in backticks and names a test.
fn named(why: &str) -> impl Iterator<Item = &str> {
    let quoted = why.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("runtime: ") || text.contains(".rs::"))
}

/// The file of a named test, and its name.
fn file_of(named: &str) -> (PathBuf, &str) {
    let (file, name) = named.rsplit_once("::").expect("a file and a name");
    let file = match file.strip_prefix("runtime: ") {
        None => Path::new("tests").join(file),
        Some(module) => {
            let module = module.replace("::", "/");
            Path::new("../runtime/src").join(module + ".rs")
        }
    };
    (package().join(file), name)
}

/// Why a named test is none.
fn missing(named: &str) -> Option<String> {
    let (file, name) = file_of(named);
    let Ok(source) = std::fs::read_to_string(&file) else {
        return Some(format!("`{named}`: there is no {}", file.display()));
    };
    let Some(at) = source.find(&format!("fn {name}(")) else {
        return Some(format!(
            "`{named}`: {} has no such function",
            file.display()
        ));
    };
    let before = source[..at].rsplit("\n\n").next().unwrap_or_default();
    let is_test = ["#[test]", "test]", "#[sandboxed", "test("];
    if !is_test.iter().any(|mark| before.contains(mark)) {
        return Some(format!("`{named}` is no test"));
    }
    let ignored = before.contains("#[ignore");
    ignored.then(|| format!("`{named}` is ignored"))
}

#[test]
fn every_case_has_one_row_and_every_row_an_answer() {
    let rows = rows();
    let mut seen = BTreeSet::new();
    for row in &rows {
        assert!(seen.insert(row.case.clone()), "{} twice", row.case);
        assert!(
            ANSWERS.contains(&row.answer.as_str()),
            "{}: `{}` is no answer",
            row.case,
            row.answer
        );
        let tests = named(&row.why).count();
        assert!(row.answer != "same" || tests > 0, "{}: no test", row.case);
        let explained = !row.why.is_empty();
        assert!(row.answer != "different" || explained, "{}: why?", row.case);
    }
    let missing: Vec<_> = cases().difference(&seen).cloned().collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    for section in ["1A", "1B", "1C", "1D", "1F"] {
        assert!(
            seen.iter().any(|case| case.starts_with(section)),
            "{section}"
        );
    }
}

#[test]
fn every_test_that_is_named_exists_and_is_run() {
    let rows = rows();
    let all = rows.iter().flat_map(|row| named(&row.why));
    let missing: Vec<String> = all.filter_map(missing).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn what_does_not_exist_is_missed() {
    assert!(missing("conformance.rs::no_such_test").is_some());
    assert!(missing("no_such_file.rs::cases").is_some());
    assert!(missing("conformance.rs::cases").is_some(), "it is no test");
    assert!(missing("runtime: no::such::module").is_some());
    assert!(missing("conformance.rs::what_does_not_exist_is_missed").is_none());
}
