//! Logs as they were recorded, made into records and events.

mod alerts;
mod host_logs;
