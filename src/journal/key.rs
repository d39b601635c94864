//! The Ed25519 key that signs the journal, and its public part.
//!
//! On disk the private key is PKCS#8 and the public key SPKI, both PEM, as `openssl` reads and writes them.
//!
//! **Invariant:** a key that somebody else could have read or put there is never used, and one that exists is never replaced.

use std::path::Path;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::OsRng;
use sha2::{Digest as _, Sha256};

use super::error::io;
use super::folder::{self, Privacy};
use super::format::{hex, unhex};
use crate::ports::StoreError;

/// No key file is larger; what is, is something else.
const MAX_KEY_BYTES: u64 = 16 * 1024;
const USE: &str = "use the key of";

/// The public part of a journal's key.
#[derive(Clone, PartialEq, Debug)]
pub struct PublicKey {
    key: VerifyingKey,
    id: String,
}

/// The key that signs.
pub(super) struct JournalKey {
    key: SigningKey,
    public: PublicKey,
}

impl PublicKey {
    fn new(key: VerifyingKey) -> Self {
        let id = hex(&Sha256::digest(key.as_bytes())[..8]);
        Self { key, id }
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the key, by which records and people name it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads a PEM file that holds a public key, or a private key of which only the public part is kept.
    ///
    /// # Errors
    /// The file is missing, no key, or a private key that others can read.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let bytes = folder::read_file(path, MAX_KEY_BYTES, Privacy::Any)
            .map_err(|why| io(USE, path, why))?
            .ok_or_else(|| io(USE, path, "there is no such file"))?;
        let text = std::str::from_utf8(&bytes).unwrap_or("");
        if text.contains("PRIVATE KEY") {
            return Ok(JournalKey::read(path)?
                .ok_or_else(|| io(USE, path, "it has just vanished"))?
                .public);
        }
        VerifyingKey::from_public_key_pem(text)
            .map(Self::new)
            .map_err(|_| io(USE, path, "it is no Ed25519 key in PEM form"))
    }

    /// The key as PEM text.
    pub(super) fn pem(&self) -> String {
        self.key
            .to_public_key_pem(LineEnding::LF)
            .expect("an Ed25519 key has a PEM form")
    }

    /// Whether the hexadecimal signature is this key's over the message.
    pub(super) fn signed(&self, message: &[u8], signature: &str) -> bool {
        unhex::<64>(signature).is_some_and(|bytes| {
            self.key
                .verify_strict(message, &Signature::from_bytes(&bytes))
                .is_ok()
        })
    }
}

impl JournalKey {
    fn new(key: SigningKey) -> Self {
        let public = PublicKey::new(key.verifying_key());
        Self { key, public }
    }

    /// Reads the private key, none when there is no file.
    ///
    /// # Errors
    /// The file is a symbolic link, belongs to neither root nor us, can be read by others, or holds no Ed25519 key.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = folder::read_file(path, MAX_KEY_BYTES, Privacy::OwnerOnly)
            .map_err(|why| io(USE, path, why))?
        else {
            return Ok(None);
        };
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| SigningKey::from_pkcs8_pem(text).ok())
            .map(|key| Some(Self::new(key)))
            .ok_or_else(|| {
                io(
                    USE,
                    path,
                    "it is no Ed25519 private key in PEM form (PKCS#8)",
                )
            })
    }

    /// Makes a new key and writes it where no file may be yet.
    pub(super) fn make(path: &Path) -> Result<Self, StoreError> {
        let key = SigningKey::generate(&mut OsRng);
        let pem = KeypairBytes {
            secret_key: key.to_bytes(),
            public_key: None,
        }
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| io(USE, path, error.to_string()))?;
        folder::write_new(path, pem.as_bytes())
            .map_err(|error| io("make the key of", path, error))?;
        Ok(Self::new(key))
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message; the signature is 128 hexadecimal digits.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        hex(&self.key.sign(message).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    // Goal: a key survives its file, which is readable by its owner alone, and what it signs is bound to the message.
    #[test]
    fn a_made_key_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let made = JournalKey::make(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = JournalKey::read(&path).unwrap().unwrap();
        assert_eq!(read.public(), made.public());
        let signature = made.sign(b"a");
        assert!(read.public().signed(b"a", &signature));
        assert!(!read.public().signed(b"b", &signature));
        assert!(!read.public().signed(b"a", &signature[..126]));
    }

    // Goal: a key that exists is never overwritten, for that would end the journal's proof.
    #[test]
    fn a_key_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let first = JournalKey::make(&path).unwrap();
        assert!(JournalKey::make(&path).is_err());
        let kept = JournalKey::read(&path).unwrap().unwrap();
        assert_eq!(kept.public(), first.public());
    }

    // Goal: a private key that others can read, or that is a link, is refused, also where only its public part is wanted.
    #[test]
    fn an_exposed_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        JournalKey::make(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602] {
            set_mode(&path, mode);
            assert!(JournalKey::read(&path).is_err(), "{mode:o}");
            assert!(PublicKey::read(&path).is_err(), "{mode:o}");
        }
        set_mode(&path, 0o600);
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(JournalKey::read(&link).is_err());
    }

    // Goal: the public file gives the same key as the private one, and neither is mistaken for something else.
    #[test]
    fn public_key_comes_from_either_file() {
        let dir = tempfile::tempdir().unwrap();
        let (private, public) = (dir.path().join("k"), dir.path().join("p"));
        let key = JournalKey::make(&private).unwrap();
        std::fs::write(&public, key.public().pem()).unwrap();
        assert_eq!(&PublicKey::read(&private).unwrap(), key.public());
        assert_eq!(&PublicKey::read(&public).unwrap(), key.public());
        assert!(JournalKey::read(&public).is_err());
        std::fs::write(&public, "no key").unwrap();
        assert!(PublicKey::read(&public).is_err());
        assert!(PublicKey::read(&dir.path().join("none")).is_err());
    }
}
