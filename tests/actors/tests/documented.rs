//! `docs/actors.md` names tests for what it says: they have to exist.

use std::path::Path;

#[test]
fn every_test_that_the_documentation_of_actors_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/actors.md")).expect("it is there");
    let quoted = text.split('`').skip(1).step_by(2);
    let named: Vec<_> = quoted.filter_map(|it| it.split_once(".rs::")).collect();
    assert!(
        named.len() > 30,
        "no longer read as it is written: {named:?}"
    );
    let dirs = [
        root.join("tests/actors/tests"),
        root.join("examples/actors"),
    ];
    for (file, test) in named {
        let mut sources = dirs.iter().map(|dir| dir.join(format!("{file}.rs")));
        let source = sources.find_map(|path| std::fs::read_to_string(path).ok());
        let source = source.unwrap_or_else(|| panic!("`{file}.rs` is not there"));
        let is_there = source.contains(&format!("fn {test}("));
        assert!(is_there, "`{test}` is not in `{file}.rs`");
    }
}
