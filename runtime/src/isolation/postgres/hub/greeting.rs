//! What is said to a client before and after everything else.

use super::{Shared, lock};
use crate::isolation::postgres::frame::{Report, Severity, Status, to_client};
use bytes::BytesMut;
use std::collections::BTreeMap;

/// SQLSTATE `admin_shutdown`: the server ends the connection.
pub(super) const ENDED: &str = "57P01";

/// An error that the connection ends with.
pub(super) fn fatal(out: &mut BytesMut, sqlstate: &str, message: &str, hint: Option<&str>) {
    let report = Report {
        severity: Severity::Fatal,
        sqlstate,
        message,
        detail: None,
        hint,
    };
    to_client::error(out, &report);
}

impl Shared {
    /// Why nobody is served any more.
    pub(super) fn why(&self) -> String {
        let usual = || format!("test `{}` has ended", self.owner);
        self.end.get().cloned().unwrap_or_else(usual)
    }

    /// Lets a client in.
    pub(super) fn welcome(
        &self,
        out: &mut BytesMut,
        secret: [u8; 4],
        parameters: &BTreeMap<String, String>,
    ) {
        to_client::authentication_ok(out);
        for (name, value) in parameters {
            to_client::parameter_status(out, name, value);
        }
        to_client::backend_key_data(out, self.process, &secret);
        to_client::ready_for_query(out, Status::Idle);
    }

    /// What connections with these settings are told at their start, if there were such before.
    pub(super) fn known_greeting(&self, settings: &[u8]) -> Option<BTreeMap<String, String>> {
        let known = lock(&self.greetings);
        known.get(settings).map(|parameters| (**parameters).clone())
    }
}
