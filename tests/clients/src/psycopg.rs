//! psycopg 3, the driver of Python's programs.

use crate::printed;
use crate::worker::python;
use std::path::Path;
use tokio::process::Command;

/// `python/story.py`: what it says is what it has done.
pub async fn works(url: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/story.py");
    let output = Command::new(python()).arg(script).arg(url).output().await;
    let output = output.expect("Python is there");
    let expected =
        "transactions\npipeline\ncopy\ncursors\nnotifications\nconnections\ncancel\nasync\n";
    assert_eq!(printed("python", &output), expected);
}
