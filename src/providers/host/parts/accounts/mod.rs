//! Accounts, groups, and who may log in or become root: `User`, `Group`, `Accounts`.
//!
//! Flow: [`files`] reads passwd, shadow, group and gshadow → [`account`], [`group`] and [`membership`] make states of their
//! [`lines`], and lines of states → the files are exchanged whole. No program of the host is called for that.
//!
//! **Invariant:** a step that was killed half way leaves each file whole, opens no access that was not there, and what is
//! left to do is seen by the next plan.

mod account;
mod conflicts;
mod files;
mod group;
mod lines;
mod listing;
mod membership;
mod rules;
mod secret;
mod sudo;
mod user;

pub use conflicts::{check, declared_names};
pub use group::GroupPart;
pub use listing::AccountsPart;
pub use user::UserPart;

use crate::document::Yaml;
use crate::model::{Address, Problems, Risk, RiskLevel};
use crate::providers::host::path::{escape, unescape};

pub const USER: &str = "User";
pub const GROUP: &str = "Group";
pub const ACCOUNTS: &str = "Accounts";

/// The places of users and of groups.
const USERS: &str = "user";
const GROUPS: &str = "group";
/// What stands between a user and a group in the address of a membership.
const IN: &str = "in";

/// What a number of a user or group may be; the largest one means "none" to the system.
const MAX_ID: i64 = u32::MAX as i64 - 1;

/// How dangerous it is to change any of this.
fn risk() -> Risk {
    Risk::new(RiskLevel::High, "decides who may log in or become root")
}

/// A name as a part of an address.
fn leaf(name: &[u8]) -> String {
    escape(name).replace('/', "\\x2f")
}

/// The name of a part of an address; none where no line could have it.
fn name_of(leaf: &str) -> Option<Vec<u8>> {
    let name = unescape(leaf)?;
    let is_name = !name.is_empty()
        && !name.iter().any(|byte| matches!(byte, b':' | b'\n' | 0))
        && !matches!(
            name[0],
            b'#' | b'+' | b'-' | b' ' | b'\t' | b'\r' | 0x0b | 0x0c
        );
    is_name.then_some(name)
}

/// What lies below a place of parts, by the slashes.
fn below<'a>(address: &'a Address, place: &str) -> Option<Vec<&'a str>> {
    let rest = address.0.strip_prefix("//")?.strip_prefix(place)?;
    Some(rest.strip_prefix('/')?.split('/').collect())
}

/// A name as a manifest may give it: what `useradd` takes, and other letters where they are plain.
fn plain_name(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$' | '@');
    let first = text.chars().next();
    let is_name = first.is_some_and(|c| c.is_alphanumeric() || c == '_')
        && text.len() <= 256
        && text.chars().all(is_plain)
        && !text.bytes().all(|byte| byte.is_ascii_digit());
    if is_name {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem(format!("\"{}\" is no name", text.escape_debug()))
            .hint("letters, digits and any of _ . - $ @, not digits alone"),
    );
    None
}
