//! Public keys, which say whose a signature is.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};

use super::pem::first_block;

/// What stands before the point of a P-256 key in its DER (RFC 5480): the two identifiers, and that it is a whole point.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of a point that is not compressed.
const P256_BYTES: usize = 65;
/// What stands before an Ed25519 key in its DER (RFC 8410).
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Bytes of an Ed25519 key.
const ED25519_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    P256,
    Ed25519,
}

/// A public key and the name that people know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// Why a text is no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No PEM.
    #[error("the key {name} is no PEM: give what begins with -----BEGIN {wanted}-----")]
    NotPem {
        /// Its name.
        name: String,
        /// The label that it should have.
        wanted: &'static str,
    },
    /// PEM of something else.
    #[error("the key {name} is a {label}: {mend}")]
    Label {
        /// Its name.
        name: String,
        /// The label that it has.
        label: String,
        /// The mend.
        mend: &'static str,
    },
    /// A key of another algorithm, or damaged.
    #[error("the key {name} is neither P-256 nor Ed25519, or damaged: {mend}")]
    Algorithm {
        /// Its name.
        name: String,
        /// The mend.
        mend: &'static str,
    },
}

const PUBLIC_MEND: &str = "write the public one with `openssl pkey -in key.pem -pubout -out key.pub`";
const CERTIFICATE_MEND: &str = "keyless signatures are not supported, give the public key that signs";
const ALGORITHM_MEND: &str = "make one with `openssl genpkey -algorithm ed25519 -out key.pem`";

impl PublicKey {
    /// Reads a public key as `openssl pkey -pubout` and cosign write it.
    pub fn from_pem(name: &str, text: &str) -> Result<Self, KeyFault> {
        let wanted = "PUBLIC KEY";
        let block = first_block(text).ok_or_else(|| KeyFault::NotPem { name: name.to_owned(), wanted })?;
        if block.label != wanted {
            let mend = if block.label == "CERTIFICATE" { CERTIFICATE_MEND } else { PUBLIC_MEND };
            return Err(KeyFault::Label { name: name.to_owned(), label: block.label, mend });
        }
        let p256 = block.bytes.strip_prefix(&P256_PREFIX).filter(|key| key.len() == P256_BYTES);
        let ed25519 = block.bytes.strip_prefix(&ED25519_PREFIX).filter(|key| key.len() == ED25519_BYTES);
        let (algorithm, bytes) = match (p256, ed25519) {
            (Some(key), _) => (Algorithm::P256, key),
            (_, Some(key)) => (Algorithm::Ed25519, key),
            (None, None) => return Err(KeyFault::Algorithm { name: name.to_owned(), mend: ALGORITHM_MEND }),
        };
        Ok(Self { name: name.to_owned(), algorithm, bytes: bytes.to_vec() })
    }

    /// The name that people know it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this key has made this signature of these bytes.
    pub fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(signed, signature).is_ok()
    }
}
