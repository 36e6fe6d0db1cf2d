//! `deny_unowned_spawns!` on small crates in a temporary directory.

use crate::deny::{Finding, Report};
use std::fs;
use std::path::{Path, PathBuf};

/// A directory that is removed at the end.
struct Sources {
    dir: PathBuf,
}

impl Sources {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let dir = std::env::temp_dir().join(format!("heirloom-deny-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { dir }
    }

    fn report(&self) -> Report {
        Report::of(&self.dir.join("src/lib.rs"), Some(&self.dir))
    }

    /// `file:line:column` of every finding.
    fn places(&self) -> Vec<String> {
        let report = self.report();
        assert_eq!(report.problems, Vec::<String>::new());
        let place = |Finding {
                         file, line, column, ..
                     }: &Finding| format!("{file}:{line}:{column}");
        report.findings.iter().map(place).collect()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

#[test]
fn every_kind_of_module_is_followed() {
    const SPAWN: &str = "fn f() {\n    tokio::spawn(x);\n}\n";
    let sources = Sources::new(
        "modules",
        &[
            (
                "src/lib.rs",
                "mod file; mod folder; mod inline { mod below; } #[path = \"odd.rs\"] mod named; #[cfg_attr(unix, path = \"unix.rs\")] mod os; #[cfg(never)] mod absent;",
            ),
            ("src/file.rs", &format!("mod deeper;\n{SPAWN}")),
            ("src/file/deeper.rs", SPAWN),
            ("src/folder/mod.rs", &format!("mod deeper;\n{SPAWN}")),
            ("src/folder/deeper.rs", SPAWN),
            ("src/inline/below.rs", SPAWN),
            ("src/odd.rs", &format!("mod beside;\n{SPAWN}")),
            ("src/beside.rs", SPAWN),
            ("src/unix.rs", SPAWN),
            ("src/os.rs", SPAWN),
            ("src/unused.rs", SPAWN),
        ],
    );
    let expected = [
        "src/beside.rs:2:5",
        "src/file.rs:3:5",
        "src/file/deeper.rs:2:5",
        "src/folder/deeper.rs:2:5",
        "src/folder/mod.rs:3:5",
        "src/inline/below.rs:2:5",
        "src/odd.rs:3:5",
        "src/os.rs:2:5",
        "src/unix.rs:2:5",
    ];
    assert_eq!(sources.places(), expected);
    assert_eq!(sources.report().files.len(), 10);
}

#[test]
fn annotated_code_is_covered_and_what_is_nested_in_it_is_not() {
    let text = r#"
        #[owned_task] fn covered() { tokio::spawn(x); fn nested() { tokio::spawn(x); } }
        #[heirloom::sandboxed] async fn test() { tokio::spawn(x); }
        #[heirloom::test] async fn other_name() { tokio::spawn(x); }
        #[tokio::test] async fn other_test() { tokio::spawn(x); }
        #[owned_task] mod inside { fn f() { tokio::spawn(x); } impl A { fn g() { tokio::spawn(x); } } }
        impl B { #[owned_task] fn f() { tokio::spawn(x); } fn g() { tokio::spawn(x); } }
        #[unowned("why")] fn marked() { tokio::spawn(x); }
        static WORKER: Lazy<Handle> = Lazy::new(|| std::thread::spawn(x));
        macro_rules! go { ($x:expr) => { tokio::spawn($x) } }
        use tokio::spawn as go;
        trait T { fn f() { vec![].map(tokio::spawn); } }
        fn fine() { world.spawn("entity"); Command::new("x").spawn(); }
    "#;
    let sources = Sources::new("covered", &[("src/lib.rs", text)]);
    let places = [
        "src/lib.rs:2:69",
        "src/lib.rs:5:48",
        "src/lib.rs:7:69",
        "src/lib.rs:9:52",
        "src/lib.rs:10:49",
        "src/lib.rs:11:29",
        "src/lib.rs:12:39",
    ];
    assert_eq!(sources.places(), places);
}

#[test]
fn what_cannot_be_read_is_said() {
    let sources = Sources::new(
        "problems",
        &[
            ("src/lib.rs", "mod absent;\nmod broken;"),
            ("src/broken.rs", "fn f() {\n  let = 1;\n}"),
        ],
    );
    let problems = sources.report().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains("cannot find the file of `mod absent;` in src/lib.rs"),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("src/broken.rs:2:7: `deny_unowned_spawns!` cannot parse this file"),
        "{problems:?}"
    );
    let missing = Report::of(Path::new("/nowhere/lib.rs"), Some(Path::new("/nowhere"))).problems;
    assert!(
        missing[0].starts_with("`deny_unowned_spawns!` cannot read lib.rs: "),
        "{missing:?}"
    );
}

#[test]
fn an_included_file_stands_where_it_is_included() {
    const SPAWN: &str = "mod below;\nfn f() {\n    tokio::spawn(x);\n}\n";
    let sources = Sources::new(
        "included",
        &[
            (
                "src/lib.rs",
                "mod inline { include!(\"parts/part.rs\"); } include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));",
            ),
            ("src/parts/part.rs", SPAWN),
            ("src/inline/below.rs", "fn g() { tokio::spawn(x); }"),
        ],
    );
    assert_eq!(
        sources.places(),
        ["src/inline/below.rs:1:10", "src/parts/part.rs:3:5"]
    );
}
