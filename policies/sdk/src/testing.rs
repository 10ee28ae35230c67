//! What a policy's native tests need. Not part of a component.

use std::path::Path;

use crate::{Policy, generated_schema};

/// Compares a policy's [`config_schema`](Policy::config_schema), checked in at `file`, with the generated one. With
/// `TRIMTAB_BLESS` in the environment it first writes the file anew, for the next build.
///
/// # Panics
/// Where the two differ, or `file` cannot be written.
#[expect(clippy::expect_used, reason = "used by tests only")]
pub fn check_schema<P: Policy>(file: impl AsRef<Path>) {
    let generated = generated_schema::<P>();
    if std::env::var_os("TRIMTAB_BLESS").is_some() {
        std::fs::write(file.as_ref(), &generated).expect("the schema's file can be written");
    }
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("a schema is JSON");
    assert_eq!(
        read(&P::config_schema()),
        read(&generated),
        "{} is out of date: run this test twice with TRIMTAB_BLESS=1 and look at the difference",
        file.as_ref().display()
    );
}
