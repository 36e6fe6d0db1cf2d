//! Where a token goes, and what it leaves as it was.

use super::*;
use http::Response;
use proptest::prelude::*;

const TOKEN: &str = "00112233445566778899aabbccddeeff";

fn label(header: HeaderName, baggage: bool) -> Label {
    Label { header, baggage }
}

fn put(label: &Label, lines: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    label.put(&TOKEN.parse().unwrap(), &mut headers);
    headers
}

fn all(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

#[test]
fn the_token_is_the_last_word_of_the_user_agent() {
    let label = label(USER_AGENT, false);
    let expected = format!("heirloom/{TOKEN}");
    assert_eq!(
        all(&put(&label, &[]), USER_AGENT),
        std::slice::from_ref(&expected)
    );
    let curl = put(&label, &[(USER_AGENT, "curl/8 é")]);
    assert_eq!(all(&curl, USER_AGENT), [format!("curl/8 é {expected}")]);
    assert!(curl[USER_AGENT].is_sensitive(), "whoever prints it");
}

#[test]
fn a_request_that_names_an_owner_itself_stays_as_it_is() {
    let own = HeaderName::from_static("x-owner");
    for (label, name, value) in [
        (label(USER_AGENT, false), USER_AGENT, "heirloom/other"),
        (label(USER_AGENT, true), USER_AGENT, "a heirloom/other"),
        (label(USER_AGENT, true), BAGGAGE, "a=1,heirloom=other"),
        (label(own.clone(), false), own.clone(), "other"),
        (label(own.clone(), true), own.clone(), "other"),
        (label(own.clone(), true), BAGGAGE, "heirloom=other"),
    ] {
        let mut as_it_is = HeaderMap::new();
        as_it_is.insert(&name, HeaderValue::from_static(value));
        assert_eq!(put(&label, &[(name, value)]), as_it_is);
    }
}

#[test]
fn other_lines_of_the_user_agent_stay() {
    let label = label(USER_AGENT, false);
    let headers = put(&label, &[(USER_AGENT, "one/1"), (USER_AGENT, "two/2")]);
    let first = format!("one/1 heirloom/{TOKEN}");
    assert_eq!(all(&headers, USER_AGENT), [&first, "two/2"]);
}

#[test]
fn baggage_keeps_its_other_members() {
    let label = label(HeaderName::from_static("x-owner"), true);
    let put = |lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| (BAGGAGE, *line)).collect();
        all(&put(&label, &lines), BAGGAGE)
    };
    let member = format!("heirloom={TOKEN}");
    assert_eq!(put(&[]), std::slice::from_ref(&member));
    assert_eq!(put(&["a=1;p,b=2"]), [format!("a=1;p,b=2,{member}")]);
    assert_eq!(put(&["a=1", "b=2"]), ["a=1", "b=2", &member]);
    let long = format!("a={}", "x".repeat(LONGEST - 10));
    assert_eq!(put(&[&long]), [long.clone(), member]);
}

#[test]
fn only_this_machine_is_here() {
    let to = |uri: &str| stays_here(&Request::get(uri).body(()).unwrap());
    for uri in [
        "http://localhost:3000/x",
        "http://LOCALHOST./",
        "http://ada.localhost/",
        "http://127.0.0.1:80/",
        "http://127.8.9.1/",
        "https://[::1]:8443/",
        "http://[::ffff:127.0.0.1]/",
        "http://user:secret@localhost/",
        "/in/this/process",
    ] {
        assert!(to(uri), "{uri}");
    }
    for uri in [
        "http://example.org/",
        "http://localhost.example.org/",
        "http://notlocalhost/",
        "http://localhost@example.org/",
        "http://127.0.0.1.example.org/",
        "http://10.0.0.1/",
        "http://[::2]/",
        "http://0.0.0.0/",
    ] {
        assert!(!to(uri), "{uri}");
    }
}

#[test]
fn a_request_without_a_host_in_its_uri_goes_where_its_host_header_says() {
    let to = |host: &str| stays_here(&Request::get("/x").header(HOST, host).body(()).unwrap());
    assert!(to("localhost:3000") && to("[::1]:1") && to("127.0.0.1"));
    assert!(!to("example.org") && !to("10.0.0.1:80") && !to("") && !to("a b"));
}

#[test]
fn nothing_is_put_where_nobody_is_the_owner() {
    struct Echo;

    impl Service<Request<()>> for Echo {
        type Response = Response<HeaderMap>;
        type Error = ();
        type Future = std::future::Ready<Result<Response<HeaderMap>, ()>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            std::future::ready(Ok(Response::new(request.headers().clone())))
        }
    }

    let mut client = TokenLayer::new().layer(Echo);
    let sent = client.call(Request::get("http://localhost/").body(()).unwrap());
    let response = sent.future.into_inner().unwrap();
    assert!(response.body().is_empty());
}

proptest! {
    #[test]
    fn what_is_put_is_read_again(base in "[ -~é]{0,40}", baggage in "[a-z=;, ]{0,40}") {
        prop_assume!(!base.to_lowercase().contains("heirloom/") && !baggage.contains("heirloom"));
        let label = label(USER_AGENT, true);
        let headers = put(&label, &[(USER_AGENT, &base), (BAGGAGE, &baggage)]);
        let sources = super::super::header::Sources { header: USER_AGENT, baggage: true };
        let read = sources.token_in(&headers).unwrap();
        prop_assert_eq!(read, Some(TOKEN.parse().unwrap()));
    }

    #[test]
    fn no_host_is_too_strange(host in "\\PC{0,30}") {
        let _here: bool = is_here(&host);
    }
}
