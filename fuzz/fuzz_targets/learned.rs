//! What heuristics learned, as a file says it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::learned(bytes));
