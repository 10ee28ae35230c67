//! The loader: any bytes through gate, compiler, link and the component's own words, and what passes is asked once.

use std::sync::Arc;

use trimtab_core::observation::Observation;
use trimtab_core::ports::FaultReason;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{Component, ConfigError, smoke};

use crate::observation::samples;
use crate::sandbox::{LIMITS, engine};

/// Loads what may be a component.
pub fn run(bytes: &[u8]) {
    match engine().load(bytes, LIMITS) {
        Ok(component) => ask(&component),
        Err(fault) => {
            let text = fault.to_string();
            assert!(!text.is_empty() && !fault.reason().is_empty(), "a refusal says why");
            assert!(!text.contains('\n'), "a refusal is one line: {text}");
        }
    }
}

fn ask(component: &Arc<Component>) {
    let description = component.description();
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &description.name;
    assert!((1..=63).contains(&name.len()) && name.chars().all(is_word), "the name \"{name}\" was let through");
    assert!(!component.slots().is_empty(), "a component without a slot was let through");
    let configured = match component.configure("{}") {
        Ok(configured) => configured,
        Err(ConfigError::Faulted { fault }) => return assert_ne!(fault.reason, FaultReason::Host, "{fault}"),
        Err(ConfigError::TooLarge { .. } | ConfigError::Syntax { .. } | ConfigError::Invalid { .. }) => return,
        Err(ConfigError::Schema { detail }) => panic!("a schema that is unusable was let through: {detail}"),
    };
    let observations: Vec<Arc<Observation>> = samples().iter().take(1).map(|one| Arc::new(one.clone())).collect();
    for slot in Slot::ALL {
        match smoke(&configured, slot, &observations) {
            Ok(()) => assert!(component.slots().contains(&slot), "{slot} answered and is not filled"),
            Err(fault) => assert_ne!(fault.reason, FaultReason::Host, "{fault}"),
        }
    }
}
