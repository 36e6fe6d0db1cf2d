//! Bad input: tokens that are malformed, oversized, two, ended, forged, or from elsewhere. Each is refused in words, and none
//! gets anybody's data.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod http;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get as on_get;
use heirloom::http::{Refused, SandboxLayer, owner_of};
use heirloom::{Owner, Repo, Sandbox, sandboxed};
use heirloom_tests::{Random, count, insert, test};
use http::{Client, get, serve, text_of, with};
use sqlx::Sqlite;
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex};
use tower::ServiceExt as _;

static REPO: Repo<Sqlite> = Repo::new();

static SERVER: LazyLock<SocketAddr> =
    LazyLock::new(|| serve(app().layer(SandboxLayer::new().baggage())));

fn app() -> Router {
    let count = async || match count(&REPO).await {
        Ok(count) => count.to_string(),
        Err(error) => error.to_string(),
    };
    Router::new().route("/count", on_get(count))
}

fn agent(value: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_bytes(value).unwrap());
    headers
}

async fn ask(headers: &HeaderMap) -> (StatusCode, String) {
    let mut client = Client::connect(*SERVER).await;
    client.ask(with("/count", headers)).await
}

fn refused(answer: (StatusCode, String), status: StatusCode, parts: &[&str]) {
    let (seen, text) = answer;
    println!("--- {seen}\n{text}\n");
    assert_eq!(seen, status, "{text}");
    for part in ["heirloom refuses this request: ", "help: "]
        .iter()
        .chain(parts)
    {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    // Nothing of what was sent comes back.
    let digits = |word: &str| word.chars().filter(char::is_ascii_hexdigit).count() > 20;
    assert!(
        !text.split(|c: char| !c.is_alphanumeric()).any(digits),
        "{text}"
    );
}

#[sandboxed]
async fn a_malformed_token_is_a_bad_request(owner: Owner) {
    let token = owner.token().to_string();
    let malformed = [
        "heirloom/".to_owned(),
        "heirloom/1.0".to_owned(),
        format!("Mozilla/5.0 heirloom/{}", &token[1..]),
        format!("heirloom/{token}0"),
        format!("heirloom/{token}/../admin"),
        format!("heirloom/{}", "g".repeat(32)),
        format!("heirloom/{}", "0".repeat(4000)),
        format!("heirloom/0x{}", &token[2..]),
        format!("heirloom/+{}", &token[1..]),
    ];
    for value in malformed {
        let parts = ["the token in the header `user-agent` is malformed"];
        refused(
            ask(&agent(value.as_bytes())).await,
            StatusCode::BAD_REQUEST,
            &parts,
        );
    }
    let not_text = [b"heirloom/\xff\xfe".as_slice(), &[0x80; 28]].concat();
    refused(
        ask(&agent(&not_text)).await,
        StatusCode::BAD_REQUEST,
        &["malformed"],
    );
}

#[test]
fn a_refusal_is_in_the_servers_log_with_what_to_do_and_without_what_was_sent() {
    let (mut log, writer) = std::io::pipe().unwrap();
    let subscriber = tracing_subscriber::fmt().with_ansi(false);
    let subscriber = subscriber.with_writer(Mutex::new(writer)).finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let request = with("/count", &agent(b"heirloom/0123456789abcdef"));
    let answer = app().layer(SandboxLayer::new()).oneshot(request);
    let answer = tracing::subscriber::with_default(subscriber, || runtime.block_on(answer));
    assert_eq!(answer.unwrap().status(), StatusCode::BAD_REQUEST);
    let log = std::io::read_to_string(&mut log).unwrap();
    for part in ["WARN heirloom: ", "is malformed", "help: "] {
        assert!(log.contains(part), "`{part}` is missing in: {log}");
    }
    assert!(!log.contains("0123456789"), "{log}");
}

#[sandboxed]
async fn bytes_that_are_no_text_beside_a_token_harm_nobody(owner: Owner) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let value = [
        b"caf\xe9 \xff ".as_slice(),
        owner.user_agent("").as_bytes(),
        b" \xfe",
    ]
    .concat();
    assert_eq!(ask(&agent(&value)).await, (StatusCode::OK, "1".to_owned()));
    Ok(())
}

#[sandboxed]
async fn a_header_beyond_all_measure_is_a_bad_request_only_with_a_token_in_it(owner: Owner) {
    let long = "x/1 ".repeat(3000);
    let parts = ["the header `user-agent` is longer than 8192 bytes"];
    let value = owner.user_agent(&long);
    refused(
        ask(&agent(value.as_bytes())).await,
        StatusCode::BAD_REQUEST,
        &parts,
    );
    let (status, text) = ask(&agent(long.trim().as_bytes())).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("nobody owns this use"), "{text}");
}

#[sandboxed]
async fn two_different_tokens_are_a_bad_request(owner: Owner) {
    let other = Owner::start("other").repo(&REPO).await.unwrap();
    let both = other.user_agent(&owner.user_agent("Mozilla/5.0"));
    let parts = ["the header `user-agent` holds two different tokens"];
    refused(
        ask(&agent(both.as_bytes())).await,
        StatusCode::BAD_REQUEST,
        &parts,
    );

    let mut headers = owner.headers();
    headers.append(header::USER_AGENT, other.user_agent("").parse().unwrap());
    refused(ask(&headers).await, StatusCode::BAD_REQUEST, &parts);

    let mut headers = owner.headers();
    headers.insert(
        "baggage",
        format!("heirloom={}", other.token()).parse().unwrap(),
    );
    let parts = ["the headers `user-agent` and `baggage` hold two different tokens"];
    refused(ask(&headers).await, StatusCode::BAD_REQUEST, &parts);
    other.stop().await.unwrap();

    let twice = owner.user_agent(&owner.user_agent("Mozilla/5.0"));
    assert_eq!(ask(&agent(twice.as_bytes())).await.0, StatusCode::OK);
}

#[sandboxed]
async fn a_token_of_another_process_or_run_is_forbidden() {
    let mut random = Random::seeded();
    for _ in 0..20 {
        let digit = |number| char::from_digit(number, 16).unwrap();
        let digits = (0..32).map(|_| digit(u32::try_from(random.below(16)).unwrap()));
        let forged = format!("Mozilla/5.0 heirloom/{}", digits.collect::<String>());
        let answer = ask(&agent(forged.as_bytes())).await;
        refused(
            answer,
            StatusCode::FORBIDDEN,
            &["its token is nobody's in this process"],
        );
    }
}

#[sandboxed]
async fn a_token_with_one_bit_changed_is_nobodys(owner: Owner) {
    let token = owner.token().to_string();
    for place in 0..32 {
        let mut changed = token.clone().into_bytes();
        changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
        let value = [b"heirloom/".as_slice(), &changed].concat();
        refused(ask(&agent(&value)).await, StatusCode::FORBIDDEN, &[]);
    }
}

#[test]
fn a_token_whose_test_has_ended_is_gone_and_tells_which_test() {
    let mut headers = HeaderMap::new();
    let ended = test("ended").run(async |sandbox: Sandbox| {
        headers = sandbox.owner().headers();
        insert(&REPO, "ada@example.org").await.unwrap();
        assert_eq!(ask(&headers).await, (StatusCode::OK, "1".to_owned()));
        Ok(())
    });
    drop(ended);
    let gone = heirloom_tests::nobodys().block_on(ask(&headers));
    let parts = [
        "the test `",
        "ended`, started at ",
        file!(),
        " has ended, ",
        " ago",
    ];
    refused(gone, StatusCode::GONE, &parts);
    let refused = owner_of(&headers).unwrap_err();
    assert_eq!(refused.status(), StatusCode::GONE);
    assert!(!format!("{refused:?} {refused}").contains("heirloom/"));
}

#[sandboxed]
async fn a_connection_of_an_ended_owner_serves_the_next_one(owner: Owner) -> sqlx::Result<()> {
    insert(&REPO, "ada@example.org").await?;
    let first = Owner::start("first").repo(&REPO).await.unwrap();
    let request = get("/count", Some(&first));
    let again = get("/count", Some(&first));
    let mut client = Client::connect(*SERVER).await;
    assert_eq!(client.ask(request).await.1, "0");
    first.stop().await.unwrap();
    let parts = ["the owner `first`", "has ended"];
    refused(client.ask(again).await, StatusCode::GONE, &parts);
    assert_eq!(client.ask(get("/count", Some(&owner))).await.1, "1");
    Ok(())
}

#[sandboxed]
async fn a_refusal_is_plain_text_that_nobody_keeps() {
    let mut client = Client::connect(*SERVER).await;
    let response = client
        .send(with("/count", &agent(b"heirloom/1")))
        .await
        .unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    let length = response.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse::<usize>();
    assert_eq!(text_of(response).await.1.len(), length.unwrap());
}

/// As axum tells the peer.
async fn from(peer: &str, layer: SandboxLayer, owner: &Owner) -> (StatusCode, String) {
    let mut request = get("/count", Some(owner));
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    text_of(app().layer(layer).oneshot(request).await.unwrap()).await
}

#[sandboxed]
async fn a_token_from_another_machine_is_forbidden_unless_that_was_allowed(owner: Owner) {
    for peer in [
        "192.0.2.7:4711",
        "[2001:db8::1]:4711",
        "[::ffff:10.0.0.1]:1",
    ] {
        let parts = ["a token from another machine", peer, ".allow_remote()"];
        let answer = from(peer, SandboxLayer::new(), &owner).await;
        refused(answer, StatusCode::FORBIDDEN, &parts);
        let allowed = from(peer, SandboxLayer::new().allow_remote(), &owner).await;
        assert_eq!(allowed, (StatusCode::OK, "0".to_owned()));
    }
    for peer in ["127.0.0.1:4711", "[::1]:4711", "[::ffff:127.0.0.1]:1"] {
        let answer = from(peer, SandboxLayer::new(), &owner).await;
        assert_eq!(answer, (StatusCode::OK, "0".to_owned()));
    }
}

#[sandboxed]
fn no_header_can_be_smuggled_in_behind_a_token(owner: Owner) {
    let agent = owner.user_agent("Mozilla/5.0\r\nx-admin: 1");
    assert!(
        HeaderValue::from_str(&agent).is_err(),
        "no line break gets into a header"
    );
    assert!(HeaderName::from_bytes(b"x-owner\r\nx-admin").is_err());
    let Err(refused) = owner_of(&self::agent(b"heirloom/x\ty")) else {
        panic!("malformed");
    };
    let text: Refused = refused;
    assert_eq!(text.status(), StatusCode::BAD_REQUEST);
}
