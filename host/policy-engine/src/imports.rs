//! The gate: which function imports a component may have, told by name before anything is compiled.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wit_component::DecodedWasm;
use wit_parser::{InterfaceId, Resolve, TypeDefKind, WorldId, WorldItem};

use crate::component::LoadError;

/// The package that policies speak, with the minor version of this host.
const PACKAGE: &str = "trimtab:policy/";
const VERSION: (&str, &str) = ("0.1.", "0.1.x");

/// Every function that this host offers.
const OFFERED: [&str; 16] = [
    "log#log",
    "facts#host-capabilities",
    "facts#signal",
    "facts#classification",
    "facts#analysis",
    "facts#approval",
    "facts#execution",
    "facts#assessment",
    "facts#workflow-override",
    "facts#related-remediations",
    "facts#object-json",
    "facts#scope",
    "facts#routing",
    "facts#signal-remediations",
    "facts#target-executions",
    "facts#remediation-history",
];

/// Foreign packages that authors import without meaning to, and what they use instead.
const INSTEAD: [(&str, &str); 6] = [
    ("wasi:random/", "the observation carries a seed"),
    ("wasi:clocks/", "the observation carries now"),
    ("wasi:cli/", "config comes as a parameter, and text goes through trimtab:policy/log"),
    ("wasi:filesystem/", "a policy has no files; config comes as a parameter"),
    ("wasi:sockets/", "a policy has no network; ask trimtab:policy/facts"),
    ("wasi:http/", "a policy has no network; ask trimtab:policy/facts"),
];

/// Refuses what cannot be a policy of this host, with the mend.
pub(crate) fn gate(bytes: &[u8]) -> Result<(), LoadError> {
    shape(bytes)?;
    // The decoder is written for trusted input and may panic on what nobody thought of.
    let decoded = catch_unwind(AssertUnwindSafe(|| wit_component::decode(bytes)));
    let (resolve, world) = match decoded {
        Ok(Ok(DecodedWasm::Component(resolve, world))) => (resolve, world),
        Ok(Ok(DecodedWasm::WitPackage(..))) => return Err(LoadError::WitPackage),
        Ok(Err(error)) => return Err(LoadError::Malformed { detail: crate::fault::one_line(&format!("{error:#}")) }),
        Err(_) => return Err(LoadError::Malformed { detail: "the decoder gave up".to_owned() }),
    };
    versions(&resolve, world)?;
    let foreign = foreign(&resolve, world);
    if foreign.is_empty() { Ok(()) } else { Err(LoadError::ForeignImports { imports: foreign }) }
}

/// Tells a component from what people hand over by mistake.
fn shape(bytes: &[u8]) -> Result<(), LoadError> {
    match (bytes.get(..4), bytes.get(4..8)) {
        (Some(b"\0asm"), Some([_, 0, 1, 0])) => Ok(()),
        (Some(b"\0asm"), Some([1, 0, 0, 0])) => Err(LoadError::CoreModule),
        (Some(b"\0asm"), version) => {
            Err(LoadError::Malformed { detail: format!("its format version is {version:02x?}") })
        }
        _ => Err(LoadError::NotWasm { bytes: bytes.len() }),
    }
}

/// Refuses a component that was built for another minor version of the package.
fn versions(resolve: &Resolve, world: WorldId) -> Result<(), LoadError> {
    let world = &resolve.worlds[world];
    for name in world.imports.values().chain(world.exports.values()).filter_map(|item| interface(resolve, item)) {
        let Some((_, version)) = name.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@')) else { continue };
        if !version.starts_with(VERSION.0) {
            return Err(LoadError::WrongVersion { found: version.to_owned(), spoken: VERSION.1 });
        }
    }
    Ok(())
}

fn interface(resolve: &Resolve, item: &WorldItem) -> Option<String> {
    match item {
        WorldItem::Interface { id, .. } => resolve.id_of(*id),
        WorldItem::Function(_) | WorldItem::Type { .. } => None,
    }
}

/// Every import that is not offered, with what to do instead. Imports that carry types alone are harmless.
fn foreign(resolve: &Resolve, world: WorldId) -> Vec<String> {
    let mut refused = Vec::new();
    for (key, item) in &resolve.worlds[world].imports {
        match item {
            WorldItem::Interface { id, .. } => {
                let name = resolve.id_of(*id).unwrap_or_else(|| resolve.name_world_key(key));
                refused.extend(of_interface(resolve, &name, *id));
            }
            WorldItem::Function(function) => refused.push(format!("{}: {}", function.name, instead(""))),
            WorldItem::Type { id, .. } => {
                if matches!(resolve.types[*id].kind, TypeDefKind::Resource) {
                    refused.push(format!("{} (a resource): policies have no resources", resolve.name_world_key(key)));
                }
            }
        }
    }
    refused
}

fn of_interface(resolve: &Resolve, name: &str, id: InterfaceId) -> Vec<String> {
    let interface = &resolve.interfaces[id];
    let resources = interface
        .types
        .iter()
        .filter(|(_, id)| matches!(resolve.types[**id].kind, TypeDefKind::Resource))
        .map(|(resource, _)| format!("{name}#{resource} (a resource): policies have no resources"));
    let functions = interface
        .functions
        .keys()
        .filter(|function| !is_offered(name, function))
        .map(|function| format!("{name}#{function}: {}", instead(name)));
    functions.chain(resources).collect()
}

fn is_offered(interface: &str, function: &str) -> bool {
    let Some((short, version)) = interface.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@')) else {
        return false;
    };
    version.starts_with(VERSION.0) && OFFERED.iter().any(|known| known.split_once('#') == Some((short, function)))
}

fn instead(interface: &str) -> &'static str {
    if interface.starts_with(PACKAGE) {
        return "this host does not offer it; build against an older interface or run a newer host";
    }
    let known = INSTEAD.iter().find(|(prefix, _)| interface.starts_with(prefix));
    known.map_or("a policy may import trimtab:policy/log and trimtab:policy/facts only", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_told_apart() {
        assert!(matches!(gate(b"").unwrap_err(), LoadError::NotWasm { bytes: 0 }));
        assert!(matches!(gate(b"#!/bin/sh").unwrap_err(), LoadError::NotWasm { bytes: 9 }));
        assert!(matches!(gate(b"\0asm\x01\0\0\0").unwrap_err(), LoadError::CoreModule));
        assert!(matches!(gate(b"\0asm\x0d\0\x01\0\xff\xff").unwrap_err(), LoadError::Malformed { .. }));
    }

    #[test]
    fn facts_of_any_patch_version_are_offered_and_others_are_not() {
        assert!(is_offered("trimtab:policy/facts@0.1.7", "signal"));
        assert!(!is_offered("trimtab:policy/facts@0.2.0", "signal"));
        assert!(!is_offered("trimtab:policy/facts@0.1.0", "approvals"));
        assert!(!is_offered("wasi:random/random@0.2.0", "get-random-u64"));
    }
}
