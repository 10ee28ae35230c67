//! `trimtab policy new`: a project that builds and passes its own tests, made from what this program carries.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use trimtab_core::proposal::Slot;
use trimtab_policy_engine::Digest;

use crate::cli::NewArguments;
use crate::error::AuthorError;
use crate::output::Outcome;

pub(crate) mod files;
mod template;

/// Most characters of a policy's name.
const NAME_MAX: usize = 63;

/// Runs the command.
pub(crate) fn run(arguments: &NewArguments, folder: &Path) -> Result<Outcome, AuthorError> {
    let name = &arguments.name;
    check_name(name)?;
    let slots: BTreeSet<Slot> = arguments.slots.iter().copied().collect();
    if slots.is_empty() {
        return Err(AuthorError::Input("a policy fills at least one slot: name some with --slots".to_owned()));
    }
    let dir = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    let target = folder.join(&dir);
    refuse_taken(&target, &dir)?;
    let mut files = template::files(name, &slots, rust_version());
    files.extend(interface());
    files.extend(sdk());
    for (path, text) in &files {
        write(&target.join(path), text)?;
    }
    let shown = dir.display();
    Ok(Outcome::fine(format!(
        "{shown}: {} files\nnext: cd {shown} && trimtab policy build && trimtab policy test\n",
        files.len()
    )))
}

fn check_name(name: &str) -> Result<(), AuthorError> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.chars().next().is_some_and(|first| first.is_ascii_lowercase());
    if begins && name.len() <= NAME_MAX && name.chars().all(is_word) && !name.ends_with('-') && !name.contains("--") {
        return Ok(());
    }
    let text = format!("\"{name}\" is no name: use lower-case words joined by hyphens, at most {NAME_MAX} characters");
    Err(AuthorError::Input(text))
}

/// Nothing that is there is touched.
fn refuse_taken(target: &Path, shown: &Path) -> Result<(), AuthorError> {
    let refuse = |what: &str| {
        let text = format!("{} {what}: name another folder with --dir", shown.display());
        Err(AuthorError::Input(text))
    };
    match std::fs::read_dir(target) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                refuse("is not empty")
            } else {
                Ok(())
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(_) => refuse("is no folder"),
    }
}

/// The compiler that the SDK asks for.
fn rust_version() -> &'static str {
    let found = files::WORKSPACE_MANIFEST.lines().find_map(|line| line.strip_prefix("rust-version = "));
    found.unwrap_or_default().trim_matches('"')
}

/// The interface and its digest.
fn interface() -> Vec<(String, String)> {
    let mut made: Vec<(String, String)> =
        files::WIT.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let interface = files::WIT.iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|kind| kind == "wit"));
    let together: String = interface.map(|(_, text)| *text).collect();
    made.push(("wit/digest".to_owned(), format!("{}\n", Digest::of(together.as_bytes()))));
    made
}

/// The SDK with a manifest of its own.
fn sdk() -> impl Iterator<Item = (String, String)> {
    files::SDK.iter().map(|(path, text)| {
        let inside = path.strip_prefix("policies/sdk/").unwrap_or(path);
        let is_manifest = inside == "Cargo.toml";
        let text = if is_manifest { files::standalone(text, files::WORKSPACE_MANIFEST) } else { (*text).to_owned() };
        (format!("vendor/sdk/{inside}"), text)
    })
}

fn write(path: &Path, text: &str) -> Result<(), AuthorError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| AuthorError::write(folder, error))?;
    }
    std::fs::write(path, text).map_err(|error| AuthorError::write(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, folder: &Path) -> Result<Outcome, AuthorError> {
        run(&NewArguments { name: name.to_owned(), slots: vec![Slot::Timeouts], dir: None }, folder)
    }

    #[test]
    fn a_name_that_the_host_would_refuse_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "Loud", "-x", "x-", "a--b", "a_b", "1st", &"x".repeat(64)] {
            assert!(new(name, folder.path()).unwrap_err().to_string().contains("is no name"), "{name}");
        }
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        new("quiet", folder.path()).unwrap();
        let again = new("quiet", folder.path()).unwrap_err();
        assert_eq!(again.to_string(), "quiet is not empty: name another folder with --dir");
        assert_eq!(again.exit_code(), crate::error::BAD_INPUT);
    }

    #[test]
    fn the_interface_carries_its_digest() {
        let made = interface();
        let (path, digest) = made.last().unwrap();
        assert_eq!(path, "wit/digest");
        assert!(digest.trim().parse::<Digest>().is_ok(), "{digest}");
        assert!(files::WIT.is_sorted_by_key(|(path, _)| *path), "the digest depends on the order");
    }
}
