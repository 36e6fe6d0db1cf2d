//! Each way in which a candidate may be wrong is found by the comparison.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use bytes::{Buf as _, Bytes, BytesMut};
use heirloom_differential::{Frame, Plan, Report, run};
use std::time::Duration;
use support::proxy::{Flaw, Proxy};

/// Of the scripts that find the flaws; any other would do.
const SEED: u64 = 20_260;

fn find(test: &'static str, flaw: Flaw) -> String {
    // Which script is the smallest does not matter here.
    find_within(test, Duration::ZERO, flaw).to_string()
}

fn find_within(test: &'static str, shrinking: Duration, flaw: Flaw) -> Report {
    let plan = Plan {
        seed: SEED,
        statements: 30_000,
        shrinking,
        ..Plan::default()
    };
    let report = support::with_databases(test, |reference, candidate| async move {
        let (_proxy, flawed) = Proxy::start(&candidate, flaw);
        run(&reference, &flawed, &plan).await.unwrap()
    });
    assert_eq!(report.differences.len(), 1, "{report}");
    report
}

/// The first field of this sort in an error or a notice, replaced.
fn with_field(frame: Frame, tag: u8, field: u8, value: &'static [u8]) -> Vec<Frame> {
    if frame.tag != tag {
        return vec![frame];
    }
    let parts = frame.body.split(|&byte| byte == 0);
    let mut body = Vec::new();
    for part in parts {
        match part.first() {
            Some(&first) if first == field => body.extend([&[field], value].concat()),
            _ => body.extend(part),
        }
        body.push(0);
    }
    body.pop();
    vec![changed(&frame, body)]
}

fn changed(frame: &Frame, body: impl Into<Bytes>) -> Frame {
    Frame {
        tag: frame.tag,
        body: body.into(),
    }
}

fn replaced(frame: Frame, tag: u8, from: &[u8], to: &'static [u8]) -> Vec<Frame> {
    if frame.tag == tag && frame.body.starts_with(from) {
        return vec![changed(&frame, to)];
    }
    vec![frame]
}

#[test]
fn a_failed_transaction_told_as_open_is_found() {
    let report = find("status", |frame| replaced(frame, b'Z', b"E", b"T"));
    assert!(
        report.contains("! reference: ReadyForQuery E\n  ! candidate: ReadyForQuery T\n"),
        "{report}"
    );
}

#[test]
fn a_dropped_notice_is_found() {
    find("notice", |frame| {
        if frame.tag == b'N' {
            vec![]
        } else {
            vec![frame]
        }
    });
}

#[test]
fn a_notice_told_twice_is_found() {
    find("twice", |frame| {
        if frame.tag == b'N' {
            vec![frame.clone(), frame]
        } else {
            vec![frame]
        }
    });
}

#[test]
fn another_command_tag_is_found() {
    let report = find("tag", |frame| {
        replaced(frame, b'C', b"COMMIT\0", b"RELEASE\0")
    });
    assert!(
        report.contains("! candidate: CommandComplete RELEASE"),
        "{report}"
    );
}

#[test]
fn another_sqlstate_is_found() {
    find("sqlstate", |frame| with_field(frame, b'E', b'C', b"XX000"));
}

#[test]
fn an_error_of_another_severity_is_found() {
    find("severity", |frame| {
        with_field(frame, b'E', b'V', b"WARNING")
    });
}

#[test]
fn a_position_in_the_wrong_place_is_found() {
    let report = find("position", |frame| with_field(frame, b'E', b'P', b"1000"));
    assert!(report.contains("P=\"1000\""), "{report}");
}

#[test]
fn a_byte_of_a_row_is_found() {
    find("row", |mut frame| {
        if frame.tag == b'D' && frame.body.len() > 6 {
            let mut body = BytesMut::from(&*frame.body);
            if let Some(last) = body.last_mut() {
                *last ^= 1;
            }
            frame.body = body.freeze();
        }
        vec![frame]
    });
}

#[test]
fn another_type_of_a_column_is_found() {
    find("column", |mut frame| {
        if frame.tag == b'T' && frame.body.ends_with(&[255, 255, 255, 255, 0, 0]) {
            let mut body = BytesMut::from(&*frame.body);
            let oid = body.len() - 9;
            body[oid] ^= 1;
            frame.body = body.freeze();
        }
        vec![frame]
    });
}

#[test]
fn a_parameter_that_is_not_told_is_found() {
    find("parameter", |frame| {
        if frame.tag == b'S' {
            vec![]
        } else {
            vec![frame]
        }
    });
}

#[test]
fn a_lost_piece_of_a_copy_is_found() {
    find("copy", |frame| {
        if frame.tag == b'd' {
            vec![]
        } else {
            vec![frame]
        }
    });
}

#[test]
fn a_lost_notification_is_found() {
    find("notification", |frame| {
        if frame.tag == b'A' {
            vec![]
        } else {
            vec![frame]
        }
    });
}

#[test]
fn an_answer_that_does_not_come_is_found() {
    let plan = Plan {
        seed: SEED,
        patience: Duration::from_secs(3),
        // Every attempt waits for what does not come.
        shrinking: Duration::ZERO,
        ..Plan::default()
    };
    let report = support::with_databases("silence", |reference, candidate| async move {
        let (_proxy, flawed) = Proxy::start(&candidate, |frame| replaced_by_nothing(frame, b"E"));
        run(&reference, &flawed, &plan).await.unwrap()
    });
    let report = report.to_string();
    assert!(
        report.contains("! candidate: (no answer for 3s)"),
        "{report}"
    );
}

fn replaced_by_nothing(frame: Frame, status: &[u8]) -> Vec<Frame> {
    if frame.tag == b'Z' && frame.body == status {
        return vec![];
    }
    vec![frame]
}

#[test]
fn an_answer_to_nothing_is_found() {
    let report = find("unexpected", |frame| match frame.tag {
        b'3' => vec![frame.clone(), frame],
        _ => vec![frame],
    });
    assert!(report.contains("(that answers nothing)"), "{report}");
}

#[test]
fn of_a_long_script_what_makes_the_difference_is_left() {
    let report = find_within("shrink", Duration::from_mins(5), |frame| {
        replaced(frame, b'C', b"SAVEPOINT\0", b"POINT\0")
    });
    let script = report.differences[0].script();
    // Savepoints are in transactions: so it begins one, and sets one.
    assert!(script.statements() <= 2, "{report}");
    assert!(script.to_string().contains("SAVEPOINT"), "{report}");
}

/// What differs between any two sessions is no difference.
#[test]
fn other_numbers_of_tables_and_other_lines_of_the_source_are_none() {
    let plan = Plan {
        seed: SEED,
        statements: 2_000,
        ..Plan::default()
    };
    let report = support::with_databases("alike", |reference, candidate| async move {
        let (_proxy, other) = Proxy::start(&candidate, |frame| match frame.tag {
            b'T' => vec![with_other_tables(&frame)],
            b'E' => with_field(frame, b'E', b'L', b"1"),
            _ => vec![frame],
        });
        run(&reference, &other, &plan).await.unwrap()
    });
    assert!(report.differences.is_empty(), "{report}");
}

fn with_other_tables(frame: &Frame) -> Frame {
    let mut body = BytesMut::from(&*frame.body);
    let count = (&*frame.body).get_u16();
    let mut at = 2;
    for _ in 0..count {
        let name = body[at..].iter().position(|&byte| byte == 0).unwrap();
        at += name + 1;
        body[at..at + 4].copy_from_slice(&77_777_u32.to_be_bytes());
        at += 18;
    }
    changed(frame, body.freeze())
}
