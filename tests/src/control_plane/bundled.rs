//! Starts `tests/control-plane/bin/test-control-plane`.

use std::path::PathBuf;
use std::process::Command;

use super::child::Child;
use super::error::StartError;
use super::source::Source;
use super::{ControlPlane, READY_DEADLINE, StartOptions, read_kubeconfig};

/// The program keeps its files in a temporary folder, which it removes when
/// its input ends. Nothing in there is worth a graceful stop.
pub(super) async fn start(program: PathBuf, options: &StartOptions) -> Result<ControlPlane, StartError> {
    let mut command = Command::new(&program);
    command.args(["up", "--exit-on-stdin-close", "--grace=0"]);
    for argument in &options.api_server_arguments {
        command.arg(format!("--apiserver-arg={argument}"));
    }
    let mut child = Child::spawn("test-control-plane", &mut command)?;
    let kubeconfig = PathBuf::from(child.first_line(READY_DEADLINE).await?);
    Ok(ControlPlane {
        source: Source::Bundled(program),
        config: read_kubeconfig(&kubeconfig).await?,
        kubeconfig,
        has_garbage_collector: true,
        children: vec![child],
    })
}
