//! Who may ask for a session: what runs on this machine and means to, not a page that a browser has loaded from elsewhere.

use crate::http::here::is_here;
use axum::extract::ConnectInfo;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri, request};
use std::fmt;
use std::net::SocketAddr;

/// Why a request is refused, for its client to read.
#[derive(Debug)]
pub(super) struct Stranger {
    why: String,
    help: &'static str,
}

/// What is said to other machines, and to names that are not this one's.
const ELSEWHERE: &str = "sessions are for what runs on this machine; where another is yours, `sandbox_routes(..).allow_remote()`";

/// What is said to pages.
const FROM_A_PAGE: &str = "ask for sessions in the suite itself, or on a page of this machine, as `http://localhost:5173`";

/// Refuses a request that does not come from this machine.
///
/// A page from anywhere can have a browser send requests to this machine; it tells the page's origin with them. A page whose
/// own host name was made to lead here (DNS rebinding) has that name in `Host`.
pub(super) fn check(request: &request::Parts) -> Result<(), Stranger> {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    if let Some(ConnectInfo(peer)) = peer
        && !peer.ip().to_canonical().is_loopback()
    {
        return Err(Stranger {
            why: format!("it comes from another machine, {peer}"),
            help: ELSEWHERE,
        });
    }
    let named = request.uri.authority().map(Authority::host);
    let mut hosts = request.headers.get_all(HOST).iter();
    let strange = hosts.any(|host| !host_of(host).is_some_and(|host| is_here(&host)));
    if strange || named.is_some_and(|host| !is_here(host)) {
        return Err(Stranger {
            why: "its `Host` is not this machine's".to_owned(),
            help: ELSEWHERE,
        });
    }
    check_origin(&request.headers, is_here)
}

/// The same for routes that other machines may use: a page has to be from this server or this machine.
pub(super) fn check_remote(request: &request::Parts) -> Result<(), Stranger> {
    let hosts = request.headers.get_all(HOST).iter().filter_map(host_of);
    let hosts: Vec<String> = hosts.collect();
    check_origin(&request.headers, |origin| {
        is_here(origin) || hosts.iter().any(|host| host.eq_ignore_ascii_case(origin))
    })
}

fn check_origin(headers: &HeaderMap, is_ours: impl Fn(&str) -> bool) -> Result<(), Stranger> {
    for origin in headers.get_all(ORIGIN) {
        let origin: Option<Uri> = origin.to_str().ok().and_then(|text| text.parse().ok());
        if !origin.as_ref().and_then(Uri::host).is_some_and(&is_ours) {
            return Err(Stranger {
                why: "a page from another site sends it".to_owned(),
                help: FROM_A_PAGE,
            });
        }
    }
    Ok(())
}

fn host_of(value: &HeaderValue) -> Option<String> {
    let authority: Authority = value.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_owned())
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, help } = self;
        write!(f, "this request is refused: {why}\n\n  help: {help}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn request(headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::post("/sandbox");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn is_let_in(headers: &[(&str, &str)]) -> bool {
        check(&request(headers)).is_ok()
    }

    #[test]
    fn this_machine_has_the_names_that_lead_nowhere_else() {
        for host in [
            "localhost",
            "LocalHost:3000",
            "app.localhost:3000",
            "127.0.0.1",
            "127.8.9.1:80",
            "[::1]:3000",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_let_in(&[("host", host)]), "{host}");
        }
        for host in [
            "example.org",
            "localhost.example.org",
            "192.168.0.1:3000",
            "[2001:db8::1]",
            "notlocalhost",
            "",
            "a b",
            "127.0.0.1@example.org",
        ] {
            assert!(!is_let_in(&[("host", host)]), "{host}");
        }
        assert!(is_let_in(&[]), "no browser leaves it out");
        assert!(!is_let_in(&[
            ("host", "localhost"),
            ("host", "example.org")
        ]));
    }

    #[test]
    fn a_page_has_to_be_from_this_machine() {
        let from = |origin| [("host", "localhost:3000"), ("origin", origin)];
        for origin in [
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "https://app.localhost",
        ] {
            assert!(is_let_in(&from(origin)), "{origin}");
        }
        for origin in [
            "null",
            "https://example.org",
            "http://localhost.example.org",
            "file://",
            "",
        ] {
            assert!(!is_let_in(&from(origin)), "{origin}");
        }
    }

    #[test]
    fn another_machine_is_let_in_only_where_that_was_said() {
        let mut parts = request(&[("host", "app:3000")]);
        parts
            .extensions
            .insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 7], 4000))));
        let error = check(&parts).expect_err("it is another machine");
        assert!(error.why.contains("10.0.0.7:4000"), "{error}");
        assert!(check_remote(&parts).is_ok());
        for (origin, let_in) in [("http://app:3000", true), ("http://example.org", false)] {
            let parts = request(&[("host", "app:3000"), ("origin", origin)]);
            assert_eq!(check_remote(&parts).is_ok(), let_in, "{origin}");
        }
    }
}
