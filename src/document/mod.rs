//! YAML documents as people write them: a tree in which everything knows its line and column.
//!
//! Flow: text → [`parse`] → [`Yaml`] nodes → [`Fields`] of a mapping, taken one by one → typed values and
//! [`Problem`](crate::model::Problem)s, all of them in one go. [`Substitution`] puts a target's values into a tree.
//!
//! **Invariant:** bounded in size, depth, nodes and alias expansion; no problem is ever without a place.

mod declared;
mod parse;
mod substitute;
mod yaml;

pub use declared::Declared;
pub use parse::{MAX_FILE_BYTES, Parsed, parse, parse_all};
pub use substitute::{Substitution, TooMuch};
pub use yaml::{Fields, Key, Source, Yaml, YamlValue, suggest};
