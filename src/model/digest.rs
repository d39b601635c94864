//! Content digests: BLAKE3, 32 bytes, shown as 64 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A BLAKE3 digest of bytes or of the canonical JSON of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A digest that is only comparable by whoever holds the key, fit to show where the content may not be.
///
/// Without the key nobody can confirm a guess at low-entropy content (a password, say).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyedDigest([u8; 16]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct DigestParseError;

impl Digest {
    /// Hashes bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Wraps a digest computed elsewhere (a streamed BLAKE3).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes the JSON of a value whose maps are ordered, after a `domain` that keeps different uses apart.
    ///
    /// # Panics
    /// When the value cannot be written as JSON, which none of the model's types can cause.
    pub fn of_json<T: Serialize + ?Sized>(domain: &str, value: &T) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(domain.len() as u64).to_le_bytes());
        hasher.update(domain.as_bytes());
        serde_json::to_writer(&mut hasher, value).expect("model types are plain data");
        Self(*hasher.finalize().as_bytes())
    }

    /// Hashes this digest with a 32-byte key, for output that must not disclose content.
    pub fn keyed(&self, key: &[u8; 32]) -> KeyedDigest {
        let mut short = [0; 16];
        short.copy_from_slice(&blake3::keyed_hash(key, &self.0).as_bytes()[..16]);
        KeyedDigest(short)
    }

    /// The first 12 hexadecimal digits: enough for a person to tell two apart, never for a decision.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0[..6])
    }
}

impl fmt::Display for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for Digest {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(DigestParseError);
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte =
                u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| DigestParseError)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a digest survives its text form, and text that is not one is refused.
    #[test]
    fn text_form_round_trips() {
        let digest = Digest::of(b"evenkeel");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad:?}");
        }
    }

    // Goal: two uses of the same bytes never share a digest, and the domain cannot run into the value.
    #[test]
    fn domains_are_apart() {
        assert_ne!(Digest::of_json("a", "x"), Digest::of_json("b", "x"));
        assert_ne!(Digest::of_json("a\"", "x"), Digest::of_json("a", "\"x"));
    }

    // Goal: the keyed form depends on the key, so that without it a guess cannot be confirmed.
    #[test]
    fn keyed_form_needs_the_key() {
        let digest = Digest::of(b"hunter2");
        assert_ne!(
            digest.keyed(&[1; 32]).to_string(),
            digest.keyed(&[2; 32]).to_string()
        );
    }
}
