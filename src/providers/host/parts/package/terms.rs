//! What a manifest asks of a package, and the terms in which the package is looked at for it.
//!
//! **Invariant:** what a step leaves is known before it is done: with `minimum`, every version that meets it is told alike.

use super::{CONFFILES, FILES, FOUND, HELD, INSTALLED, STATUS, VERSION, version};
use crate::document::{Fields as YamlFields, Yaml, YamlValue};
use crate::model::{Fields, TERMS, Value};
use crate::providers::host::dpkg::files::Which;
use crate::providers::host::filetree::bounds::Bounds;
use crate::providers::host::glob::Globs;
use crate::providers::host::kinds::Decoding;

/// In the terms: the bounds of the tree that a package is looked at for.
pub const TREE: &str = "tree";

/// How the version counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Version {
    /// Not at all.
    Open,
    /// As it is.
    AsItIs,
    Exact(String),
    Minimum(String),
}

/// What of a package counts.
pub struct Terms {
    pub version: Version,
    pub verify: Option<Verify>,
}

/// How files are held against dpkg's digests.
pub struct Verify {
    texts: Vec<String>,
    pub ignore: Globs,
    pub conffiles: bool,
    /// Those of the tree that the package is looked at for.
    bounds: Option<Bounds>,
}

/// What a manifest asks for.
pub struct Asked {
    pub terms: Terms,
    pub held: Option<bool>,
}

impl Version {
    /// The version as it is told in these terms; none where it does not count.
    pub fn told(&self, live: &str) -> Option<String> {
        match self {
            Self::Open => None,
            Self::AsItIs => Some(live.to_owned()),
            Self::Exact(wanted) if version::compare(live, wanted).is_eq() => Some(wanted.clone()),
            Self::Minimum(wanted) if version::compare(live, wanted).is_ge() => self.wanted(),
            Self::Exact(_) | Self::Minimum(_) => Some(live.to_owned()),
        }
    }

    /// What it has to be.
    pub fn wanted(&self) -> Option<String> {
        match self {
            Self::Open | Self::AsItIs => None,
            Self::Exact(wanted) => Some(wanted.clone()),
            Self::Minimum(wanted) => Some(format!("{wanted} or newer")),
        }
    }
}

impl Terms {
    /// The terms among a resource's options; the fewest where there are none.
    pub fn of(options: &Fields) -> Self {
        let terms = match options.get(TERMS) {
            Some(Value::Map(terms)) => terms.clone(),
            _ => Fields::new(),
        };
        let text = |name: &str| terms.get(name).and_then(Value::as_text);
        let version = match (text("exact"), text("minimum"), terms.get("any")) {
            (Some(exact), _, _) => Version::Exact(exact.to_owned()),
            (_, Some(minimum), _) => Version::Minimum(minimum.to_owned()),
            (_, _, Some(_)) => Version::AsItIs,
            _ => Version::Open,
        };
        let verify = match terms.get("ignore") {
            Some(Value::List(globs)) => {
                let texts = globs.iter().filter_map(Value::as_text).map(str::to_owned);
                let conffiles = terms.contains_key("conffiles");
                Some(Verify::new(texts.collect(), conffiles))
            }
            _ => match terms.get(TREE) {
                // Bounds that cannot be understood are those of no tree: all files count.
                Some(Value::Map(tree)) => Some(Verify {
                    bounds: Bounds::of(tree),
                    ..Verify::new(Vec::new(), false)
                }),
                _ => None,
            },
        };
        Self { version, verify }
    }

    /// As an option of a resource.
    pub fn option(&self) -> Value {
        let mut terms = Fields::new();
        let mut set = |name: &str, value| terms.insert(name.to_owned(), value);
        match &self.version {
            Version::Open => None,
            Version::AsItIs => set("any", Value::Bool(true)),
            Version::Exact(exact) => set("exact", Value::text(exact)),
            Version::Minimum(minimum) => set("minimum", Value::text(minimum)),
        };
        if let Some(verify) = &self.verify {
            let globs = verify.texts.iter().map(Value::text).collect();
            set("ignore", Value::List(globs));
            if verify.conffiles {
                set("conffiles", Value::Bool(true));
            }
        }
        Value::Map(terms)
    }

    /// The fields that are expected.
    pub fn expected(&self, held: Option<bool>) -> Fields {
        let mut fields = Fields::from([(STATUS.to_owned(), INSTALLED.into())]);
        if let Some(version) = self.version.wanted() {
            fields.insert(VERSION.to_owned(), Value::Text(version));
        }
        if let Some(held) = held {
            fields.insert(HELD.to_owned(), Value::Bool(held));
        }
        if let Some(verify) = &self.verify {
            fields.insert(FILES.to_owned(), Value::Map(Fields::new()));
            if verify.conffiles {
                fields.insert(CONFFILES.to_owned(), Value::Map(Fields::new()));
            }
        }
        fields
    }

    /// What a package that is installed anew has besides.
    pub fn made(&self) -> Fields {
        let mut fields = Fields::from([(HELD.to_owned(), Value::Bool(false))]);
        if self.verify.is_some() {
            fields.insert(FOUND.to_owned(), Value::Map(Fields::new()));
        }
        fields
    }
}

impl Verify {
    fn new(texts: Vec<String>, conffiles: bool) -> Self {
        Self {
            ignore: Globs::new(&texts).unwrap_or_default(),
            texts,
            conffiles,
            bounds: None,
        }
    }

    /// Which files count.
    pub fn which(&self) -> Which<'_> {
        Which {
            ignore: &self.ignore,
            bounds: self.bounds.as_ref(),
        }
    }
}

impl Asked {
    /// Whether anything is asked for besides that the package is there.
    pub fn says_something(&self) -> bool {
        self.held.is_some() || self.terms.verify.is_some() || self.terms.version != Version::Open
    }

    /// Reads what a manifest asks for; none where it cannot be read.
    pub fn decode(spec: &mut YamlFields<'_>, decoding: &mut Decoding<'_>) -> Option<Self> {
        let before = decoding.problems.0.len();
        let exact = spec.take("version");
        let minimum = spec.take("minimum");
        if let (Some(_), Some(node)) = (exact, minimum) {
            decoding.problems.push(
                node.problem("`version` and `minimum` exclude each other")
                    .hint("keep minimum, where a newer version is as good"),
            );
        }
        let exact = exact.and_then(|node| version_of(node, decoding));
        let minimum = minimum.and_then(|node| version_of(node, decoding));
        let version = match (exact, minimum) {
            (Some(exact), _) => Version::Exact(exact),
            (None, Some(minimum)) => Version::Minimum(minimum),
            (None, None) => Version::Open,
        };
        let held = spec
            .take("held")
            .and_then(|node| node.boolean(&mut decoding.problems));
        let verify = spec
            .take("verify")
            .and_then(|node| verify_of(node, decoding));
        let terms = Terms { version, verify };
        (decoding.problems.0.len() == before).then_some(Self { terms, held })
    }
}

fn version_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<String> {
    let text = node.text(&mut decoding.problems)?;
    if version::is_version(text) {
        return Some(text.to_owned());
    }
    decoding.problems.push(
        node.problem(format!("\"{}\" is no version", text.escape_debug()))
            .hint("as dpkg prints it: \"2:4.0.2-3\""),
    );
    None
}

/// `true`, or a map with `ignore` and `conffiles`.
fn verify_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Verify> {
    if !matches!(node.value, YamlValue::Map(_)) {
        let asked = node.boolean(&mut decoding.problems)?;
        return asked.then(|| Verify::new(Vec::new(), false));
    }
    let mut fields = node.fields(&mut decoding.problems)?;
    let mut globs = Vec::new();
    if let Some(node) = fields.take("ignore") {
        globs = node.texts(&mut decoding.problems).unwrap_or_default();
        if let Err((at, why)) = Globs::new(&globs) {
            let items = node.list(&mut decoding.problems).unwrap_or_default();
            decoding.problems.push(
                items
                    .get(at)
                    .unwrap_or(node)
                    .problem(format!("this is no glob: {why}"))
                    .hint("whole paths, with *, ?, [a-z], {a,b} and **"),
            );
        }
    }
    let conffiles = fields
        .take("conffiles")
        .and_then(|node| node.boolean(&mut decoding.problems))
        .unwrap_or(false);
    fields.finish(&mut decoding.problems);
    Some(Verify::new(globs, conffiles))
}
