//! SSH signatures of commits.

use jiff::Timestamp;
use ssh_key::{HashAlg, PublicKey, SshSig};

use super::AllowedSigners;

/// The namespace that git signs in.
const NAMESPACE: &str = "git";
/// The longest armoured signature that is read; RSA keys of 16,384 bits stay well below.
const MAX_SIGNATURE_BYTES: usize = 16 << 10;

/// Who signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signer {
    pub principal: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

/// Checks a signature against the allowed signers, at the time that the commit claims.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn verify(
    signature: &str,
    payload: &[u8],
    allowed: &AllowedSigners,
    at: Timestamp,
) -> Result<Signer, String> {
    if signature.contains("BEGIN PGP") {
        return Err("it is signed with GPG, and only SSH signatures are judged".to_owned());
    }
    if signature.len() > MAX_SIGNATURE_BYTES {
        return Err("its signature is too long to be one".to_owned());
    }
    let parsed = SshSig::from_pem(signature.trim().as_bytes())
        .map_err(|error| format!("its signature cannot be read: {error}"))?;
    let key = PublicKey::from(parsed.public_key().clone());
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    key.verify(NAMESPACE, payload, &parsed)
        .map_err(|_| format!("its signature by {fingerprint} does not fit its content"))?;
    let mut expired = false;
    for signer in &allowed.0 {
        if signer.key.key_data() != key.key_data() {
            continue;
        }
        let early = signer.valid_after.is_some_and(|from| at < from);
        let late = signer.valid_before.is_some_and(|until| at >= until);
        if early || late {
            expired = true;
            continue;
        }
        return Ok(Signer {
            principal: signer.principals.clone(),
            fingerprint,
        });
    }
    Err(match expired {
        true => format!("the key {fingerprint} was not valid at the commit's time"),
        false => format!("it is signed by {fingerprint}, which is no allowed signer"),
    })
}
