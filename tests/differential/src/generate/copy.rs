//! Copies in and out.

use crate::message::Message;
use crate::random::Random;

const FROM: &str = "FROM STDIN";

pub(super) fn goes_in_statement(random: &mut Random) -> String {
    let target = random.pick(&[
        "log (what)",
        "child (parent, amount)",
        "parent (id, name)",
        "nowhere",
        "log (nothing)",
    ]);
    let options = random.pick(&[
        "",
        "",
        " (FORMAT csv)",
        " WITH (FORMAT text, NULL 'none')",
        " (FORMAT odd)",
    ]);
    format!("COPY {target} {FROM}{options}")
}

pub(super) fn goes_out_statement(random: &mut Random) -> String {
    let sql = random.pick(&[
        "COPY (SELECT id, name, mood FROM parent ORDER BY id) TO STDOUT",
        "COPY (SELECT id, name FROM parent ORDER BY id) TO STDOUT (FORMAT csv, HEADER)",
        "COPY (SELECT generate_series(1, 5)) TO STDOUT (FORMAT binary)",
        "COPY (SELECT 10 / (3 - g) FROM generate_series(1, 5) g) TO STDOUT",
        "COPY nowhere TO STDOUT",
        "COPY (INSERT INTO log (what) VALUES ('copied') RETURNING what) TO STDOUT",
    ]);
    sql.to_owned()
}

/// Whether the server asks for data, if it gets that far.
pub(super) fn goes_in(sql: &str) -> bool {
    sql.contains(FROM)
}

/// Lines good and bad, cut anywhere; an end.
pub(super) fn data(random: &mut Random) -> Vec<Message> {
    let mut text = String::new();
    for _ in 0..random.below(5) {
        text += random.pick(&[
            "1\t10\n",
            "2\t20\n",
            "7\tseven\n",
            "one word\n",
            "1,30\n",
            "3\t-5\n",
            "none\t1\n",
            "99\t1\n",
            "8\n",
        ]);
    }
    if random.percent(10) {
        text += "\\.\n";
    }
    let mut bytes = text.into_bytes();
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let rest = bytes.split_off(random.between(1, bytes.len()));
        messages.push(Message::CopyData(bytes));
        bytes = rest;
    }
    messages.push(match random.below(8) {
        0 => Message::CopyFail("changed my mind".to_owned()),
        _ => Message::CopyDone,
    });
    messages
}
