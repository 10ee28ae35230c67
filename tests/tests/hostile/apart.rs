//! The process that compiles components for a controller.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use trimtab_policy_engine::BUILTIN;
use trimtab_tests::process::program;

fn compile(component: &[u8], home: &Path) -> Output {
    let mut command = Command::new(program().expect("the program"));
    command.arg("compile").arg("--data").arg(home.join("data")).env("XDG_CACHE_HOME", home.join("cache"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    child.stdin.take().expect("its standard input").write_all(component).expect("it reads");
    child.wait_with_output().expect("its end")
}

/// Entries of the cache, each in the folder of its key.
fn entries(home: &Path) -> usize {
    let below = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    below(&home.join("cache/trimtab/components")).map(|key| below(&key).count()).sum()
}

#[test]
fn it_leaves_the_component_in_the_cache() {
    let home = tempfile::tempdir().expect("a folder");
    let done = compile(BUILTIN, home.path());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(entries(home.path()), 1);
}

#[test]
fn it_refuses_what_is_no_component_in_one_line() {
    let home = tempfile::tempdir().expect("a folder");
    let refused = compile(b"no component", home.path());
    let said = String::from_utf8(refused.stderr).expect("text");
    assert_eq!((refused.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.starts_with("trimtab: "), "{said}");
    assert_eq!(entries(home.path()), 0);
}
