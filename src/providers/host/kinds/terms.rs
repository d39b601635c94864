//! The terms that several kinds share: paths, modes, owners, capabilities, content.
//!
//! **Invariant:** every problem has a place and says what to write instead.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::document::{Declared, Yaml, YamlValue};
use crate::model::{Contents, Problems, Reason, Value};
use crate::ports::SideFiles;
use crate::providers::host::capability;
use crate::providers::host::filetree::Baselines;
use crate::providers::host::fs::HostPath;
use crate::providers::host::owner::{TargetNames, User};
use crate::providers::host::parts::{Form, Forms, Question};
use crate::providers::host::path::parse;

/// What decoding needs and gives.
pub struct Decoding<'a> {
    /// None when nothing live may be asked: owners are then not resolved and do not count.
    pub names: Option<&'a TargetNames>,
    pub files: &'a dyn SideFiles,
    /// Texts in the one form that the host gave them.
    pub forms: &'a Forms,
    /// Texts whose form is not known yet.
    pub questions: Vec<Question>,
    /// The programs that `validate` may call.
    pub validate_commands: &'a [String],
    /// The user and group that files are made as where nothing else is said.
    pub creator: (u32, u32),
    pub contents: Contents,
    pub problems: Problems,
    /// The names of values that files beside the resource that is being decoded use.
    pub used: BTreeSet<String>,
    /// How many bytes of files beside manifests may still be made by putting values in.
    pub budget: usize,
    /// What the trees of this target are held against, and the directories with their contents.
    pub trees: Baselines,
    pub stores: BTreeSet<String>,
    /// Why the resource that is being decoded cannot be resolved on the target as it is now.
    pub unresolved: Option<Reason>,
}

impl Decoding<'_> {
    /// The one form of a text; none before the host was asked for it.
    pub fn form(&mut self, declared: &Declared, text: &str) -> Option<Form> {
        let question = Question {
            kind: declared.id.kind.clone(),
            text: text.to_owned(),
        };
        let form = self.forms.get(&question).cloned();
        if form.is_none() {
            self.questions.push(question);
        }
        form
    }

    /// A path below the root.
    pub fn path(&mut self, node: &Yaml) -> Option<HostPath> {
        let text = node.text(&mut self.problems)?;
        parse(text)
            .map_err(|bad| {
                self.problems.push(node.problem(bad.message).hint(bad.hint));
            })
            .ok()
    }

    /// Permissions as octal digits: `"0644"`, or 0644, which YAML leaves as text here.
    pub fn mode(&mut self, node: &Yaml) -> Option<u32> {
        let hint = "write four octal digits in quotes, such as \"0644\"";
        let text = match &node.value {
            YamlValue::Text(text) => text.as_str(),
            _ => {
                let message = format!("expected a mode, found {}", node.type_name());
                self.problems.push(node.problem(message).hint(hint));
                return None;
            }
        };
        let octal =
            (3..=5).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let mode = u32::from_str_radix(text, 8)
            .ok()
            .filter(|mode| octal && *mode <= 0o7777);
        if mode.is_none() {
            let message = format!("\"{}\" is no mode", text.escape_debug());
            self.problems.push(node.problem(message).hint(hint));
        }
        mode
    }

    /// A user by name or number.
    pub fn user(&mut self, node: &Yaml) -> Option<u32> {
        self.id(node, "a user", |names, name| names.uid(name))
    }

    /// A group by name or number.
    pub fn group(&mut self, node: &Yaml) -> Option<u32> {
        self.id(node, "a group", |names, name| names.gid(name))
    }

    /// The account of a user, whose id is known already; none where nothing live may be asked or there is none, which
    /// then is why the resource cannot be resolved.
    pub fn account(&mut self, name: &str, uid: u32) -> Option<User> {
        match self.names?.user(name) {
            Ok(user) => Some(User {
                uid,
                ..user.clone()
            }),
            Err(reason) if uid != 0 => {
                self.unresolved.get_or_insert(reason);
                None
            }
            Err(_) => Some(User {
                uid,
                gid: 0,
                home: "/root".to_owned(),
            }),
        }
    }

    fn id(
        &mut self,
        node: &Yaml,
        what: &str,
        resolve: impl Fn(&TargetNames, &str) -> Result<u32, Reason>,
    ) -> Option<u32> {
        let bad = |message: String| {
            node.problem(message)
                .hint("a name, or a number from 0 to 4294967294")
        };
        match &node.value {
            // The largest number means "leave as it is" to the system.
            YamlValue::Int(id) => match u32::try_from(*id) {
                Ok(id) if id != u32::MAX => Some(id),
                _ => {
                    self.problems.push(bad(format!("{id} is not {what}")));
                    None
                }
            },
            YamlValue::Text(name) => {
                if !is_name(name) {
                    let message = format!("\"{}\" is not {what}", name.escape_debug());
                    self.problems.push(bad(message));
                    return None;
                }
                match name.parse::<u32>() {
                    Ok(u32::MAX) => {
                        self.problems.push(bad(format!("{name} is not {what}")));
                        return None;
                    }
                    Ok(id) => return Some(id),
                    Err(_) => {}
                }
                match resolve(self.names?, name) {
                    Ok(id) => Some(id),
                    Err(reason) => {
                        self.unresolved.get_or_insert(reason);
                        None
                    }
                }
            }
            _ => {
                let message = format!("expected {what}, found {}", node.type_name());
                self.problems.push(bad(message));
                None
            }
        }
    }

    /// Capabilities in the words of `setcap`, brought to their one form.
    pub fn capabilities(&mut self, node: &Yaml) -> Option<String> {
        let text = node.text(&mut self.problems)?;
        capability::canonical(text)
            .map_err(|why| {
                let hint = "as for setcap: \"cap_net_bind_service=ep\"";
                self.problems.push(node.problem(why).hint(hint));
            })
            .ok()
    }

    /// `present` or `absent`; true for absent.
    pub fn is_absent(&mut self, node: Option<&Yaml>) -> Option<bool> {
        match node {
            None => Some(false),
            Some(node) => node.one_of(&[("present", false), ("absent", true)], &mut self.problems),
        }
    }

    /// The path in the baseline of what lies beside the manifest.
    pub fn beside(&mut self, declared: &Declared, node: &Yaml) -> Option<String> {
        let text = node.text(&mut self.problems)?;
        let path = beside(&declared.directory, text);
        if path.is_none() {
            self.problems.push(
                node.problem("the path leaves the baseline's directory")
                    .hint("name a file by its path relative to this manifest"),
            );
        }
        path
    }

    /// The bytes of a file beside the manifest, with the target's values in it.
    pub fn side_file(&mut self, declared: &Declared, node: &Yaml) -> Option<Arc<[u8]>> {
        let path = self.beside(declared, node)?;
        self.files
            .read(&path)
            .and_then(|bytes| {
                declared
                    .vars
                    .of_file(bytes, &mut self.used, &mut self.budget)
            })
            .map_err(|why| self.problems.push(node.problem(why)))
            .ok()
    }

    /// A command to validate new content with, whose program the trusted configuration has to list.
    pub fn validate(&mut self, node: &Yaml) -> Option<Value> {
        let argv = node.texts(&mut self.problems)?;
        let Some(program) = argv.first() else {
            self.problems.push(
                node.problem("the command is empty")
                    .hint("a list: the program, then its arguments, with {} for the new file"),
            );
            return None;
        };
        if argv.iter().any(|word| word.contains('\0')) {
            self.problems
                .push(node.problem("the command has a NUL character"));
            return None;
        }
        if !self.validate_commands.contains(program) || !program.starts_with('/') {
            let message = format!(
                "`{}` is no allowed validate command",
                program.escape_debug()
            );
            let hint = match self.validate_commands {
                [] => {
                    "list its absolute path in guard.validate_commands of evenkeel.yaml".to_owned()
                }
                known => format!(
                    "guard.validate_commands of evenkeel.yaml lists: {}",
                    known.join(", ")
                ),
            };
            self.problems.push(node.problem(message).hint(hint));
            return None;
        }
        Some(Value::List(argv.into_iter().map(Value::Text).collect()))
    }
}

/// Names as passwd may hold them: no separators, nothing invisible.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && !name.starts_with('-')
        && name
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | '/' | ','))
}

/// A path relative to a directory of the baseline, without `.` and `..`; none where it leads out.
fn beside(directory: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a side file may lie anywhere in the baseline and nowhere else.
    #[test]
    fn side_files_stay_inside() {
        assert_eq!(
            beside("web/ssh", "files/a").as_deref(),
            Some("web/ssh/files/a")
        );
        assert_eq!(
            beside("web/ssh", "../../shared/a").as_deref(),
            Some("shared/a")
        );
        assert_eq!(beside("web", "../../etc/passwd"), None);
        assert_eq!(beside("web", "/etc/passwd"), None);
    }
}
