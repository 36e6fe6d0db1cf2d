//! Any bytes as both sides' frames of the wire protocol, in chunks.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| heirloom::__private::fuzz_frames(bytes));
