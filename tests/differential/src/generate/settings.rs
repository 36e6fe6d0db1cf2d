//! Settings, and what a session knows of itself.

use crate::random::Random;

/// Names, and values of which the last is wrong. The first ones are reported to clients.
const SETTINGS: &[(&str, &[&str])] = &[
    ("application_name", &["'mine'", "other", "''"]),
    ("DateStyle", &["'German, DMY'", "ISO", "'nonsense'"]),
    ("TimeZone", &["'Europe/Berlin'", "'UTC'", "'Nowhere/City'"]),
    ("IntervalStyle", &["iso_8601", "postgres", "wrong"]),
    ("extra_float_digits", &["0", "3", "99"]),
    ("bytea_output", &["escape", "hex", "octal"]),
    ("work_mem", &["'8MB'", "64", "'much'"]),
    ("search_path", &["t, public", "t", "''"]),
    ("client_min_messages", &["warning", "notice", "never"]),
    ("statement_timeout", &["'60s'", "0", "-5"]),
    ("no_such_setting", &["1", "2", "3"]),
];

/// A setting and a value for it, which may be wrong.
pub(super) fn setting(random: &mut Random) -> (&'static str, &'static str) {
    let (name, values) = random.pick(SETTINGS);
    let value = match random.below(8) {
        0 => values[2],
        1..4 => values[1],
        _ => values[0],
    };
    (name, value)
}

pub(super) fn set(random: &mut Random) -> String {
    let (name, value) = setting(random);
    match random.below(12) {
        0..4 => format!("SET {name} = {value}"),
        4 => format!("SET {name} TO {value}"),
        5 => format!("SET SESSION {name} TO {value}"),
        6 => format!("SET {name} TO DEFAULT"),
        7 | 8 => format!("RESET {name}"),
        9 => "RESET ALL".to_owned(),
        10 => random
            .pick(&[
                "SET TIME ZONE 'Asia/Tokyo'",
                "SET TIME ZONE LOCAL",
                "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
            ])
            .to_owned(),
        _ => format!("SHOW {name}"),
    }
}

pub(super) fn set_local(random: &mut Random) -> String {
    let (name, value) = setting(random);
    match random.below(5) {
        0..3 => format!("SET LOCAL {name} = {value}"),
        3 => format!("SET LOCAL {name} TO DEFAULT"),
        _ => format!("SHOW {name}"),
    }
}

pub(super) fn set_config(random: &mut Random) -> String {
    let name = random.pick(&[
        "application_name",
        "IntervalStyle",
        "bytea_output",
        "no_such_setting",
    ]);
    let value = random.pick(&["iso_8601", "escape", "postgres", "hex"]);
    let local = random.percent(50);
    match random.below(3) {
        0 => format!("SELECT current_setting('{name}')"),
        _ => format!("SELECT set_config('{name}', '{value}', {local})"),
    }
}

/// Settings that only the application knows.
pub(super) fn custom(random: &mut Random) -> String {
    let sql = random.pick(&[
        "SET app.tenant = '7'",
        "SET LOCAL app.tenant = '8'",
        "RESET app.tenant",
        "SHOW app.tenant",
        "SELECT current_setting('app.tenant', true)",
        "SELECT set_config('app.tenant', '9', false)",
    ]);
    sql.to_owned()
}

pub(super) fn encoding(random: &mut Random) -> String {
    let sql = random.pick(&[
        "SET client_encoding = 'LATIN1'",
        "SET NAMES 'UTF8'",
        "RESET client_encoding",
        "SHOW client_encoding",
        "SET client_encoding TO 'nothing'",
    ]);
    sql.to_owned()
}

/// How strings are read.
pub(super) fn strings(random: &mut Random) -> String {
    let sql = random.pick(&[
        "SET standard_conforming_strings = off",
        "SET standard_conforming_strings = on",
        "SET escape_string_warning = off",
        "SET backslash_quote = on",
        "SELECT 'a\\';' || 'b'",
        "SELECT 'c\\\\'",
    ]);
    sql.to_owned()
}

/// Every transaction read-only.
pub(super) fn read_only(random: &mut Random) -> String {
    let sql = random.pick(&[
        "SET default_transaction_read_only = on",
        "SET default_transaction_read_only = off",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SHOW default_transaction_read_only",
        "SHOW transaction_read_only",
        "SET transaction_read_only = on",
    ]);
    sql.to_owned()
}

/// Roles that every server has.
pub(super) fn role(random: &mut Random) -> String {
    let sql = random.pick(&[
        "SET ROLE pg_monitor",
        "SET LOCAL ROLE pg_monitor",
        "RESET ROLE",
        "SET ROLE NONE",
        "SELECT current_user = session_user",
        "SET ROLE no_such_role",
        "SHOW role",
    ]);
    sql.to_owned()
}

pub(super) fn show(random: &mut Random) -> String {
    let (name, _) = setting(random);
    match random.below(4) {
        0 => format!("SELECT current_setting('{name}')"),
        1 => "SELECT date '2024-02-03', timestamptz '2024-02-03 04:05:06+00', interval '1 day 2 hours'".to_owned(),
        _ => format!("SHOW {name}"),
    }
}

/// What the session holds, as it says itself.
pub(super) fn catalog(random: &mut Random) -> String {
    let sql = random.pick(&[
        "SELECT name, statement, from_sql FROM pg_prepared_statements ORDER BY name",
        "SELECT name, is_holdable, is_binary, is_scrollable FROM pg_cursors WHERE name <> '' ORDER BY name",
        "SELECT pg_listening_channels() ORDER BY 1",
        "SELECT count(*) FROM pg_class WHERE relname IN ('d1', 'd2', 'tt')",
        "SELECT name, setting FROM pg_settings WHERE name IN ('TimeZone', 'DateStyle', 'work_mem') ORDER BY name",
    ]);
    sql.to_owned()
}
