//! Providers: the kinds of live system that evenkeel knows. Each is the only user of its system's interfaces.

pub mod host;
