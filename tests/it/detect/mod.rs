//! Detection: our own rules as files, and the benign stream that they have to be quiet on.

mod benign;
mod rules;
