//! Private keys, for authors who sign what they push.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};

use super::key::KeyFault;
use super::pem::first_block;

const COSIGN_MEND: &str = "cosign does not give its keys away in plain; make one with `openssl genpkey -algorithm EC \
    -pkeyopt ec_paramgen_curve:P-256 -out key.pem`, which `cosign import-key-pair --key key.pem` takes, too";
const ENCRYPTED_MEND: &str =
    "write it in plain with `openssl pkey -in key.pem -out plain.pem`, and mind who can read that";
const OLD_MEND: &str = "write it as PKCS#8 with `openssl pkcs8 -topk8 -nocrypt -in key.pem -out plain.pem`";
const PUBLIC_MEND: &str = "a public key verifies, give the private one to sign";
const OTHER_MEND: &str = "give a private key, as `openssl genpkey -algorithm ed25519 -out key.pem` writes it";
const ALGORITHM_MEND: &str = "make one with `openssl genpkey -algorithm ed25519 -out key.pem`";

enum Pair {
    P256(Box<EcdsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// A private key. It is never shown.
pub struct SigningKey(Pair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Pair::P256(_) => "SigningKey(P-256)",
            Pair::Ed25519(_) => "SigningKey(Ed25519)",
        })
    }
}

impl SigningKey {
    /// Reads a private key as `openssl genpkey` writes it: PKCS#8, in plain.
    pub fn from_pem(name: &str, text: &str) -> Result<Self, KeyFault> {
        let wanted = "PRIVATE KEY";
        let block = first_block(text).ok_or_else(|| KeyFault::NotPem { name: name.to_owned(), wanted })?;
        if block.label != wanted {
            let mend = match block.label.as_str() {
                "ENCRYPTED COSIGN PRIVATE KEY" | "ENCRYPTED SIGSTORE PRIVATE KEY" => COSIGN_MEND,
                "ENCRYPTED PRIVATE KEY" => ENCRYPTED_MEND,
                "EC PRIVATE KEY" | "EC PARAMETERS" => OLD_MEND,
                "PUBLIC KEY" => PUBLIC_MEND,
                _ => OTHER_MEND,
            };
            return Err(KeyFault::Label { name: name.to_owned(), label: block.label, mend });
        }
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &block.bytes, &SystemRandom::new());
        if let Ok(pair) = p256 {
            return Ok(Self(Pair::P256(Box::new(pair))));
        }
        // openssl leaves the public half out, which is then computed instead of compared.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&block.bytes)
            .map_err(|_| KeyFault::Algorithm { name: name.to_owned(), mend: ALGORITHM_MEND })?;
        Ok(Self(Pair::Ed25519(pair)))
    }

    /// The signature of these bytes, in the form that cosign and openssl write. Fails only without randomness.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        match &self.0 {
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), bytes)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| "the system gives no randomness to sign with".to_owned()),
            Pair::Ed25519(pair) => Ok(pair.sign(bytes).as_ref().to_vec()),
        }
    }
}
