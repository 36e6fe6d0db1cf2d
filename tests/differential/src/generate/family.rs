//! Families of statements, by the names with which they can be left out.

use super::{control, copy, data, objects, settings};
use crate::random::Random;

/// Statements of one sort.
pub(super) struct Family {
    pub(super) name: &'static str,
    /// How often, beside the others. 0: it is no statement but a way to send them.
    pub(super) weight: usize,
    pub(super) make: fn(&mut Random) -> String,
    /// In every script.
    pub(super) always: bool,
    /// Changes the schema.
    pub(super) defines: bool,
    /// Outside of a transaction there is hardly more to it than an error.
    pub(super) inside: bool,
}

const fn some(name: &'static str, weight: usize, make: fn(&mut Random) -> String) -> Family {
    Family {
        name,
        weight,
        make,
        always: false,
        defines: false,
        inside: false,
    }
}

const fn always(name: &'static str, weight: usize, make: fn(&mut Random) -> String) -> Family {
    Family {
        always: true,
        ..some(name, weight, make)
    }
}

const fn inside(name: &'static str, weight: usize, make: fn(&mut Random) -> String) -> Family {
    Family {
        inside: true,
        ..some(name, weight, make)
    }
}

const fn defines(name: &'static str, weight: usize, make: fn(&mut Random) -> String) -> Family {
    Family {
        defines: true,
        ..some(name, weight, make)
    }
}

fn nothing(_: &mut Random) -> String {
    String::new()
}

/// All of them.
pub(super) static ALL: &[Family] = &[
    always("select", 12, data::select),
    always("insert", 14, data::insert),
    always("transaction", 14, control::transaction),
    some("update", 8, data::update),
    some("delete", 5, data::delete),
    some("error", 5, data::error),
    some("syntax", 2, data::syntax),
    some("empty", 3, data::empty),
    some("function", 5, data::function),
    some("sequence", 5, data::sequence),
    some("do", 4, data::block),
    some("explain", 2, data::explain),
    some("truncate", 2, data::truncate),
    inside("lock", 3, data::lock),
    some("modes", 4, control::modes),
    some("isolation", 2, control::isolation),
    some("chain", 4, control::chain),
    inside("savepoint", 14, control::savepoint),
    inside("constraints", 6, control::constraints),
    some("deferred", 8, control::deferred),
    inside("cursor", 12, control::cursor),
    some("hold", 5, control::hold),
    some("prepare", 8, control::prepare),
    some("notify", 6, control::notify),
    some("pg_notify", 2, control::pg_notify),
    some("set", 8, settings::set),
    inside("set_local", 5, settings::set_local),
    some("set_config", 3, settings::set_config),
    some("custom", 2, settings::custom),
    some("encoding", 1, settings::encoding),
    some("strings", 2, settings::strings),
    some("read_only", 2, settings::read_only),
    some("role", 3, settings::role),
    some("show", 5, settings::show),
    some("catalog", 3, settings::catalog),
    some("temporary", 8, objects::temporary),
    some("copy_in", 6, copy::goes_in_statement),
    some("copy_out", 4, copy::goes_out_statement),
    defines("define", 14, objects::define),
    defines("alter", 3, objects::alter),
    defines("enum_value", 2, objects::enum_value),
    always("extended", 0, nothing),
    always("multi", 0, nothing),
    some("chunks", 0, nothing),
    some("illegal", 0, nothing),
    some("binary", 0, nothing),
];

/// The names of the families, each of which can be left out.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|family| family.name)
}

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
