//! What may be seen of a value: the single place that decides it.
//!
//! Flow: a field's value, the drift it belongs to and who reads → [`Shown`], in which nothing is left that this reader
//! may not see. Renderers take only [`Shown`].
//!
//! Content is every [`Value::Blob`], and whatever text is nested inside a field (a key inside `keys`, an attribute inside
//! `xattrs`), since that is text of which the baseline cannot say what it would turn out to be. Numbers and the text of
//! a whole field (a mode, an owner, the target of a link) are shown like names are, as long as they could be one.
//!
//! A revision that nobody vouches for chose itself where to look, so its readers see of a field only what cannot hold
//! anybody's text: `BARE_FIELDS`.
//!
//! **Invariant:** content of a drift that is `sensitive` is shown to nobody, and undisclosed content to nobody but a
//! person at their own terminal.

use std::collections::BTreeMap;

use crate::model::{Blob, Contents, Digest, Drift, RunReport, SignatureState, Value};

/// The most bytes of disclosed content that a document holds inline.
pub const MAX_INLINE_BYTES: u64 = 64 << 10;

/// The longest name of a file.
const MAX_NAME_BYTES: usize = 255;

/// The fields whose text is shown to an untrusted revision: what a file is and who may do what with it.
const BARE_FIELDS: [&str; 12] = [
    "type",
    "mode",
    "owner",
    "group",
    "uid",
    "gid",
    "acl",
    "default_acl",
    "device",
    "special_bits",
    "capabilities",
    "flags",
];

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// A person at their own terminal.
    Person,
    /// Whoever can read a CI log, a pull request or a file that a job keeps.
    Anyone,
}

/// A value as far as the reader may see it.
#[derive(Clone, PartialEq, Debug)]
pub enum Shown {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Shown>),
    Map(BTreeMap<String, Shown>),
    Content(ShownContent),
    /// Not even its size is told.
    Redacted,
}

/// Content as far as the reader may see it.
#[derive(Clone, PartialEq, Debug)]
pub struct ShownContent {
    pub kind: ContentKind,
    /// In bytes.
    pub size: u64,
    /// The keyed digest, 32 hexadecimal digits; none before there is a key, and none for a person.
    pub digest: Option<String>,
    /// The content itself, where it may be seen and is kept, is text and is not too long to be shown inside something.
    pub text: Option<String>,
}

/// What sort of content it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContentKind {
    /// The content of a file or its like.
    Content,
    /// Text nested inside a field.
    Text,
}

/// Decides for one reader of one report.
#[derive(Clone, Copy, Debug)]
pub struct Disclosure<'a> {
    reader: Reader,
    /// The revision is untrusted, whose `disclose` counts for nothing.
    is_foreign: bool,
    key: Option<&'a [u8; 32]>,
    contents: &'a Contents,
}

impl<'a> Disclosure<'a> {
    /// The rules for this reader.
    pub fn new(report: &'a RunReport, reader: Reader) -> Self {
        Self {
            reader,
            is_foreign: report.baseline.signature == SignatureState::Untrusted,
            key: report.disclosure_key.as_ref(),
            contents: &report.contents,
        }
    }

    /// Whether the content of this drift may be seen.
    pub fn is_open(&self, drift: &Drift) -> bool {
        !drift.sensitive && !self.is_foreign && (drift.disclose || self.reader == Reader::Person)
    }

    /// The value of the field at `path` as this reader may see it.
    pub fn value(&self, drift: &Drift, path: &str, value: &Value) -> Shown {
        let is_hidden = self.is_foreign && !BARE_FIELDS.contains(&path);
        self.nested(drift, value, path.contains('.') || is_hidden)
    }

    /// The bytes behind a reference, where they may be seen and are kept.
    pub fn bytes(&self, drift: &Drift, blob: &Blob) -> Option<std::sync::Arc<[u8]>> {
        self.is_open(drift)
            .then(|| self.contents.get(&blob.digest))
            .flatten()
    }

    fn nested(&self, drift: &Drift, value: &Value, is_nested: bool) -> Shown {
        match value {
            Value::Bool(it) => Shown::Bool(*it),
            Value::Int(it) => Shown::Int(*it),
            Value::Text(text) if self.is_open(drift) || (!is_nested && is_like_a_name(text)) => {
                Shown::Text(text.clone())
            }
            Value::Text(text) => self.hidden_text(drift, text),
            // The items of a list that is a whole field are as open as the text of a whole field.
            Value::List(items) => Shown::List(
                items
                    .iter()
                    .map(|item| self.nested(drift, item, is_nested))
                    .collect(),
            ),
            Value::Map(map) => Shown::Map(
                map.iter()
                    .map(|(key, item)| (key.clone(), self.nested(drift, item, true)))
                    .collect(),
            ),
            Value::Blob(blob) => self.blob(drift, blob),
        }
    }

    fn blob(&self, drift: &Drift, blob: &Blob) -> Shown {
        if drift.sensitive {
            return Shown::Redacted;
        }
        let text = (blob.size <= MAX_INLINE_BYTES)
            .then(|| self.bytes(drift, blob))
            .flatten()
            .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        Shown::Content(ShownContent {
            kind: ContentKind::Content,
            size: blob.size,
            digest: self.keyed(&blob.digest),
            text,
        })
    }

    fn hidden_text(&self, drift: &Drift, text: &str) -> Shown {
        if drift.sensitive {
            return Shown::Redacted;
        }
        Shown::Content(ShownContent {
            kind: ContentKind::Text,
            size: text.len() as u64,
            digest: self.keyed(&Digest::of(text.as_bytes())),
            text: None,
        })
    }

    /// A person who sees the content itself needs no digest beside it.
    fn keyed(&self, digest: &Digest) -> Option<String> {
        let key = match self.reader {
            Reader::Person => None,
            Reader::Anyone => self.key,
        };
        key.map(|key| digest.keyed(key).to_string())
    }
}

/// Whether text could be the name of a file, which is told anyhow: one line, and no longer than one may be.
fn is_like_a_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES && !text.contains(['\n', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn shown(reader: Reader, disclose: bool, sensitive: bool, path: &str, value: &Value) -> Shown {
        let mut report = samples::clean();
        report.contents.keep(b"secret".to_vec());
        let mut drift = samples::mixed().comparison.drifts[0].clone();
        drift.disclose = disclose;
        drift.sensitive = sensitive;
        Disclosure::new(&report, reader).value(&drift, path, value)
    }

    // Goal: content is seen by a person or where it is disclosed, and never where it is sensitive. Method: all eight cases.
    #[test]
    fn content_is_seen_by_few() {
        let content = Value::Blob(Blob::of(b"secret"));
        for reader in [Reader::Person, Reader::Anyone] {
            for disclose in [true, false] {
                let is_seen = |sensitive| {
                    format!(
                        "{:?}",
                        shown(reader, disclose, sensitive, "content", &content)
                    )
                    .contains("secret")
                };
                assert_eq!(is_seen(false), disclose || reader == Reader::Person);
                assert!(!is_seen(true));
            }
        }
    }

    // Goal: of a sensitive content not even the size is told, which for a short password says much.
    #[test]
    fn sensitive_content_has_no_size() {
        let content = Value::Blob(Blob::of(b"secret"));
        let shown = shown(Reader::Person, true, true, "content", &content);
        assert_eq!(shown, Shown::Redacted);
    }

    // Goal: text inside a map is content (a line smuggled into authorized_keys), its keys and whole fields are names.
    #[test]
    fn nested_text_is_content() {
        let keys = Value::Map([("SHA256:x".into(), Value::text("ssh-ed25519 secret"))].into());
        let seen = format!("{:?}", shown(Reader::Anyone, false, false, "keys", &keys));
        assert!(
            seen.contains("SHA256:x") && !seen.contains("secret"),
            "{seen}"
        );
        let one = Value::text("secret");
        let seen = shown(Reader::Anyone, false, false, "keys.SHA256:x", &one);
        assert!(!format!("{seen:?}").contains("secret"));
        assert_eq!(
            shown(Reader::Anyone, false, false, "owner", &one),
            Shown::Text("secret".into())
        );
    }

    // Goal: a link whose target is a whole file of secrets does not publish them.
    #[test]
    fn long_text_is_content() {
        for long in ["root:$6$x:1::".repeat(30), "root:$6$x\ndaemon:*".to_owned()] {
            let seen = shown(Reader::Anyone, false, false, "target", &Value::text(long));
            assert!(!format!("{seen:?}").contains("$6$"), "{seen:?}");
        }
    }

    // Goal: a fork that points a link or a file at what it would like to read sees neither target nor content, as a person
    // and with `disclose` either.
    #[test]
    fn an_untrusted_revision_sees_no_text() {
        let mut report = samples::mixed();
        report.baseline.signature = SignatureState::Untrusted;
        let mut drift = report.comparison.drifts[0].clone();
        drift.disclose = true;
        report.contents.keep(b"secret".to_vec());
        for reader in [Reader::Person, Reader::Anyone] {
            let disclosure = Disclosure::new(&report, reader);
            let seen = |path: &str, value: Value| disclosure.value(&drift, path, &value);
            for (path, value) in [
                ("target", Value::text("secret")),
                ("content", Value::Blob(Blob::of(b"secret"))),
            ] {
                let seen = format!("{:?}", seen(path, value));
                assert!(!seen.contains("secret"), "{seen}");
            }
            let mode = seen("mode", Value::text("0644"));
            assert_eq!(mode, Shown::Text("0644".into()));
        }
    }

    // Goal: without a key there is no digest at all, since a bare one would confirm guesses.
    #[test]
    fn no_key_no_digest() {
        let mut report = samples::mixed();
        report.disclosure_key = None;
        let drift = &report.comparison.drifts[0];
        let shown = Disclosure::new(&report, Reader::Anyone).value(
            drift,
            "content",
            &Value::Blob(Blob::of(b"x")),
        );
        let Shown::Content(content) = shown else {
            panic!("{shown:?}");
        };
        assert_eq!(content.digest, None);
    }
}
