//! Whether a host is this machine.

use std::net::IpAddr;

/// By the names that lead nowhere else: RFC 6761 keeps `localhost` and what is below it; and by loopback addresses.
pub(super) fn is_here(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}
