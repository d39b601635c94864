//! Findings, from records that others wrote and from our own rules' tests.

mod crowdsec;
mod evaluate;
mod kubernetes;
mod rule_tests;
