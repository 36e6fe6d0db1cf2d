use super::super::*;
use super::written;

fn opened(bytes: &[u8]) -> Opening<'_> {
    let (opening, size) = open(bytes).expect("a good packet").expect("whole");
    assert_eq!(size, bytes.len());
    opening
}

fn startup(parameters: &[u8], minor: u8) -> Vec<u8> {
    let length = u8::try_from(8 + parameters.len()).expect("short");
    [&[0, 0, 0, length, 0, 3, 0, minor], parameters].concat()
}

#[test]
fn a_startup_packet_has_parameters() {
    let bytes = written(|out| {
        to_server::startup(out, 0, &[("user", "a"), ("database", "é"), ("user", "b")]);
    });
    for cut in 0..bytes.len() {
        assert_eq!(open(&bytes[..cut]), Ok(None));
    }
    let Opening::Startup(startup) = opened(&bytes) else {
        panic!("a startup packet");
    };
    assert_eq!(startup.parameters.iter().count(), 3);
    assert_eq!(startup.parameters.get(b"user"), Some(&b"b"[..]));
    assert_eq!(startup.parameters.get(b"database"), Some("é".as_bytes()));
    assert_eq!(startup.parameters.get(b"options"), None);
    assert_eq!(startup.negotiate(0), None);
    let (_, size) = open(&[&bytes[..], b"more"].concat())
        .expect("good")
        .expect("whole");
    assert_eq!(size, bytes.len());
}

#[test]
fn versions_and_options_are_negotiated() {
    let bytes = startup(b"user\0a\0_pq_.x\0y\0\0", 2);
    let Opening::Startup(startup) = opened(&bytes) else {
        panic!("a startup packet");
    };
    assert_eq!(startup.negotiate(0), Some((0, vec![&b"_pq_.x"[..]])));
    assert_eq!(startup.negotiate(9), Some((2, vec![&b"_pq_.x"[..]])));
    let answer = written(|out| to_client::negotiate_protocol_version(out, 0, &[b"_pq_.x"]));
    assert_eq!(&answer[..], b"v\0\0\0\x13\0\x03\0\0\0\0\0\x01_pq_.x\0");
    let Ok(Server::NegotiateProtocolVersion { minor: 0, .. }) = super::server(&answer) else {
        panic!("it is read again");
    };
}

#[test]
fn requests_come_before_the_startup_packet() {
    assert_eq!(opened(&written(to_server::ssl_request)), Opening::Tls);
    assert_eq!(opened(&written(to_server::gss_request)), Opening::Gss);
    for secret in [&b"1234"[..], &[7; 256]] {
        let bytes = written(|out| to_server::cancel_request(out, -5, secret));
        let process = -5;
        assert_eq!(opened(&bytes), Opening::Cancel { process, secret });
    }
    let bytes = written(to_server::ssl_request);
    assert_eq!(&bytes[..], b"\0\0\0\x08\x04\xd2\x16\x2f");
}

#[test]
fn first_packets_that_are_none_are_told_apart() {
    let cases = [
        (
            b"\x16\x03\x01\x02\x00".to_vec(),
            "a TLS handshake without an SSLRequest before it",
        ),
        (
            b"GET / HTTP/1.1".to_vec(),
            "a first packet with the impossible length 1195725856",
        ),
        (
            vec![0, 0, 0, 7],
            "a first packet with the impossible length 7",
        ),
        (vec![255; 4], "a first packet with the impossible length -1"),
        (
            vec![0, 0, 0, 8, 0, 2, 0, 0],
            "protocol 2.0 is not spoken here, only 3",
        ),
        (
            vec![0, 0, 0, 9, 4, 210, 22, 47, 0],
            "a first packet that has bytes behind its end",
        ),
        (
            vec![0, 0, 0, 10, 4, 210, 22, 46, 0, 0],
            "a first packet that ends early",
        ),
        (
            startup(b"", 0),
            "a first packet that has a string without an end",
        ),
        (
            startup(b"user\0a", 0),
            "a first packet that has a string without an end",
        ),
        (
            startup(b"user\0a\0", 0),
            "a first packet that has a string without an end",
        ),
        (
            startup(b"\0x", 0),
            "a first packet that has bytes behind its end",
        ),
    ];
    for (bytes, expected) in cases {
        let broken = open(&bytes).expect_err(expected);
        assert_eq!(broken.to_string(), expected);
    }
}
