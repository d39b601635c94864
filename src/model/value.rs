//! Values of fields: what a baseline expects and what a provider saw, in one small set of types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Digest;

/// The value of one field.
///
/// Serialised with a tag (`{"text": "root"}`), so that no live content can pass for a value of another type.
/// Lists are atomic; whatever has identity inside (a key, a container) is a [`Value::Map`] by that identity, so that
/// order is never drift.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    /// Content that is kept apart, by digest. Never shown where content may not be.
    Blob(Blob),
}

/// A reference to content: its BLAKE3 digest and its size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Blob {
    pub digest: Digest,
    pub size: u64,
}

impl Blob {
    /// Refers to these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
        }
    }
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The reference to content, if it is one.
    pub fn as_blob(&self) -> Option<Blob> {
        match self {
            Self::Blob(blob) => Some(*blob),
            _ => None,
        }
    }

    /// All references to content in it, nested ones included.
    pub fn blobs(&self) -> Vec<Blob> {
        match self {
            Self::Blob(blob) => vec![*blob],
            Self::List(values) => values.iter().flat_map(Self::blobs).collect(),
            Self::Map(values) => values.values().flat_map(Self::blobs).collect(),
            Self::Bool(_) | Self::Int(_) | Self::Text(_) => Vec::new(),
        }
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Blob> for Value {
    fn from(blob: Blob) -> Self {
        Self::Blob(blob)
    }
}
