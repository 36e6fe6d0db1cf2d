//! Every test that `docs/http.md` names exists.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::path::Path;

/// What stands in backticks as `file::test`, the file with its folder.
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| {
        name.split_once("::")
            .filter(|(file, _)| file.starts_with("http_"))
    })
}

#[test]
fn every_test_that_the_page_names_exists() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(package.join("../docs/http.md")).unwrap();
    // Blocks of code are no names.
    let prose: String = page.split("```").step_by(2).collect();
    let mut seen = 0;
    for (file, test) in named(&prose) {
        let source = std::fs::read_to_string(package.join(format!("tests/{file}.rs"))).unwrap();
        assert!(
            source.contains(&format!("fn {test}(")),
            "there is no {file}::{test}"
        );
        seen += 1;
    }
    assert!(seen > 15, "only {seen} are named");
}
