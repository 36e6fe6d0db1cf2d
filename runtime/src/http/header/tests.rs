//! What is a token in a header, what is none, and what is neither.

use super::*;
use http::HeaderValue;
use proptest::prelude::*;

const ONE: &str = "00112233445566778899aabbccddeeff";
const TWO: &str = "ffeeddccbbaa99887766554433221100";
const OWN: HeaderName = HeaderName::from_static("x-owner");

fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(name, value);
    }
    headers
}

fn read(header: HeaderName, lines: &[(HeaderName, &str)]) -> Result<Option<String>, Unreadable> {
    let baggage = true;
    let found = Sources { header, baggage }.token_in(&headers(lines))?;
    Ok(found.map(|token| token.to_string()))
}

fn agent(value: &str) -> Result<Option<String>, Unreadable> {
    read(USER_AGENT, &[(USER_AGENT, value)])
}

fn baggage(value: &str) -> Result<Option<String>, Unreadable> {
    read(USER_AGENT, &[(BAGGAGE, value)])
}

#[test]
fn a_user_agent_names_an_owner_wherever_its_product_stands() {
    for value in [
        format!("heirloom/{ONE}"),
        format!("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 heirloom/{ONE}"),
        format!("Mozilla/5.0 heirloom/{ONE} HeadlessChrome/140.0"),
        format!("\theirloom/{ONE}  via-proxy/1.0"),
        format!("HeirLoom/{}", ONE.to_uppercase()),
        format!("heirloom/{ONE} heirloom/{ONE}"),
    ] {
        assert_eq!(agent(&value), Ok(Some(ONE.to_owned())), "{value}");
    }
}

#[test]
fn a_user_agent_without_the_product_names_nobody() {
    for value in [
        "",
        "curl/8.5.0",
        ONE,
        "heirloom",
        "xheirloom/1",
        "heirloomy/2",
        "(é)",
    ] {
        assert_eq!(agent(value), Ok(None), "{value}");
    }
    let elsewhere = [(OWN, ONE)];
    assert_eq!(read(USER_AGENT, &elsewhere), Ok(None));
}

#[test]
fn a_product_of_another_shape_is_malformed_and_never_nobodys() {
    let long = format!("{ONE}0");
    for version in ["", "1.0", &ONE[1..], &long, &format!("{ONE},"), "é", "/"] {
        let value = format!("Mozilla/5.0 heirloom/{version}");
        assert_eq!(
            agent(&value),
            Err(Unreadable::Malformed(USER_AGENT)),
            "{value}"
        );
    }
}

#[test]
fn a_header_of_its_own_holds_nothing_but_the_token() {
    let own = |value: &str| read(OWN, &[(OWN, value), (USER_AGENT, "heirloom/1.0")]);
    assert_eq!(own(ONE), Ok(Some(ONE.to_owned())));
    assert_eq!(own(&format!(" \t{ONE} ")), Ok(Some(ONE.to_owned())));
    for value in ["", " ", "none", &ONE[1..], &format!("heirloom/{ONE}"), "ü"] {
        assert_eq!(own(value), Err(Unreadable::Malformed(OWN)), "{value}");
    }
}

#[test]
fn baggage_names_an_owner_among_other_members() {
    for value in [
        format!("heirloom={ONE}"),
        format!("tenant=7,heirloom={ONE};kind=test;x=\"y\",other=1"),
        format!(" a = b , heirloom = {ONE} ; p , "),
    ] {
        assert_eq!(baggage(&value), Ok(Some(ONE.to_owned())), "{value}");
    }
    let two_lines = [(BAGGAGE, "a=1"), (BAGGAGE, &*format!("heirloom={ONE}"))];
    assert_eq!(read(USER_AGENT, &two_lines), Ok(Some(ONE.to_owned())));
    for value in [
        "",
        "a=heirloom",
        "heirlooms=1",
        "Heirloom=1",
        "x;heirloom=1",
    ] {
        assert_eq!(baggage(value), Ok(None), "{value}");
    }
    for value in [
        "heirloom",
        "heirloom;p=1",
        "heirloom=",
        "heirloom=%30",
        "heirloom=1=2",
    ] {
        assert_eq!(
            baggage(value),
            Err(Unreadable::Malformed(BAGGAGE)),
            "{value}"
        );
    }
}

#[test]
fn baggage_is_read_only_where_that_was_asked_for() {
    let lines = headers(&[(BAGGAGE, &format!("heirloom={ONE}"))]);
    assert_eq!(Sources::default().token_in(&lines), Ok(None));
}

#[test]
fn the_same_token_twice_is_one_and_two_tokens_are_refused() {
    let both = |member: &str| {
        let baggage = format!("heirloom={member}");
        read(
            USER_AGENT,
            &[
                (USER_AGENT, &format!("heirloom/{ONE}")),
                (BAGGAGE, &baggage),
            ],
        )
    };
    assert_eq!(both(ONE), Ok(Some(ONE.to_owned())));
    assert_eq!(both(TWO), Err(Unreadable::Several(USER_AGENT, BAGGAGE)));
    let twice = agent(&format!("heirloom/{ONE} heirloom/{TWO}"));
    assert_eq!(twice, Err(Unreadable::Several(USER_AGENT, USER_AGENT)));
    let lines = [(OWN, ONE), (OWN, TWO)];
    assert_eq!(read(OWN, &lines), Err(Unreadable::Several(OWN, OWN)));
}

#[test]
fn a_long_header_is_refused_only_where_it_may_hold_a_token() {
    let long = "x".repeat(LONGEST);
    assert_eq!(agent(&format!("{long} y/1")), Ok(None));
    assert_eq!(
        agent(&format!("{long} heirloom/{ONE}")),
        Err(Unreadable::TooLong(USER_AGENT))
    );
    assert_eq!(baggage(&format!("a={long}")), Ok(None));
    assert_eq!(
        baggage(&format!("a={long},heirloom={ONE}")),
        Err(Unreadable::TooLong(BAGGAGE))
    );
}

#[test]
fn what_is_refused_is_told_without_the_token() {
    let value = format!("heirloom/{ONE}x heirloom/{TWO}");
    let malformed = agent(&value).unwrap_err().to_string();
    let several = agent(&format!("heirloom/{ONE} heirloom/{TWO}"))
        .unwrap_err()
        .to_string();
    for text in [malformed, several] {
        assert!(
            text.contains("`user-agent`") && text.contains("help: "),
            "{text}"
        );
        assert!(!text.contains(ONE) && !text.contains(TWO), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz(&bytes);
    }

    #[test]
    fn what_looks_nearly_like_a_token_is_read_without_a_panic(
        text in "[hH]?(eirloom|EIRLOOM)?[/= ;,]?[0-9a-fA-F]{30,34}[\n;, ]?(heirloom[/=][0-9a-f]{31,33}\n?){0,3}"
    ) {
        fuzz(text.as_bytes());
    }

    #[test]
    fn a_token_is_found_in_any_text_around_it(
        before in "[ -~]{0,60}",
        after in "[ -~]{0,60}",
        token in "[0-9a-f]{32}"
    ) {
        let other = |text: &str| !text.to_lowercase().contains("heirloom/");
        prop_assume!(other(&before) && other(&after));
        let value = format!("{before} heirloom/{token} {after}");
        prop_assert_eq!(agent(&value), Ok(Some(token)));
    }
}
