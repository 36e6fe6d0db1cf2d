//! psql: scripts, with what it adds to SQL.

use crate::{printed, program};
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Runs psql with a script on its standard input.
async fn psql(url: &str, arguments: &[&str], script: &str) -> Output {
    let mut child = Command::new(program("psql"))
        .args(["--no-psqlrc", "--quiet", "--no-align"])
        .args(arguments)
        .arg(url)
        .env("PGTZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql is there");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(script.as_bytes()).await.expect("it reads");
    drop(stdin);
    child.wait_with_output().await.expect("it ends")
}

/// Variables, transactions, savepoints for every statement, COPY from the script and to the terminal.
pub async fn runs_scripts(url: &str) {
    let script = r"
\set ON_ERROR_STOP on
\set who 'O''Hara'
INSERT INTO guests (email, name) VALUES ('psql-1@h', :'who') RETURNING id \gset
SELECT name FROM guests WHERE id = :id;
BEGIN;
COPY guests (email, name) FROM STDIN;
psql-2@h	two
psql-3@h	three
\.
SAVEPOINT s;
DELETE FROM guests WHERE email LIKE 'psql-%';
ROLLBACK TO s;
COMMIT;
\copy (SELECT email FROM guests WHERE starts_with(email, 'psql-') ORDER BY 1) TO STDOUT
\set ON_ERROR_STOP off
\set ON_ERROR_ROLLBACK on
BEGIN;
INSERT INTO guests (email) VALUES ('psql-1@h');
INSERT INTO guests (email) VALUES ('psql-4@h');
COMMIT;
\echo :SQLSTATE :ROW_COUNT
SELECT greet('you'), 1 + 1 AS two \gdesc
SELECT count(*) FROM guests WHERE starts_with(email, 'psql-') \; SELECT 'last'
\g
SELECT format('SELECT %s', i) FROM generate_series(1, 3) i \gexec
\set FETCH_COUNT 2
SELECT generate_series(7, 11);
";
    let output = psql(url, &["--tuples-only"], script).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("duplicate key value violates"), "{said}");
    assert_eq!(said.matches("ERROR").count(), 1, "{said}");
    let expected = "O'Hara\npsql-1@h\npsql-2@h\npsql-3@h\n00000 0\n\
        greet|text\ntwo|integer\n4\nlast\n1\n2\n3\n7\n8\n9\n10\n11\n";
    assert_eq!(printed("psql", &output), expected);
}

/// `--single-transaction` undoes all when one fails, and several `-c` are one after the other.
pub async fn runs_commands(url: &str) {
    let insert = |n: u8| format!("INSERT INTO guests (email) VALUES ('commands-{n}@h')");
    let stop = ["--single-transaction", "--set", "ON_ERROR_STOP=1"];
    let script = format!("{}; SELECT 1/0;", insert(1));
    let failed = psql(url, &stop, &script).await;
    assert_eq!(failed.status.code(), Some(3));
    let (two, three) = (insert(2), insert(3));
    let count = "SELECT count(*) FROM guests WHERE starts_with(email, 'commands-')";
    let commands = psql(url, &["-t", "-c", &two, "-c", &three, "-c", count], "").await;
    assert_eq!(printed("psql", &commands), "2\n");
}

/// What it shows of tables and functions, which takes it many queries of the catalogue.
pub async fn describes(url: &str) {
    let shown = psql(url, &[], "\\d visits\n\\df greet\n\\dv\n\\encoding\n").await;
    let shown = printed("psql", &shown);
    for part in [
        "id|bigint||not null|nextval('visits_id_seq'::regclass)",
        "\"visits_guest\" btree (guest)",
        "FOREIGN KEY (guest) REFERENCES guests(id) DEFERRABLE INITIALLY DEFERRED",
        "public|greet|text|name text|func",
        "public|regulars|view|",
        "UTF8",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}
