//! Findings, from records that others wrote, from our own rules' tests, and none from a benign stream.

mod aws;
mod benign;
mod crowdsec;
mod evaluate;
mod kubernetes;
mod rule_tests;
mod rules;
