//! Frames of a server in words. What may differ between two sessions that behave alike is left out: process numbers, the
//! numbers of tables and of types that somebody made, places in the server's source, numbers in temporary schemas' names.

use bytes::Buf as _;
use std::fmt::Write as _;

/// The first number of objects that are not the server's own.
const FIRST_OF_USERS: u32 = 16_384;

/// A frame in words.
pub(super) fn told(tag: u8, body: &[u8]) -> String {
    match tag {
        b'1' => "ParseComplete".to_owned(),
        b'2' => "BindComplete".to_owned(),
        b'3' => "CloseComplete".to_owned(),
        b'A' => notification(body),
        b'C' => format!("CommandComplete {}", escaped(body)),
        b'D' => format!("DataRow {}", row(body).unwrap_or_else(|| broken(body))),
        b'E' => format!("ErrorResponse{}", report(body)),
        b'G' => format!("CopyInResponse {}", body.escape_ascii()),
        b'H' => format!("CopyOutResponse {}", body.escape_ascii()),
        b'I' => "EmptyQueryResponse".to_owned(),
        b'N' => format!("NoticeResponse{}", report(body)),
        b'T' => {
            let columns = columns(body).unwrap_or_else(|| broken(body));
            format!("RowDescription{columns}")
        }
        b'Z' => format!("ReadyForQuery {}", body.escape_ascii()),
        b'c' => "CopyDone".to_owned(),
        b'd' => format!("CopyData '{}'", body.escape_ascii()),
        b'n' => "NoData".to_owned(),
        b's' => "PortalSuspended".to_owned(),
        b't' => {
            let types = types(body).unwrap_or_else(|| broken(body));
            format!("ParameterDescription{types}")
        }
        other => format!("frame '{}' {}", other.escape_ascii(), body.escape_ascii()),
    }
}

/// What sort of answer this is, without particulars; `None` for what only comes with others.
pub(super) fn kind(tag: u8, body: &[u8]) -> Option<String> {
    let code = || {
        let mut fields = body.split(|&byte| byte == 0);
        let code = fields.find(|field| field.first() == Some(&b'C'));
        code.unwrap_or_default().escape_ascii().to_string()
    };
    match tag {
        b'C' => {
            let words = body
                .split(|byte| byte.is_ascii_digit() || *byte == 0)
                .next();
            Some(format!("done {}", words.unwrap_or_default().escape_ascii()))
        }
        b'E' if code() == "CXX000" => Some(told(tag, body)),
        b'E' => Some(format!("error {}", code())),
        b'N' => Some(format!("notice {}", code())),
        b'Z' => Some(format!("ready {}", body.escape_ascii())),
        b'A' | b'G' | b'H' | b'I' | b's' => Some(told(tag, b"")),
        _ => None,
    }
}

/// Text up to its zero byte, which has to be the last.
fn escaped(body: &[u8]) -> String {
    match body.split_last() {
        Some((0, text)) => text.escape_ascii().to_string(),
        _ => broken(body),
    }
}

fn broken(body: &[u8]) -> String {
    format!("(broken: {})", body.escape_ascii())
}

/// Who notified is a process number.
fn notification(body: &[u8]) -> String {
    let rest = body.get(4..).unwrap_or_default();
    format!("NotificationResponse {}", rest.escape_ascii())
}

fn row(mut body: &[u8]) -> Option<String> {
    let mut text = String::new();
    for _ in 0..body.try_get_u16().ok()? {
        match usize::try_from(body.try_get_i32().ok()?) {
            Err(_) => text += "NULL ",
            Ok(length) => {
                let value = body.split_off(..length)?;
                write!(text, "'{}' ", value.escape_ascii()).ok()?;
            }
        }
    }
    body.is_empty().then_some(text)
}

fn columns(mut body: &[u8]) -> Option<String> {
    let mut text = String::new();
    for _ in 0..body.try_get_u16().ok()? {
        let name = string(&mut body)?;
        let _table = body.try_get_u32().ok()?;
        let number = body.try_get_i16().ok()?;
        let oid = type_name(body.try_get_u32().ok()?);
        let size = body.try_get_i16().ok()?;
        let modifier = body.try_get_i32().ok()?;
        let format = body.try_get_i16().ok()?;
        let name = name.escape_ascii();
        write!(text, " {name}#{number}:{oid}({size},{modifier})/{format}").ok()?;
    }
    body.is_empty().then_some(text)
}

fn types(mut body: &[u8]) -> Option<String> {
    let mut text = String::new();
    for _ in 0..body.try_get_u16().ok()? {
        write!(text, " {}", type_name(body.try_get_u32().ok()?)).ok()?;
    }
    body.is_empty().then_some(text)
}

fn type_name(oid: u32) -> String {
    match oid {
        FIRST_OF_USERS.. => "(made here)".to_owned(),
        oid => oid.to_string(),
    }
}

fn string<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = body.iter().position(|&byte| byte == 0)?;
    let text = body.split_off(..end)?;
    body.advance(1);
    Some(text)
}

/// SQLSTATE that a candidate answers, with advice of its own, to what cannot be done within a transaction.
const ACTIVE_TRANSACTION: &[u8] = b"25001";

/// An error or a notice, all but where in the server's source it comes from.
fn report(mut body: &[u8]) -> String {
    let mut fields = Vec::new();
    while let Some((&field, rest)) = body.split_first() {
        body = rest;
        if field == 0 {
            break;
        }
        let Some(value) = string(&mut body) else {
            return broken(body);
        };
        fields.push((field, value));
    }
    let barred = fields.contains(&(b'C', ACTIVE_TRANSACTION));
    fields.retain(|&(field, _)| match field {
        b'F' | b'L' | b'R' => false,
        b'H' => !barred,
        _ => true,
    });
    fields.sort_unstable();
    fields.iter().fold(String::new(), |text, (field, value)| {
        let value = without_numbers(&value.escape_ascii().to_string());
        format!("{text} {}={value:?}", char::from(*field))
    })
}

/// `pg_temp_7` is `pg_temp_N`: every session has its own.
fn without_numbers(text: &str) -> String {
    const TEMPORARY: &str = "pg_temp_";
    let mut parts = text.split(TEMPORARY);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        whole += TEMPORARY;
        whole += "N";
        whole += part.trim_start_matches(|character: char| character.is_ascii_digit());
    }
    whole
}
