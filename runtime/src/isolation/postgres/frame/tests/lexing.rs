use super::super::*;
use super::{LIMIT, written};

#[test]
fn frames_are_cut_however_they_arrive() {
    let stream = written(|out| {
        to_server::query(out, "select 1");
        to_server::sync(out);
        to_server::execute(out, "p", 7);
    });
    let lexer = Lexer::new(Side::Client, LIMIT);
    for size in 1..=stream.len() {
        let mut buffer = BytesMut::new();
        let mut tags = Vec::new();
        for chunk in stream.chunks(size) {
            buffer.extend_from_slice(chunk);
            while let Some(frame) = lexer.take(&mut buffer).expect("good frames") {
                tags.push(frame.view().tag());
            }
        }
        assert_eq!(tags, b"QSE");
        assert!(buffer.is_empty());
    }
}

#[test]
fn a_frame_is_taken_without_copying_it() {
    let mut buffer = written(|out| to_server::query(out, "select 1"));
    let at = buffer.as_ptr();
    let lexer = Lexer::new(Side::Client, LIMIT);
    let frame = lexer.take(&mut buffer).expect("good").expect("whole");
    assert_eq!(frame.into_bytes().as_ptr(), at);
}

#[test]
fn whole_frames_are_seen_where_they_stand() {
    let mut stream = written(|out| {
        to_client::parse_complete(out);
        to_client::ready_for_query(out, Status::Idle);
    });
    stream.extend_from_slice(b"D\0\0");
    let mut views = Lexer::new(Side::Server, LIMIT).views(&stream);
    let tags: Vec<u8> = views
        .by_ref()
        .map(|view| view.expect("good").tag())
        .collect();
    assert_eq!(tags, b"1Z");
    assert_eq!(views.read(), 11);
}

type Expected = Result<Option<usize>, &'static str>;

#[test]
fn a_head_is_judged_before_its_body_comes() {
    let lexer = Lexer::new(Side::Client, 100);
    let cases: &[(&[u8], Expected)] = &[
        (b"", Ok(None)),
        (b"Q\0\0\0", Ok(None)),
        (b"Q\0\0\0\x04", Ok(Some(5))),
        (b"Q\0\0\0\x63", Ok(Some(100))),
        (
            b"Q\0\0\0\x64",
            Err("the client sent Query (`Q`) of 101 bytes; the limit is 100"),
        ),
        (
            b"d\x7f\xff\xff\xff",
            Err("the client sent CopyData (`d`) of 2147483648 bytes; the limit is 100"),
        ),
        (
            b"Q\0\0\0\x03",
            Err("the client sent Query with the impossible length 3"),
        ),
        (
            b"Q\xff\xff\xff\xff",
            Err("the client sent Query with the impossible length -1"),
        ),
        (
            b"\0",
            Err("the client sent a frame with the unknown tag `\\u{0}`"),
        ),
        (
            b"G",
            Err("the client sent a frame with the unknown tag `G`"),
        ),
    ];
    for (bytes, expected) in cases {
        let found = lexer.size(bytes).map_err(|broken| broken.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{bytes:?}");
    }
}

#[test]
fn nothing_is_allocated_by_a_length_that_is_only_claimed() {
    let mut buffer = BytesMut::from(&b"d\x3f\xff\xff\xff some"[..]);
    let capacity = buffer.capacity();
    let lexer = Lexer::new(Side::Server, usize::MAX);
    assert_eq!(lexer.take(&mut buffer), Ok(None));
    assert_eq!(buffer.capacity(), capacity);
}

#[test]
fn tags_mean_different_things_on_both_sides() {
    assert_eq!(Side::Client.name_of(b'D'), Some("Describe"));
    assert_eq!(Side::Server.name_of(b'D'), Some("DataRow"));
    assert_eq!(Side::Client.name_of(b'Z'), None);
}
