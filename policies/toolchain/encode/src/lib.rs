//! Turns a core WebAssembly module into a policy component.
//!
//! The module is binary or text. A module that `wit-bindgen` has made carries its worlds; a hand-written one gets them
//! from a folder of WIT. No adapter is linked, so a module that needs WASI is refused, and the same module gives the
//! same bytes everywhere.

mod names;
mod post_returns;

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where a hand-written module gets its world from.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// Folder of WIT files.
    pub wit: &'a Path,
    /// Name of the world in it.
    pub name: &'a str,
}

/// Why a module does not become a component.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It is no module, neither binary nor text.
    #[error("it is no WebAssembly module: {0}")]
    NotAModule(String),
    /// A section of it is damaged.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The WIT that was named cannot be used.
    #[error("cannot take world {world} from {wit}: {detail}")]
    Wit {
        /// The folder.
        wit: String,
        /// The world.
        world: String,
        /// What is wrong.
        detail: String,
    },
    /// It carries no world.
    #[error("it does not name its world, build it with the SDK or give a world: {0}")]
    NoWorld(String),
    /// It imports or exports something else than its world says.
    #[error("it does not fit its world: {0}")]
    Misfit(String),
}

/// The component of a core module.
pub fn component(core: &[u8], world: Option<World<'_>>) -> Result<Vec<u8>, EncodeError> {
    let binary = wat::parse_bytes(core).map_err(|error| EncodeError::NotAModule(error.to_string()))?;
    let mut module = binary.into_owned();
    if let Some(world) = world {
        embed(&mut module, world)?;
    }
    let unreadable = |error: anyhow::Error| EncodeError::Unreadable(format!("{error:#}"));
    let module = post_returns::without_empty(&module).map_err(unreadable)?;
    let module = names::shorten(&module).map_err(unreadable)?;
    ComponentEncoder::default()
        .module(&module)
        .map_err(|error| EncodeError::NoWorld(format!("{error:#}")))?
        .validate(true)
        .encode()
        .map_err(|error| EncodeError::Misfit(format!("{error:#}")))
}

fn embed(module: &mut Vec<u8>, world: World<'_>) -> Result<(), EncodeError> {
    let mut attempt = || {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(world.wit)?;
        let selected = resolve.select_world(&[package], Some(world.name))?;
        embed_component_metadata(module, &resolve, selected, StringEncoding::UTF8, false)
    };
    attempt().map_err(|error: anyhow::Error| EncodeError::Wit {
        wit: world.wit.display().to_string(),
        world: world.name.to_owned(),
        detail: format!("{error:#}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_or_has_no_world_is_told_apart() {
        assert!(matches!(component(b"hello", None), Err(EncodeError::NotAModule(_))));
        let wit = Path::new("/nowhere");
        let unknown = World { wit, name: "policy" };
        assert!(matches!(component(b"(module)", Some(unknown)), Err(EncodeError::Wit { .. })));
    }
}
