//! Whose a component is: signatures, keys, and rules that say which keys count where.
//!
//! Everything is verified offline, with keys that were given beforehand: ECDSA on P-256 over SHA-256, and Ed25519, in the
//! form that cosign writes. Signatures without a key (keyless) are not supported.

mod document;
mod key;
mod pem;
mod rules;
mod signing;

use std::fmt;

pub use document::document_of;
pub use key::{KeyFault, PublicKey};
pub use rules::{KeyText, RuleFault, TrustFault, TrustRule, TrustRules};
pub use signing::SigningKey;

use crate::source::{Fetched, Signature, Signed};

/// What the signatures of a component say, given keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// There is no signature.
    NotSigned,
    /// There are signatures, and none of them is good.
    Failed {
        /// Why the best of them is not, with the mend.
        why: String,
    },
    /// One signature is good.
    Verified {
        /// Name of the key that made it.
        key: String,
    },
}

impl Verification {
    /// Stable code for status and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSigned => "NotSigned",
            Self::Failed { .. } => "Failed",
            Self::Verified { .. } => "Verified",
        }
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSigned => f.write_str("not signed: sign it with `trimtab policy sign`"),
            Self::Failed { why } => write!(f, "no good signature: {why}"),
            Self::Verified { key } => write!(f, "verified by the key {key}"),
        }
    }
}

/// Verifies a component's signatures with these keys; one good one suffices.
pub fn verify(fetched: &Fetched, keys: &[PublicKey]) -> Verification {
    let evidence = &fetched.evidence;
    if evidence.signatures.is_empty() {
        // A signature that cannot be read is not the same as none.
        return match evidence.unusable.first() {
            None => Verification::NotSigned,
            Some(why) => Verification::Failed { why: why.clone() },
        };
    }
    let mut misplaced = None;
    for signature in &evidence.signatures {
        match of_signature(fetched, signature, keys) {
            Ok(key) => return Verification::Verified { key },
            Err(why) => misplaced = misplaced.or(why),
        }
    }
    let why = misplaced.unwrap_or_else(|| by_nobody(keys));
    Verification::Failed { why }
}

/// The key that made a signature of this component; else why not, where a known key made it.
fn of_signature(fetched: &Fetched, signature: &Signature, keys: &[PublicKey]) -> Result<String, Option<String>> {
    let signed = match &signature.signed {
        Signed::Component => &fetched.bytes,
        Signed::Document(document) => document,
    };
    let key = keys.iter().find(|key| key.has_signed(signed, &signature.bytes)).ok_or(None)?;
    match &signature.signed {
        Signed::Component => Ok(key.name().to_owned()),
        Signed::Document(document) => document::names(document, fetched.manifest.as_ref())
            .map(|()| key.name().to_owned())
            .map_err(|why| Some(format!("the key {} has signed {why}", key.name()))),
    }
}

fn by_nobody(keys: &[PublicKey]) -> String {
    let names: Vec<_> = keys.iter().map(PublicKey::name).collect();
    if names.is_empty() {
        return "no key is trusted for this place: name one".to_owned();
    }
    format!(
        "none was made by {}, or what they signed was changed: sign it again, or add the signer's key",
        names.join(" or ")
    )
}
