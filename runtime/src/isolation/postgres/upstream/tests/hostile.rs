//! What answers on the port is no PostgreSQL, or one that misbehaves.

use crate::isolation::postgres::config::Config;
use crate::isolation::postgres::upstream::*;
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A frame as a server sends it.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

fn ok() -> Vec<u8> {
    frame(b'R', &0_u32.to_be_bytes())
}

fn welcome() -> Vec<u8> {
    [
        ok(),
        frame(b'K', &[0, 0, 0, 1, 0, 0, 0, 2]),
        frame(b'Z', b"I"),
    ]
    .concat()
}

/// What is not done by then never is, on whatever machine.
const HANGS: Duration = Duration::from_mins(1);

/// How long the server waits for each message.
const PAUSE: Duration = Duration::from_millis(5);

/// Logs in at a server that sends one of these after each message it gets, and then hangs up.
async fn meet(answers: Vec<Vec<u8>>, sslmode: &str) -> Result<Upstream, ConnectError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut scrap = [0; 4096];
            for answer in &answers {
                // It does not wait for an answer for ever, nor do we then.
                let heard = tokio::time::timeout(PAUSE, socket.read(&mut scrap)).await;
                if matches!(heard, Ok(Ok(0) | Err(_))) {
                    break;
                }
                socket.write_all(answer).await.ok();
            }
        }
    });
    let url = format!("postgres://ada:sesame@127.0.0.1:{port}/shop?sslmode={sslmode}");
    let config = Config::from_url(&url).unwrap();
    Upstream::connect_within(&config, HANGS).await
}

async fn refused(answers: Vec<Vec<u8>>, sslmode: &str) -> String {
    let error = meet(answers, sslmode).await.unwrap_err();
    let text = error.to_string();
    assert!(!matches!(error, ConnectError::TimedOut { .. }), "{text}");
    assert!(!text.contains("sesame"), "{text}");
    assert!(
        text.contains("database `shop`") && text.contains("`ada`"),
        "{text}"
    );
    text
}

#[tokio::test]
async fn what_does_not_speak_as_postgresql_does_is_named() {
    let sasl = |code: u32, body: &[u8]| frame(b'R', &[&code.to_be_bytes()[..], body].concat());
    let begin = sasl(10, b"SCRAM-SHA-256\0\0");
    for (answers, expected) in [
        (vec![], "was closed during the login"),
        (
            vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()],
            "a message `H` of 1414811695 bytes",
        ),
        (vec![vec![0xff; 64]], "a message 0xff of 4294967295 bytes"),
        (vec![frame(b'R', &[])], "without saying which"),
        (vec![vec![b'R', 0, 0, 0, 3]], "a message `R` of 3 bytes"),
        (
            vec![vec![b'R', 0, 0, 0, 8, 0]],
            "was closed during the login",
        ),
        (
            vec![vec![b'S', 0, 2, 0, 0]],
            "a message `S` of 131072 bytes",
        ),
        (vec![frame(b'D', &[0, 0])], "a message `D` during the login"),
        (
            vec![[ok(), frame(b'T', &[0, 0])].concat()],
            "a message `T` during the login",
        ),
        (vec![ok()], "was closed during the login"),
        (vec![sasl(5, &[1, 2])], "no salt"),
        (vec![sasl(7, &[])], "asks for GSSAPI"),
        (vec![sasl(2, &[])], "asks for Kerberos V5"),
        (vec![sasl(99, &[])], "authentication method 99"),
        (
            vec![sasl(10, b"OAUTHBEARER\0\0")],
            "asks for SASL by OAUTHBEARER",
        ),
        (vec![sasl(10, b"")], "asks for SASL by "),
        (
            vec![sasl(10, b"SCRAM-SHA-256-PLUS\0\0")],
            "asks for SASL by SCRAM-SHA-256-PLUS",
        ),
        (vec![sasl(11, b"r=x,s=,i=1")], "was not begun"),
        (vec![sasl(12, b"v=")], "was not begun"),
        (
            vec![begin.clone(), sasl(11, b"nonsense")],
            "its SCRAM answer is wrong",
        ),
        (
            vec![
                begin.clone(),
                sasl(11, b"r=forged,s=QSXCR+Q6sek8bf92,i=4096"),
            ],
            "its SCRAM answer is wrong",
        ),
        // It may not know the password at all.
        (vec![begin.clone(), welcome()], "without proving"),
        (
            vec![b"Ecould not fork new process for connection: out of memory\n\0".to_vec()],
            "could not fork new process",
        ),
        (
            vec![b"E\xff\xff\xff\xff\0\0".to_vec()],
            "an error of no readable length",
        ),
        (
            vec![frame(
                b'E',
                b"SFATAL\0C57P03\0Mthe database system is starting up\0\0",
            )],
            "(SQLSTATE 57P03)",
        ),
        (vec![frame(b'E', b"")], "PostgreSQL refused"),
        (vec![frame(b'E', b"\xff\xfe\xfd")], "PostgreSQL refused"),
    ] {
        let text = refused(answers.clone(), "disable").await;
        assert!(text.contains(expected), "{answers:?}\n{text}");
    }
}

#[cfg(feature = "postgres-tls")]
#[tokio::test]
async fn what_answers_nonsense_to_a_wish_for_tls_is_named() {
    for (answers, mode, expected) in [
        (vec![b"N".to_vec()], "require", "the server has none"),
        (vec![b"N".to_vec()], "prefer", "was closed during the login"),
        (
            vec![b"X".to_vec()],
            "prefer",
            "it answered `X` when asked for TLS",
        ),
        (
            vec![b"E".to_vec()],
            "require",
            "it answered `E` when asked for TLS",
        ),
        (vec![b"S".to_vec()], "require", "the handshake failed"),
        (
            vec![b"Sgarbage garbage garbage".to_vec()],
            "require",
            "the handshake failed",
        ),
        // Words that came along unencrypted are never taken for the server's.
        (
            vec![[b"S".to_vec(), welcome()].concat()],
            "require",
            "the handshake failed",
        ),
    ] {
        let text = refused(answers, mode).await;
        assert!(text.contains(expected), "{mode}: {text}");
    }
    let upstream = meet(vec![b"N".to_vec(), welcome()], "prefer")
        .await
        .unwrap();
    assert!(!upstream.is_encrypted());
}

#[tokio::test]
async fn older_protocols_and_chatter_are_fine() {
    let notice = frame(b'N', b"SNOTICE\0Mhello\0\0");
    let older = frame(b'v', &[0, 3, 0, 0, 0, 0, 0, 0]);
    let settings = frame(b'S', b"server_version\x0018.1\0");
    let long_key = frame(b'K', &[&[0, 0, 0, 7][..], &[9; 256]].concat());
    let chatter = [
        older,
        notice.clone(),
        ok(),
        notice,
        settings,
        long_key,
        frame(b'Z', b"I"),
        b"N".to_vec(),
    ];
    let upstream = meet(vec![chatter.concat()], "disable").await.unwrap();
    assert_eq!(upstream.parameters()["server_version"], "18.1");
    assert_eq!(upstream.process(), 7);
    let parts = upstream.into_parts();
    assert_eq!(&parts.buffer[..], b"N", "what came after is handed on");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for mode in ["disable", "prefer"] {
        let config =
            Config::from_url(&format!("postgres://u@127.0.0.1:{port}/d?sslmode={mode}")).unwrap();
        let patience = Duration::from_millis(50);
        let error = Upstream::connect_within(&config, patience)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("within 50ms"), "{error}");
    }
}

#[tokio::test]
async fn answers_out_of_step_end_the_session() {
    for (answer, expected) in [
        (
            frame(b'T', &[0, 9]),
            "a message `T` that means nothing here",
        ),
        (
            frame(b'D', &[0, 1, 0, 0, 0, 9, 1]),
            "a message `D` that means nothing here",
        ),
        (frame(b'D', &[]), "a message `D` that means nothing here"),
        (
            frame(b'R', &[0; 4]),
            "a message `R` that means nothing here",
        ),
        (
            vec![b'D', 0x7f, 0xff, 0xff, 0xff],
            "a message `D` of 2147483647 bytes",
        ),
        (vec![b'C', 0, 0], "was lost"),
        (
            frame(b'E', b"SFATAL\0C57P01\0Mterminating\0\0"),
            "terminating (SQLSTATE 57P01)",
        ),
    ] {
        let mut upstream = meet(vec![welcome(), answer], "disable").await.unwrap();
        let error = upstream.simple("SELECT 1").await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    /// No panic, no endless wait, no memory on the word of a length.
    #[test]
    fn any_bytes_end_in_an_error_or_a_session(
        answers in proptest::collection::vec(prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            (prop_oneof![Just(b'R'), Just(b'E'), Just(b'S'), Just(b'K'), Just(b'Z'), Just(b'v'), Just(b'N')],
                proptest::collection::vec(prop_oneof![Just(0_u8), Just(10_u8), Just(11_u8), any::<u8>()], 0..24))
                .prop_map(|(kind, body)| frame(kind, &body)),
            Just(welcome()),
            Just(b"N".to_vec()),
        ], 0..5),
        mode in prop_oneof![Just("disable"), Just("prefer"), Just("require")],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            match meet(answers, mode).await {
                Ok(mut upstream) => {
                    let asked = tokio::time::timeout(HANGS, upstream.simple("SELECT 1"));
                    assert!(asked.await.is_ok(), "it waits for ever");
                }
                Err(error) => assert!(!matches!(error, ConnectError::TimedOut { .. })),
            }
        });
    }
}
