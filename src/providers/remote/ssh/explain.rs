//! What it means when a script on a host ended.

use super::{SUDO_DIR, Said, SshConnector, unreachable};
use crate::model::{Become, Reason};

/// What the scripts end with.
pub(super) mod code {
    pub const ABSENT: i32 = 90;
    pub const OTHER_MACHINE: i32 = 91;
    pub const UNREADABLE: i32 = 92;
    pub const CHANGED: i32 = 93;
    pub const UNSAFE: i32 = 94;
    pub const NO_ROOM: i32 = 95;
    pub const NOT_ROOT: i32 = 96;
    pub const NO_USER: i32 = 97;
    pub const NO_SUDO: i32 = 98;
    /// A shell that could not start a program.
    pub const NOT_EXECUTABLE: i32 = 126;
}

impl SshConnector {
    /// What an exit code of a script means.
    pub(super) async fn explain(&self, code: i32, said: &Said) -> Reason {
        let host = &self.ssh.host;
        let said = said.last_line().await;
        let quoted = said
            .as_deref()
            .map_or_else(String::new, |line| format!(" ({line})"));
        let is_sudo = self.ssh.r#become == Become::Sudo;
        let text = match code {
            code::ABSENT => format!(
                "the worker of this version is not installed on {host}; evenkeel worker install puts it at {SUDO_DIR}/worker-{}",
                self.program.digest
            ),
            code::OTHER_MACHINE => format!(
                "{host} is {}, and the worker at hand is for {}",
                said.as_deref().unwrap_or("another machine"),
                self.program.architecture
            ),
            code::UNREADABLE => format!("the worker on {host} cannot be read{quoted}"),
            code::CHANGED => format!(
                "the worker on {host} is not what was sent there: somebody changed it, and nothing was started; look into that, then take it away with evenkeel worker clean"
            ),
            code::UNSAFE if is_sudo => format!(
                "{SUDO_DIR} on {host} does not belong to root alone, so nothing in it is started"
            ),
            code::UNSAFE => format!(
                "the worker's folder on {host} does not belong to the login user alone, so nothing is kept in it{quoted}"
            ),
            code::NO_ROOM => format!("the worker could not be written on {host}{quoted}"),
            code::NOT_EXECUTABLE => format!("the worker cannot be started on {host}{quoted}"),
            _ => format!("the worker was not started on {host}{quoted}"),
        };
        unreachable(&text)
    }
}
