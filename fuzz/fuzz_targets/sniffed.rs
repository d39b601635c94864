//! A log whose form is told by its beginning; gzip and UTF-16 too.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::log(None, bytes));
