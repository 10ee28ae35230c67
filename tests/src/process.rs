//! The `trimtab` program as a child process: started, listened to, killed.
//!
//! Its standard input is held open here, so it ends with this process even where no destructor runs.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::sync::watch;

/// Longest wait for something that must happen.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Log lines kept for failure messages and for waits.
const LINES_MAX: usize = 20_000;

/// Log lines shown with a failure.
const SHOWN_LINES_MAX: usize = 60;

/// The program: built beside the tests, unless `TRIMTAB_PROGRAM` names another build of it.
pub fn program() -> anyhow::Result<PathBuf> {
    if let Some(program) = std::env::var_os("TRIMTAB_PROGRAM").map(PathBuf::from) {
        ensure!(program.is_file(), "TRIMTAB_PROGRAM is {}, which is not there", program.display());
        return Ok(program);
    }
    let this = std::env::current_exe().context("find this executable")?;
    // target/debug/deps/test-… lies one folder below target/debug/trimtab.
    let folder = this.parent().and_then(Path::parent).context("this executable has no folder")?;
    let program = folder.join(format!("trimtab{}", std::env::consts::EXE_SUFFIX));
    ensure!(program.is_file(), "{} is not there: run `cargo build -p trimtab` first", program.display());
    Ok(program)
}

#[derive(Debug, Default)]
struct Log {
    lines: VecDeque<String>,
    /// Lines that were pushed out at the front.
    dropped: usize,
}

/// A running `trimtab`; killed when it is dropped.
#[derive(Debug)]
pub struct Trimtab {
    child: Child,
    log: Arc<Mutex<Log>>,
    lines: watch::Receiver<usize>,
    /// Those that were asked for; their lines may be dropped by now.
    addresses: Mutex<HashMap<usize, SocketAddr>>,
}

impl Trimtab {
    /// Starts `trimtab` with these arguments, logging JSON lines.
    pub fn start<I, A>(arguments: I) -> anyhow::Result<Self>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<std::ffi::OsStr>,
    {
        let program = program()?;
        let mut command = Command::new(&program);
        command.args(arguments).args(["--log-format", "json", "--exit-on-stdin-close"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let errors = child.stderr.take().context("the child has no standard error")?;
        let log = Arc::new(Mutex::new(Log::default()));
        let (sender, lines) = watch::channel(0);
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines() {
                let Ok(line) = line else { break };
                let mut log = lock(&kept);
                if log.lines.len() == LINES_MAX {
                    log.lines.pop_front();
                    log.dropped += 1;
                }
                log.lines.push_back(line);
                drop(log);
                sender.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { child, log, lines, addresses: Mutex::default() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a log line satisfies `accept` and returns what it made of it.
    pub async fn wait_for_log<T>(&self, what: &str, accept: impl Fn(&Value) -> Option<T>) -> anyhow::Result<T> {
        let mut lines = self.lines.clone();
        let mut seen = 0;
        let search = async {
            loop {
                lines.borrow_and_update();
                {
                    let log = lock(&self.log);
                    let skipped = seen.max(log.dropped) - log.dropped;
                    for line in log.lines.iter().skip(skipped) {
                        if let Some(found) = serde_json::from_str(line).ok().as_ref().and_then(&accept) {
                            return Ok(found);
                        }
                    }
                    seen = log.dropped + log.lines.len();
                }
                if lines.changed().await.is_err() {
                    bail!("trimtab ended before it logged {what}");
                }
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => bail!("trimtab has not logged {what} within {PATIENCE:?}"),
        }
        .with_context(|| self.tail())
    }

    /// Waits for the nth address that the process says it listens on, from 0.
    pub async fn address(&self, nth: usize) -> anyhow::Result<SocketAddr> {
        let known = || self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = known().get(&nth) {
            return Ok(*address);
        }
        let count = std::cell::Cell::new(0);
        let found = self.wait_for_log("its addresses", |line| {
            if line["message"] != "listening" {
                return None;
            }
            count.set(count.get() + 1);
            (count.get() == nth + 1).then(|| line["address"].as_str()?.parse().ok()).flatten()
        });
        let address = found.await?;
        known().insert(nth, address);
        Ok(address)
    }

    /// How many log lines satisfy `accept`.
    pub fn count_log(&self, accept: impl Fn(&Value) -> bool) -> usize {
        let log = lock(&self.log);
        log.lines.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(|line| accept(line)).count()
    }

    /// What `accept` makes of the log lines from this one on, and the line to go on with.
    pub fn read_log<T>(&self, from: usize, accept: impl Fn(&Value) -> Option<T>) -> anyhow::Result<(Vec<T>, usize)> {
        let log = lock(&self.log);
        let skipped = from.checked_sub(log.dropped).context("log lines were dropped before they were read")?;
        let read = log.lines.iter().skip(skipped).filter_map(|line| serde_json::from_str(line).ok());
        Ok((read.filter_map(|line| accept(&line)).collect(), log.dropped + log.lines.len()))
    }

    /// The last log lines, for failure messages.
    pub fn tail(&self) -> String {
        self.tail_of("")
    }

    /// The last log lines that contain `part`.
    pub fn tail_of(&self, part: &str) -> String {
        let log = lock(&self.log);
        let matching: Vec<_> = log.lines.iter().filter(|line| line.contains(part)).collect();
        let from = matching.len().saturating_sub(SHOWN_LINES_MAX);
        let shown = matching.get(from..).unwrap_or_default();
        let mut text = format!("last log lines of trimtab ({} of {}):\n", shown.len(), log.lines.len());
        for line in shown {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Ends the process at once, as a crash would, and waits until it is gone.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill().context("kill trimtab")?;
        self.child.wait().context("wait for trimtab")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Trimtab {
    fn drop(&mut self) {
        // An error means that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `trimtab run` against a cluster, with its ledger in a folder of its own.
#[derive(Debug)]
pub struct Run {
    /// The process.
    pub process: Trimtab,
    data: PathBuf,
    // Removed after the process has ended, where nobody else owns the folder.
    folder: Option<tempfile::TempDir>,
}

impl Run {
    /// Starts it for every namespace, with more arguments.
    pub fn start(kubeconfig: &Path, more: &[String]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut run = Self::start_in(kubeconfig, folder.path(), more)?;
        run.folder = Some(folder);
        Ok(run)
    }

    /// Starts it with a data folder that outlives it.
    pub fn start_in(kubeconfig: &Path, data: &Path, more: &[String]) -> anyhow::Result<Self> {
        let everywhere = ["--all-namespaces".to_owned()];
        Self::start_with(kubeconfig, data, everywhere.iter().chain(more))
    }

    /// Starts it with a data folder that outlives it, for one namespace, which is its own as well.
    pub fn start_for(kubeconfig: &Path, data: &Path, namespace: &str, more: &[String]) -> anyhow::Result<Self> {
        let there = ["--namespace".to_owned(), namespace.to_owned()];
        Self::start_with(kubeconfig, data, there.iter().chain(more))
    }

    fn start_with<'a>(kubeconfig: &Path, data: &Path, more: impl Iterator<Item = &'a String>) -> anyhow::Result<Self> {
        let (kubeconfig, data_text) = (text_of(kubeconfig)?, text_of(data)?);
        let fixed = ["run", "--kubeconfig", &kubeconfig, "--data", &data_text];
        let served = ["--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0"];
        let process = Trimtab::start(fixed.into_iter().chain(served).map(str::to_owned).chain(more.cloned()))?;
        Ok(Self { process, data: data.to_owned(), folder: None })
    }

    /// Where its ledger lies.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its metrics as text.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        read_page(self.process.address(0).await?, "/metrics").await
    }
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned())
}

/// Reads a page over plain HTTP.
pub async fn read_page(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    crate::control_plane::install_crypto_provider();
    let config = kube::Config::new(format!("http://{address}").parse()?);
    let client = kube::Client::try_from(config)?;
    Ok(client.request_text(http::Request::get(path).body(Vec::new())?).await?)
}
