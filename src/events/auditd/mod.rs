//! Linux auditd's log, raw or enriched.
//!
//! Flow: a line → its fields, decoded (`line`) → joined with the records of the same node, time and serial (`join`) → one
//! body (`body`) → one record.
//!
//! Limits, beyond which a record says less but never something else: at most 1024 events wait for more records, for 2 s of the
//! log's time or 4096 lines; what comes later is a record of its own with the same id. An event over 8 MiB or 4096 records is cut and says so.
//! The last 8192 executions of a source are remembered to name parents. Bytes that are no UTF-8 become U+FFFD, also at the seam
//! of an argument that the kernel wrote in pieces. PROCTITLE, which stands in where there is no EXECVE record, has at most 128
//! bytes. Names are resolved against the working directory by their letters; one that is relative to another directory stays
//! as it is and is marked. On an overlay the first write to a file of a lower layer is told as its creation.
//!
//! **Invariant:** a text that somebody chose (a command, a file's name, an account) never becomes another field.

mod body;
mod event;
mod join;
mod line;
mod paths;
mod processes;
mod saddr;
mod syscalls;
#[cfg(test)]
mod tests;
mod value;

pub use event::{event, lineage};
pub use join::Auditd;
