//! Which keys count for which places, and where a signature has to be.

use serde::{Deserialize, Serialize};

use super::key::{KeyFault, PublicKey};
use super::{Verification, verify};
use crate::fault::Class;
use crate::source::Fetched;

/// Whose components may run, for the places that begin with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TrustRule {
    /// Beginning of a place, whole parts of it: `registry.example/acme`, `https://example.org/policies`, `configMap/ops`;
    /// `*` for every place. Of the rules that fit, the longest counts.
    pub registry: String,
    /// Namespaces of the policies that it is for, `*` within standing for any letters; all where empty.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Keys that may have signed.
    #[serde(default)]
    pub keys: Vec<KeyText>,
    /// Whether a component without a good signature is refused.
    #[serde(default)]
    pub required: bool,
}

/// A public key as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyText {
    /// What people call it.
    pub name: String,
    /// PEM.
    pub public_key: String,
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// A key of a rule.
    #[error("the trust rule for {registry} cannot be used: {source}")]
    Key {
        /// The rule's prefix.
        registry: String,
        /// Why.
        source: KeyFault,
    },
    /// It lets nobody in.
    #[error("the trust rule for {registry} requires a signature and names no key: add one, or leave required out")]
    NoKeys {
        /// The rule's prefix.
        registry: String,
    },
    /// No prefix.
    #[error("a trust rule has an empty registry: write a prefix such as registry.example/acme, or * for every place")]
    NoRegistry,
}

/// A component that may not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} may not run: the trust rule for {registry} requires a signature, and it is {verification}")]
pub struct TrustFault {
    /// Where it comes from.
    pub place: String,
    /// The rule's prefix.
    pub registry: String,
    /// What its signatures say.
    pub verification: Verification,
}

impl TrustFault {
    /// What to do about it.
    pub fn class(&self) -> Class {
        Class::Permanent
    }

    /// Stable code for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self.verification {
            Verification::NotSigned => "SignatureMissing",
            Verification::Failed { .. } | Verification::Verified { .. } => "SignatureInvalid",
        }
    }
}

/// Rules whose keys were read.
#[derive(Debug, Clone, Default)]
pub struct TrustRules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    registry: String,
    namespaces: Vec<String>,
    keys: Vec<PublicKey>,
    required: bool,
}

impl TrustRules {
    /// Reads every key.
    pub fn read(written: Vec<TrustRule>) -> Result<Self, RuleFault> {
        written.into_iter().map(Rule::read).collect::<Result<_, _>>().map(Self)
    }

    /// What the signatures of a component say, for a policy of this namespace; an error where it may not run.
    pub fn judge(&self, fetched: &Fetched, namespace: &str) -> Result<Verification, TrustFault> {
        let rules = self.of(&fetched.place, namespace);
        let keys: Vec<_> = rules.iter().flat_map(|rule| rule.keys.iter().cloned()).collect();
        let verification = verify(fetched, &keys);
        let demanding = rules.iter().find(|rule| rule.required);
        match (demanding, &verification) {
            (None, _) | (_, Verification::Verified { .. }) => Ok(verification),
            (Some(rule), _) => {
                let (place, registry) = (fetched.place.clone(), rule.registry.clone());
                Err(TrustFault { place, registry, verification })
            }
        }
    }

    /// The rules with the longest prefix that fits; several, where they are written with the same one.
    fn of(&self, place: &str, namespace: &str) -> Vec<&Rule> {
        let fitting: Vec<_> = self.0.iter().filter(|rule| rule.fits(place, namespace)).collect();
        let longest = fitting.iter().map(|rule| rule.length()).max();
        fitting.into_iter().filter(|rule| Some(rule.length()) == longest).collect()
    }
}

impl Rule {
    fn read(written: TrustRule) -> Result<Self, RuleFault> {
        let registry = written.registry.trim_end_matches('/').to_owned();
        if registry.is_empty() {
            return Err(RuleFault::NoRegistry);
        }
        if written.required && written.keys.is_empty() {
            return Err(RuleFault::NoKeys { registry });
        }
        let read = |key: &KeyText| PublicKey::from_pem(&key.name, &key.public_key);
        let keys = written.keys.iter().map(read).collect::<Result<_, _>>();
        let keys = keys.map_err(|source| RuleFault::Key { registry: registry.clone(), source })?;
        Ok(Self { registry, namespaces: written.namespaces, keys, required: written.required })
    }

    fn fits(&self, place: &str, namespace: &str) -> bool {
        let is_here = self.registry == "*" || is_within(&self.registry, place);
        is_here && (self.namespaces.is_empty() || self.namespaces.iter().any(|glob| fits_glob(glob, namespace)))
    }

    fn length(&self) -> usize {
        if self.registry == "*" { 0 } else { self.registry.len() }
    }
}

/// Whether a place begins with the parts of a prefix. Hosts have no case, and a rule that nobody meets protects nothing.
fn is_within(prefix: &str, place: &str) -> bool {
    let begins = place.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    begins && matches!(place.as_bytes().get(prefix.len()), None | Some(b'/'))
}

/// Whether a text fits a pattern in which `*` stands for any letters.
fn fits_glob(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_part_ends() {
        assert!(is_within("registry.example/acme", "registry.example/acme"));
        assert!(is_within("REGISTRY.example/acme", "registry.example/acme/p"));
        assert!(!is_within("registry.example/acme", "registry.example/acme-evil/p"));
        assert!(!is_within("registry.example/acme/p", "registry.example/acme"));
    }

    #[test]
    fn globs_fit_whole_names() {
        let rows = [
            ("prod", "prod", true),
            ("prod", "prod-eu", false),
            ("prod-*", "prod-eu", true),
            ("*", "anything", true),
            ("*-eu", "prod-eu", true),
            ("p*-*u", "prod-eu", true),
            ("p*d*u", "prod-us", false),
            ("a*a", "a", false),
        ];
        for (glob, text, is_fit) in rows {
            assert_eq!(fits_glob(glob, text), is_fit, "{glob} {text}");
        }
    }
}
