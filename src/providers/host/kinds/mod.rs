//! The kinds of resource that a host has.
//!
//! Flow: [`Declared`] → a kind's decoder → [`Desired`], with the fields that count; [`remedy`] says what putting one
//! back leaves.
//!
//! **Invariant:** a decoder only reads what people wrote; looking at the live system is for `observe`.

mod authorized_keys;
mod cron;
mod directory;
mod file;
mod file_tree;
mod privileged;
mod remedy;
mod symlink;
mod terms;

use std::collections::BTreeSet;

pub use authorized_keys::{beyond as keys_beyond, content as keys_content, describe, make_sound};
#[cfg(feature = "controller")]
pub use authorized_keys::{is_exclusive, is_unread, whole_file};
pub use privileged::ALLOW;
pub use remedy::remedy;
pub use terms::Decoding;

use super::fs::HostPath;
use super::{parts, risk};
use crate::document::{Declared, Fields as YamlFields, Yaml, suggest};
use crate::model::{Desired, Fields, Presence, Reason, ReasonCode, Value};

pub const FILE: &str = "File";
pub const DIRECTORY: &str = "Directory";
pub const SYMLINK: &str = "Symlink";
pub const AUTHORIZED_KEYS: &str = "AuthorizedKeys";
pub const PRIVILEGED_FILES: &str = "PrivilegedFiles";
pub const CRON: &str = "Cron";
pub const FILE_TREE: &str = "FileTree";

/// All kinds that a manifest may name and that are of files.
const KINDS: [&str; 7] = [
    FILE,
    DIRECTORY,
    SYMLINK,
    AUTHORIZED_KEYS,
    PRIVILEGED_FILES,
    CRON,
    FILE_TREE,
];

/// The option that says why a resource could not be made comparable on the target as it is now.
pub const UNRESOLVED: &str = "unresolved";
/// The option that says why a resource is not comparable before the target was asked; no mistake of the manifest.
pub const UNASKED: &str = "unasked";
/// The option that holds the command to validate new content with.
pub const VALIDATE: &str = "validate";
/// Option: what that command says is told to nobody, since it may quote what is sensitive.
pub const QUIET: &str = "quiet";
/// The option that holds the user besides root who alone may write.
pub const OF_USER: &str = "of_user";

/// A decoded resource with its path and where the manifest names it.
pub struct Draft<'a> {
    pub desired: Desired,
    pub path: HostPath,
    /// The node to blame when the path collides with another's.
    pub at: &'a Yaml,
    /// It follows from another resource, and gives way to one that is declared at its path.
    pub implied: bool,
}

impl<'a> Draft<'a> {
    /// A draft of a resource that a document declares itself.
    pub fn new(desired: Desired, path: HostPath, at: &'a Yaml) -> Self {
        Self {
            desired,
            path,
            at,
            implied: false,
        }
    }
}

/// Reads one document; problems go into the decoding. Some resources bring others with them.
pub fn decode<'a>(declared: &'a Declared, decoding: &mut Decoding<'_>) -> Vec<Draft<'a>> {
    let Some(mut spec) = declared.spec.fields(&mut decoding.problems) else {
        return Vec::new();
    };
    let mut drafts: Vec<Draft<'a>> = match declared.id.kind.0.as_str() {
        FILE => one(file::decode(declared, &mut spec, decoding)),
        DIRECTORY => one(directory::decode(declared, &mut spec, decoding)),
        SYMLINK => one(symlink::decode(declared, &mut spec, decoding)),
        AUTHORIZED_KEYS => authorized_keys::decode(declared, &mut spec, decoding),
        PRIVILEGED_FILES => one(privileged::decode(declared, &mut spec, decoding)),
        CRON => one(cron::decode(declared, &mut spec, decoding)),
        FILE_TREE => one(file_tree::decode(declared, &mut spec, decoding)),
        other => match parts::of(&declared.id.kind) {
            Some(part) => part.decode(declared, &mut spec, decoding),
            None => {
                let known: Vec<_> = KINDS.into_iter().chain(parts::kinds()).collect();
                decoding.problems.push(
                    declared
                        .kind
                        .problem(format!("a host has no kind `{}`", other.escape_debug()))
                        .hint(suggest(other, &known)),
                );
                return Vec::new();
            }
        },
    };
    spec.finish(&mut decoding.problems);
    decoding
        .problems
        .extend(declared.vars.unused(&decoding.used));
    if let Some(reason) = decoding.unresolved.take() {
        for draft in &mut drafts {
            let text = Value::Text(reason.text.clone());
            draft.desired.options.insert(UNRESOLVED.into(), text);
        }
    }
    drafts
}

fn one(draft: Option<Draft<'_>>) -> Vec<Draft<'_>> {
    draft.into_iter().collect()
}

/// Why a resource could not be made comparable, if it could not.
pub fn unresolved(desired: &Desired) -> Option<Reason> {
    let mut why = [UNRESOLVED, UNASKED].into_iter();
    let text = why
        .find_map(|option| desired.options.get(option))?
        .as_text()?;
    Some(Reason::new(ReasonCode::Unresolved, text))
}

/// A desired resource of a path, with nothing expected yet.
pub fn blank(declared: &Declared, path: &HostPath, presence: Presence) -> Desired {
    Desired {
        id: declared.id.clone(),
        origin: declared.at.clone(),
        address: path.address(),
        presence,
        create_with: Fields::new(),
        scope: None,
        depends_on: BTreeSet::new(),
        risk: risk::of(path),
        disclose: declared.disclose,
        sensitive: risk::is_secret(path),
        controls: declared.controls.clone(),
        one_way: None,
        options: Fields::new(),
    }
}

/// Inserts a field where there is a value for it.
fn set(fields: &mut Fields, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value);
    }
}

/// The `path` of a spec.
fn path_of<'a>(
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<(HostPath, &'a Yaml)> {
    let node = spec.require("path", &mut decoding.problems)?;
    decoding.path(node).map(|path| (path, node))
}
