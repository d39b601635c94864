//! The worker: evenkeel's hands on a host. It is sent there, started over ssh, and told everything over its standard
//! input; it keeps nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel::providers::remote::worker::main()
}
