//! A config document: JSON text into the policy's own type.

use crate::{ConfigFault, Policy, json};

/// Reads a config document. The empty text and `{}` are the defaults.
///
/// # Errors
/// The first fault and its place, where the text does not fit the policy's config type.
pub fn parse<P: Policy>(text: &str) -> Result<P::Config, ConfigFault> {
    if text.trim_ascii().is_empty() {
        return Ok(P::Config::default());
    }
    P::read_config(text)
}

/// Reads it as serde derives it.
pub(crate) fn derived<P: Policy + ?Sized>(text: &str) -> Result<P::Config, ConfigFault> {
    json::read(text).map_err(|fault| ConfigFault { path: fault.path, message: fault.message })
}
