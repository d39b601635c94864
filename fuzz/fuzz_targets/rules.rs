//! A file of rules, and after a line of `%%` a log that they are asked of.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::rules(bytes));
