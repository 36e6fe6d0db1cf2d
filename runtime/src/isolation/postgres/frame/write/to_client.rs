//! What a server says.

use super::super::server::Status;
use super::{frame, int32, string};
use bytes::{BufMut as _, BytesMut};

/// An error or a notice of our own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    pub(crate) severity: Severity,
    /// Five characters.
    pub(crate) sqlstate: &'a str,
    pub(crate) message: &'a str,
    pub(crate) detail: Option<&'a str>,
    pub(crate) hint: Option<&'a str>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    /// The connection ends with it.
    Fatal,
    Warning,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
        }
    }
}

/// `ErrorResponse`
pub(crate) fn error(out: &mut BytesMut, report: &Report<'_>) {
    reported(out, b'E', report);
}

/// `NoticeResponse`
pub(crate) fn notice(out: &mut BytesMut, report: &Report<'_>) {
    reported(out, b'N', report);
}

fn reported(out: &mut BytesMut, tag: u8, report: &Report<'_>) {
    let severity = report.severity.as_str();
    let fields = [
        (b'S', Some(severity)),
        (b'V', Some(severity)),
        (b'C', Some(report.sqlstate)),
        (b'M', Some(report.message)),
        (b'D', report.detail),
        (b'H', report.hint),
    ];
    frame(out, tag, |out| {
        for (code, value) in fields {
            if let Some(value) = value {
                out.put_u8(code);
                string(out, value);
            }
        }
        out.put_u8(0);
    });
}

/// `ReadyForQuery`
pub(crate) fn ready_for_query(out: &mut BytesMut, status: Status) {
    frame(out, b'Z', |out| out.put_u8(status.byte()));
}

/// `CommandComplete`
pub(crate) fn command_complete(out: &mut BytesMut, tag: impl AsRef<[u8]>) {
    frame(out, b'C', |out| string(out, tag));
}

/// `ParseComplete`
pub(crate) fn parse_complete(out: &mut BytesMut) {
    frame(out, b'1', |_| {});
}

/// `BindComplete`
pub(crate) fn bind_complete(out: &mut BytesMut) {
    frame(out, b'2', |_| {});
}

/// `CloseComplete`
pub(crate) fn close_complete(out: &mut BytesMut) {
    frame(out, b'3', |_| {});
}

/// `NoData`
pub(crate) fn no_data(out: &mut BytesMut) {
    frame(out, b'n', |_| {});
}

/// `PortalSuspended`
#[cfg(test)]
pub(crate) fn portal_suspended(out: &mut BytesMut) {
    frame(out, b's', |_| {});
}

/// `EmptyQueryResponse`
pub(crate) fn empty_query_response(out: &mut BytesMut) {
    frame(out, b'I', |_| {});
}

/// `ParameterDescription` of a statement without parameters.
pub(crate) fn no_parameters(out: &mut BytesMut) {
    frame(out, b't', |out| out.put_u16(0));
}

/// `ParameterStatus`
pub(crate) fn parameter_status(
    out: &mut BytesMut,
    name: impl AsRef<[u8]>,
    value: impl AsRef<[u8]>,
) {
    frame(out, b'S', |out| {
        string(out, name);
        string(out, value);
    });
}

/// `BackendKeyData`; the secret has 4 bytes, up to 256 from protocol 3.2 on.
pub(crate) fn backend_key_data(out: &mut BytesMut, process: i32, secret: &[u8]) {
    frame(out, b'K', |out| {
        out.put_i32(process);
        out.put_slice(secret);
    });
}

/// `AuthenticationOk`
pub(crate) fn authentication_ok(out: &mut BytesMut) {
    frame(out, b'R', |out| out.put_i32(0));
}

/// `AuthenticationCleartextPassword`
#[cfg(test)]
pub(crate) fn authentication_cleartext_password(out: &mut BytesMut) {
    frame(out, b'R', |out| out.put_i32(3));
}

/// `AuthenticationSASL`: the mechanisms, the preferred first.
#[cfg(test)]
pub(crate) fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    frame(out, b'R', |out| {
        out.put_i32(10);
        for mechanism in mechanisms {
            string(out, mechanism);
        }
        out.put_u8(0);
    });
}

/// `AuthenticationSASLContinue`
#[cfg(test)]
pub(crate) fn authentication_sasl_continue(out: &mut BytesMut, data: &[u8]) {
    frame(out, b'R', |out| {
        out.put_i32(11);
        out.put_slice(data);
    });
}

/// `AuthenticationSASLFinal`
#[cfg(test)]
pub(crate) fn authentication_sasl_final(out: &mut BytesMut, data: &[u8]) {
    frame(out, b'R', |out| {
        out.put_i32(12);
        out.put_slice(data);
    });
}

/// `NegotiateProtocolVersion`: the minor version of protocol 3 to go on with, and the options that are not known.
///
/// The documentation says that only the minor version is sent; servers send both, and clients expect it.
pub(crate) fn negotiate_protocol_version(out: &mut BytesMut, minor: u16, options: &[&[u8]]) {
    frame(out, b'v', |out| {
        out.put_u16(3);
        out.put_u16(minor);
        out.put_i32(int32(options.len()));
        for option in options {
            string(out, option);
        }
    });
}

/// `NotificationResponse`
pub(crate) fn notification_response(
    out: &mut BytesMut,
    process: i32,
    channel: &[u8],
    payload: &[u8],
) {
    frame(out, b'A', |out| {
        out.put_i32(process);
        string(out, channel);
        string(out, payload);
    });
}
