//! Starts etcd and kube-apiserver from `KUBEBUILDER_ASSETS`.
//!
//! kube-apiserver makes its own serving certificate; its key also signs
//! service account tokens, and the administrator has a throw-away token. So
//! no key is made here.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

use super::child::Child;
use super::error::StartError;
use super::source::Source;
use super::{ControlPlane, READY_DEADLINE, StartOptions, ask, read_kubeconfig};

/// Keeps a program from outliving this process, since these two don't watch
/// their input.
const SUPERVISE: &str = include_str!("supervise.sh");
/// How often a start is tried that fails for a port's sake.
const ATTEMPTS_MAX: u32 = 4;
/// How often readiness is asked for.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// How long one of these questions may take.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// Ports are only known to have been free a moment ago, so a start that lost
/// one to another process is repeated with others.
pub(super) async fn start(assets: PathBuf, options: &StartOptions) -> Result<ControlPlane, StartError> {
    let mut attempt = 1;
    loop {
        match start_once(&assets, options).await {
            Err(error) if attempt < ATTEMPTS_MAX && is_port_taken(&error) => attempt += 1,
            done => return done,
        }
    }
}

fn is_port_taken(error: &StartError) -> bool {
    matches!(error, StartError::Ended { log, .. } if log.contains("address already in use"))
}

async fn start_once(assets: &Path, options: &StartOptions) -> Result<ControlPlane, StartError> {
    let [etcd_port, peer_port, api_port] = free_ports()?;
    let temporary = temporary_folder()?;
    let folder_text = text(temporary.path())?.to_owned();
    let etcd_url = format!("http://127.0.0.1:{etcd_port}");
    let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    write(&temporary.path().join("tokens.csv"), &format!("{token},admin,admin,\"system:masters\"\n"))?;
    // Whoever supervises etcd removes the folder: etcd ends last.
    let mut etcd = supervised("etcd", assets, &folder_text, etcd_arguments(&folder_text, &etcd_url, peer_port))?;
    let folder = temporary.keep();
    let mut arguments = api_server_arguments(&folder_text, &etcd_url, api_port);
    arguments.extend(options.api_server_arguments.iter().cloned());
    let mut api_server = supervised("kube-apiserver", assets, "", arguments)?;

    let kubeconfig = folder.join("kubeconfig");
    let server = format!("https://127.0.0.1:{api_port}");
    write(&kubeconfig, &kubeconfig_text(&server, &folder_text, &token))?;
    wait_until_ready(&kubeconfig, &mut etcd, &mut api_server).await?;
    Ok(ControlPlane {
        source: Source::Assets(assets.to_owned()),
        config: read_kubeconfig(&kubeconfig).await?,
        kubeconfig,
        has_garbage_collector: false,
        children: vec![api_server, etcd],
    })
}

fn supervised(program: &'static str, assets: &Path, folder: &str, arguments: Vec<String>) -> Result<Child, StartError> {
    let mut command = Command::new("sh");
    command.args(["-c", SUPERVISE, "supervise", folder]).arg(assets.join(program)).args(arguments);
    Child::spawn(program, &mut command)
}

fn etcd_arguments(folder: &str, url: &str, peer_port: u16) -> Vec<String> {
    let peer_url = format!("http://127.0.0.1:{peer_port}");
    vec![
        format!("--data-dir={folder}/etcd"),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_server_arguments(folder: &str, etcd_url: &str, port: u16) -> Vec<String> {
    vec![
        format!("--etcd-servers={etcd_url}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--cert-dir={folder}/certificates"),
        format!("--token-auth-file={folder}/tokens.csv"),
        format!("--service-account-key-file={folder}/certificates/apiserver.key"),
        format!("--service-account-signing-key-file={folder}/certificates/apiserver.key"),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]
}

/// JSON is YAML, so a kubeconfig may be written as JSON.
fn kubeconfig_text(server: &str, folder: &str, token: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": server,
            "certificate-authority": format!("{folder}/certificates/apiserver.crt"),
        }}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
    })
    .to_string()
}

async fn wait_until_ready(kubeconfig: &Path, etcd: &mut Child, api_server: &mut Child) -> Result<(), StartError> {
    let deadline = Instant::now() + READY_DEADLINE;
    let mut ticks = tokio::time::interval(PROBE_INTERVAL);
    loop {
        ticks.tick().await;
        etcd.check_running()?;
        api_server.check_running()?;
        let answered = tokio::time::timeout(PROBE_DEADLINE, probe(kubeconfig)).await;
        let problem = match answered {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(problem)) => problem,
            Err(_) => format!("no answer within {PROBE_DEADLINE:?}"),
        };
        if Instant::now() >= deadline {
            return Err(api_server.not_ready(READY_DEADLINE, problem));
        }
    }
}

/// Fails, as it should, until the server has written its certificate.
async fn probe(kubeconfig: &Path) -> Result<(), String> {
    let config = read_kubeconfig(kubeconfig).await.map_err(|error| error.to_string())?;
    ask(&config, "/readyz").await
}

fn temporary_folder() -> Result<TempDir, StartError> {
    let made = tempfile::Builder::new().prefix("trimtab-control-plane-").tempdir();
    made.map_err(|source| StartError::File { action: "make a temporary folder in", path: std::env::temp_dir(), source })
}

/// Ports that were free a moment ago, all different.
fn free_ports() -> Result<[u16; 3], StartError> {
    let listen = || TcpListener::bind(("127.0.0.1", 0)).map_err(StartError::Port);
    let listeners = [listen()?, listen()?, listen()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().map_err(StartError::Port)?.port();
    }
    Ok(ports)
}

/// Writes a file that only this user may read.
fn write(path: &Path, content: &str) -> Result<(), StartError> {
    let written = fs::write(path, content).and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
    written.map_err(|source| StartError::File { action: "write", path: path.to_owned(), source })
}

fn text(path: &Path) -> Result<&str, StartError> {
    path.to_str().ok_or_else(|| StartError::PathNotText { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn supervised_shell(folder: &Path, script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISE, "supervise"]);
        command.arg(folder).args(["sh", "-c", script]);
        Child::spawn("a supervised script", &mut command).unwrap()
    }

    #[tokio::test]
    async fn a_supervised_program_ends_with_its_input_and_its_folder_goes_too() {
        let folder = tempfile::tempdir().unwrap().keep();
        // It would outlive the test by far, and dropping waits for its end.
        let mut child = supervised_shell(&folder, "echo started; exec sleep 100000");
        assert_eq!(child.first_line(LONG).await.unwrap(), "started");
        drop(child);
        assert!(!folder.exists());
    }

    /// What a killed test process leaves: pipes that nobody reads.
    #[test]
    fn the_folder_goes_even_where_nobody_reads_the_output_any_more() {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISE, "supervise"]);
        command.arg(&folder).args(["sh", "-c", "echo started; exec sleep 100000"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lifeline = child.stdin.take();
        let mut started = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut started).unwrap();
        assert_eq!(started, "started\n");
        drop(child.stderr.take());
        drop(lifeline);
        child.wait().unwrap();
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_supervised_program_that_ends_gives_its_own_status() {
        let mut child = supervised_shell(Path::new(""), "echo no such flag >&2; exit 5");
        let error = child.first_line(LONG).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 5"), "{error}");
        assert!(error.contains("no such flag"), "{error}");
    }

    #[test]
    fn only_a_taken_port_is_worth_another_attempt() {
        let ended = |log: &str| StartError::Ended {
            program: "etcd".to_owned(),
            status: "exit status: 1".to_owned(),
            log: log.to_owned(),
        };
        assert!(is_port_taken(&ended("listen tcp 127.0.0.1:1: bind: address already in use")));
        assert!(!is_port_taken(&ended("unknown flag: --no-such-flag")));
    }
}
