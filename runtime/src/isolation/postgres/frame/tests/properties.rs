use super::super::*;
use crate::isolation::postgres::fuzz as fuzzing;
use proptest::prelude::*;

/// What a frame of either side may begin with.
const TAGS: &[u8] = b"BCDEFHPQSXcdfpRKSZvTtDCIENA123nsVGHW";

/// Bytes that are frames in part: heads that fit, and noise.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let tags = TAGS.to_vec();
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(prop::sample::select(b"\0\0SPxC\x01\x04".to_vec()), 0..12),
    ];
    let frame = (prop::sample::select(tags), body, 0..20_u8).prop_map(|(tag, body, lie)| {
        let wrong = u32::from(lie == 0);
        let length = u32::try_from(body.len()).expect("short") + 4 + wrong;
        [&[tag], &length.to_be_bytes()[..], &body].concat()
    });
    prop::collection::vec(frame, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_how_they_arrive(first: u8, stream in stream()) {
        fuzz(&stream);
        fuzz(&[&[first], &stream[..]].concat());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        fuzz(&bytes);
    }

    #[test]
    fn first_packets_are_read_or_refused(
        version in prop::sample::select(vec![0x0003_0000_u32, 0x0003_0002, 80_877_102, 80_877_103, 80_877_104, 0x0002_0000]),
        rest in prop::collection::vec(prop::sample::select(b"\0\0ab_pq.".to_vec()), 0..40),
    ) {
        let length = u32::try_from(rest.len()).expect("short") + 8;
        fuzz(&[&length.to_be_bytes()[..], &version.to_be_bytes(), &rest].concat());
    }
}

/// Frames, most of them with the length they say, of bytes that mean something in them.
#[test]
fn a_bounded_fuzz_finds_nothing() {
    fuzzing::bounded(20_000, fuzzing::frames, |dice| {
        let mut stream = vec![dice.byte()];
        for _ in 0..dice.below(6) {
            let body: Vec<u8> = (0..dice.below(24))
                .map(|_| match dice.below(3) {
                    0 => dice.byte(),
                    _ => b"\0\0\0SPxC\x01\x04"[dice.below(9)],
                })
                .collect();
            let lie = u32::from(dice.below(20) == 0);
            let length = u32::try_from(body.len()).expect("short") + 4 + lie;
            stream.push(TAGS[dice.below(TAGS.len())]);
            stream.extend(length.to_be_bytes());
            stream.extend(body);
        }
        // Half of them begin with the first frame, the others with a byte that is none.
        stream.split_off(dice.below(2))
    });
}
