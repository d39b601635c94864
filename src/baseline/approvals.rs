//! `approvals/<group-hash>.yaml`: what somebody allowed by merging it.
//!
//! **Invariant:** the file's name and what it says agree; a file that is not understood is a problem, never a "no".

use super::source::about_file;
use super::{project, terms};
use crate::document::Yaml;
use crate::model::{Approval, Digest, Problems};

/// Decodes the documents of one approval.
pub(super) fn decode(path: &str, docs: &[Yaml], problems: &mut Problems) -> Option<Approval> {
    let [doc] = docs else {
        problems.push(match docs {
            [_, second, ..] => second.problem("only one document is expected here"),
            _ => about_file(path, "the file is empty").hint("remove it, or restore it from git"),
        });
        return None;
    };
    let mut fields = doc.fields(problems)?;
    project::header(&mut fields, "Approval", problems);
    let group = fields
        .require("group", problems)
        .and_then(|node| group(node, path, problems));
    let fingerprint = fields
        .require("fingerprint", problems)
        .and_then(|node| fingerprint(node, problems));
    let expires = fields
        .require("expires", problems)
        .and_then(|node| terms::instant(node, problems));
    // The steps are there to be read by people; only the hash says what is allowed.
    if let Some(node) = fields.take("steps") {
        node.list(problems);
    }
    if let Some(node) = fields.take("reason") {
        node.text(problems);
    }
    fields.finish(problems);
    Some(Approval {
        group: group?,
        fingerprint: fingerprint?,
        expires: expires?,
        origin: doc.span(),
    })
}

fn group(node: &Yaml, path: &str, problems: &mut Problems) -> Option<Digest> {
    let text = node.text(problems)?;
    let Some(digest) = text
        .parse::<Digest>()
        .ok()
        .filter(|d| d.to_string() == text)
    else {
        problems.push(
            node.problem("the hash of a group is 64 lower-case hexadecimal digits")
                .hint("take the file as the pull request made it"),
        );
        return None;
    };
    if path != format!("approvals/{digest}.yaml") {
        problems.push(
            node.problem("the file's name is not the hash of the group that it approves")
                .hint(format!("call it approvals/{digest}.yaml")),
        );
        return None;
    }
    Some(digest)
}

fn fingerprint(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == 16 && text.bytes().all(hex) {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem("a fingerprint is 16 lower-case hexadecimal digits")
            .hint("take the file as the pull request made it, with quotes around the digits"),
    );
    None
}
