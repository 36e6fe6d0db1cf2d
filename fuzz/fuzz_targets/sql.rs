//! Any bytes as a query string, cut into statements and classified.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| heirloom::__private::fuzz_sql(bytes));
