//! Logs as they were recorded, made into records and events.

mod host_logs;
