//! Alerts of Falco.
#![no_main]

use evenkeel::model::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::log(Some(Format::Falco), bytes));
