//! What processes of a source were executed as, so that a later event can name its parent.

use std::collections::{HashMap, VecDeque};

/// How many processes are remembered; beyond it the one that was first seen longest ago is forgotten.
const MAX_PROCESSES: usize = 8192;
/// How much of a command line is remembered, in bytes.
const MAX_COMMAND: usize = 2048;

pub(super) struct Process {
    pub(super) exe: Option<String>,
    pub(super) command_line: Option<String>,
}

/// The latest execution of each process, by node and id.
///
/// A process that forks without executing leaves no trace here: its number, once used by another, still tells of the older.
#[derive(Default)]
pub(super) struct Processes {
    known: HashMap<(String, u64), Process>,
    order: VecDeque<(String, u64)>,
}

impl Processes {
    pub(super) fn executed(&mut self, node: Option<&str>, pid: u64, mut process: Process) {
        if let Some(command) = &mut process.command_line {
            command.truncate(command.floor_char_boundary(MAX_COMMAND));
        }
        let key = (node.unwrap_or("").to_owned(), pid);
        if self.known.insert(key.clone(), process).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > MAX_PROCESSES {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    pub(super) fn get(&self, node: Option<&str>, pid: u64) -> Option<&Process> {
        self.known.get(&(node.unwrap_or("").to_owned(), pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the table is bounded, in number and in bytes, whatever the log holds.
    #[test]
    fn the_table_is_bounded() {
        let mut processes = Processes::default();
        for pid in 0..3 * MAX_PROCESSES as u64 {
            let command_line = Some("ü".repeat(MAX_COMMAND));
            processes.executed(
                None,
                pid,
                Process {
                    exe: None,
                    command_line,
                },
            );
        }
        assert_eq!(processes.known.len(), MAX_PROCESSES);
        assert!(processes.get(None, 0).is_none());
        let last = processes.get(None, 3 * MAX_PROCESSES as u64 - 1).unwrap();
        assert_eq!(last.command_line.as_ref().unwrap().len(), MAX_COMMAND);
        assert!(
            processes
                .get(Some("other"), 3 * MAX_PROCESSES as u64 - 1)
                .is_none()
        );
    }
}
