//! What a client says.

use super::super::client::{Oids, Target};
#[cfg(test)]
use super::{counted, int32};
use super::{frame, string};
use bytes::{BufMut as _, BytesMut};

/// What follows the names in a `Bind` without parameters: no formats, no values, all results in text.
pub(crate) const NO_VALUES: &[u8] = &[0; 6];

/// `StartupMessage` of protocol 3 with this minor version.
#[cfg(test)]
pub(crate) fn startup(out: &mut BytesMut, minor: u16, parameters: &[(&str, &str)]) {
    counted(out, |out| {
        out.put_u16(3);
        out.put_u16(minor);
        for (name, value) in parameters {
            string(out, name);
            string(out, value);
        }
        out.put_u8(0);
    });
}

/// `SSLRequest`
#[cfg(test)]
pub(crate) fn ssl_request(out: &mut BytesMut) {
    request(out, 5679, |_| {});
}

/// `GSSENCRequest`
#[cfg(test)]
pub(crate) fn gss_request(out: &mut BytesMut) {
    request(out, 5680, |_| {});
}

/// `CancelRequest`
#[cfg(test)]
pub(crate) fn cancel_request(out: &mut BytesMut, process: i32, secret: &[u8]) {
    request(out, 5678, |out| {
        out.put_i32(process);
        out.put_slice(secret);
    });
}

#[cfg(test)]
fn request(out: &mut BytesMut, code: u16, body: impl FnOnce(&mut BytesMut)) {
    counted(out, |out| {
        out.put_u16(1234);
        out.put_u16(code);
        body(out);
    });
}

/// `Query`
pub(crate) fn query(out: &mut BytesMut, sql: impl AsRef<[u8]>) {
    frame(out, b'Q', |out| string(out, sql));
}

/// `Parse`
pub(crate) fn parse(
    out: &mut BytesMut,
    name: impl AsRef<[u8]>,
    query: impl AsRef<[u8]>,
    types: Oids<'_>,
) {
    frame(out, b'P', |out| {
        string(out, name);
        string(out, query);
        out.put_slice(types.as_bytes());
    });
}

/// `Bind`: the names, and behind them what another `Bind` had there, or [`NO_VALUES`].
pub(crate) fn bind(
    out: &mut BytesMut,
    portal: impl AsRef<[u8]>,
    statement: impl AsRef<[u8]>,
    rest: &[u8],
) {
    frame(out, b'B', |out| {
        string(out, portal);
        string(out, statement);
        out.put_slice(rest);
    });
}

/// `Describe`
pub(crate) fn describe(out: &mut BytesMut, target: Target<'_>) {
    frame(out, b'D', |out| put_target(out, target));
}

/// `Close`
pub(crate) fn close(out: &mut BytesMut, target: Target<'_>) {
    frame(out, b'C', |out| put_target(out, target));
}

fn put_target(out: &mut BytesMut, target: Target<'_>) {
    let (kind, name) = match target {
        Target::Statement(name) => (b'S', name),
        Target::Portal(name) => (b'P', name),
    };
    out.put_u8(kind);
    string(out, name);
}

/// `Execute`; 0 is no limit.
pub(crate) fn execute(out: &mut BytesMut, portal: impl AsRef<[u8]>, max_rows: i32) {
    frame(out, b'E', |out| {
        string(out, portal);
        out.put_i32(max_rows);
    });
}

/// `Sync`
pub(crate) fn sync(out: &mut BytesMut) {
    frame(out, b'S', |_| {});
}

/// `Flush`
pub(crate) fn flush(out: &mut BytesMut) {
    frame(out, b'H', |_| {});
}

/// `Terminate`
pub(crate) fn terminate(out: &mut BytesMut) {
    frame(out, b'X', |_| {});
}

/// `FunctionCall`: the function's OID, and behind it what another call had there.
pub(crate) fn function_call(out: &mut BytesMut, function: i32, rest: &[u8]) {
    frame(out, b'F', |out| {
        out.put_i32(function);
        out.put_slice(rest);
    });
}

/// `CopyData`
pub(crate) fn copy_data(out: &mut BytesMut, data: &[u8]) {
    frame(out, b'd', |out| out.put_slice(data));
}

/// `CopyDone`
pub(crate) fn copy_done(out: &mut BytesMut) {
    frame(out, b'c', |_| {});
}

/// `CopyFail`
pub(crate) fn copy_fail(out: &mut BytesMut, message: impl AsRef<[u8]>) {
    frame(out, b'f', |out| string(out, message));
}

/// `PasswordMessage`
#[cfg(test)]
pub(crate) fn password(out: &mut BytesMut, password: impl AsRef<[u8]>) {
    frame(out, b'p', |out| string(out, password));
}

/// `SASLInitialResponse`
#[cfg(test)]
pub(crate) fn sasl_initial_response(out: &mut BytesMut, mechanism: &str, data: Option<&[u8]>) {
    frame(out, b'p', |out| {
        string(out, mechanism);
        out.put_i32(data.map_or(-1, |data| int32(data.len())));
        out.put_slice(data.unwrap_or_default());
    });
}

/// `SASLResponse`
pub(crate) fn sasl_response(out: &mut BytesMut, data: &[u8]) {
    frame(out, b'p', |out| out.put_slice(data));
}
