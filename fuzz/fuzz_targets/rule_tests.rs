//! A file of tests of rules, and the logs in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::rule_tests(bytes));
