//! Any bytes as the lines of a request's headers, in which an owner's token is looked for.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| heirloom::__private::fuzz_header(bytes));
