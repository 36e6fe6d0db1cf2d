//! What PostgreSQL 15 does with each of these was tried on a server; the rest is compared with servers elsewhere.

mod effects;
mod kinds;
mod properties;
mod splitting;

use super::*;

fn kind(sql: &str) -> Kind {
    kind_with(sql, Strings::Standard)
}

fn kind_with(sql: &str, strings: Strings) -> Kind {
    match only(sql.as_bytes(), strings) {
        Only::One(statement) => statement.kind(),
        other => panic!("{sql}: {other:?}"),
    }
}

fn texts(sql: &str, strings: Strings) -> Vec<String> {
    split(sql.as_bytes(), strings)
        .map(|statement| String::from_utf8_lossy(statement.text).into_owned())
        .collect()
}
