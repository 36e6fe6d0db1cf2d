//! The `chromedriver` of this process: started by the first test that opens a browser, gone with the process.

use heirloom::BoxError;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

/// Keeps the driver as long as somebody holds the other end of its input, which the system closes for a process that is
/// killed, too; then removes everything that browsers have written. A browser ends with its driver by itself: it is
/// steered through a pipe.
///
/// Chromium is still writing when it is told to end, so there is a second attempt to remove its files.
const SHELL: &str = r#"
dir=$(mktemp -d "${TMPDIR:-/tmp}/guestbook-XXXXXX") || exit
TMPDIR=$dir HOME=$dir "$1" --port=0 </dev/null &
cat
kill -9 $!
for attempt in 1 2 3 4 5; do rm -rf "$dir" 2>/dev/null && break; sleep 1; done
"#;

/// What the driver prints in front of its port.
const STARTED: &str = "was started successfully on port ";

static DRIVER: OnceLock<Result<Chromedriver, String>> = OnceLock::new();

struct Chromedriver {
    url: String,
    _input: ChildStdin,
    _shell: Child,
}

/// Where the driver of this process is.
///
/// # Errors
///
/// When it is not installed, or does not start.
pub(crate) fn url() -> Result<&'static str, BoxError> {
    match DRIVER.get_or_init(start) {
        Ok(driver) => Ok(&driver.url),
        Err(why) => Err(why.as_str().into()),
    }
}

/// `chromedriver` from the path, or what this variable says.
const PROGRAM: &str = "CHROMEDRIVER";

fn start() -> Result<Chromedriver, String> {
    let program = std::env::var(PROGRAM).unwrap_or_else(|_| "chromedriver".to_owned());
    if let Err(error) = Command::new(&program).arg("--version").output() {
        return Err(format!(
            "there is no `{program}` ({error}): `cargo xtask test` installs it; by hand, install the packages \
             `chromium` and `chromium-driver` (Debian), or set {PROGRAM}"
        ));
    }
    run(&program).map_err(|error| format!("`{program}` does not start: {error}"))
}

fn run(program: &str) -> io::Result<Chromedriver> {
    let mut shell = Command::new("sh")
        .args(["-c", SHELL, "sh", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C is for the tests; the driver goes when they have gone.
        .process_group(0)
        .spawn()?;
    let input = shell.stdin.take().expect("it has a pipe");
    let mut lines = BufReader::new(shell.stdout.take().expect("it has a pipe")).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(STARTED)?.1.trim_end_matches('.').to_owned()))
        .ok_or_else(|| io::Error::other("it ended without a word of its port"))?;
    // It must always be able to print.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(Chromedriver {
        url: format!("http://127.0.0.1:{port}"),
        _input: input,
        _shell: shell,
    })
}
