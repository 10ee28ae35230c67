//! The stage of the demo: a folder, the two processes, and the policy files that are swapped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use trimtab_controller::connect;
use trimtab_policy_engine::{BUILTIN, Digest};

use crate::bad_input;
use crate::cli::{DemoArguments, PolicyArguments, SlotFile, SlotStrategy, Slots};
use crate::demo::cast::TARGETS;
use crate::run::kubeconfig;

/// The timeouts component in force at the start.
const FIRST: &[u8] = include_bytes!("../../../policies/fixed-timeouts/fixed-timeouts.wasm");

/// A component that asks for more than a policy may have.
const HOSTILE: &[u8] = include_bytes!("../../../tests/guests/foreign-import.wasm");

/// The controller's part of the folder.
const LEDGER: &str = "run";

/// How long a process may take to be ready.
const READY: Duration = Duration::from_secs(30);

/// How long a process may take to stop.
const STOP: Duration = Duration::from_secs(5);

/// Everything that the demo needs around the incidents.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: Folder,
    cluster: Child,
    controller: Child,
    address: String,
}

/// Where everything of the demo lies.
#[derive(Debug)]
enum Folder {
    /// Gone with the demo.
    Temporary(TempDir),
    /// Named by the caller, and kept.
    Kept(PathBuf),
}

impl Folder {
    fn open(asked: Option<&Path>) -> anyhow::Result<Self> {
        let Some(asked) = asked else {
            let made = tempfile::Builder::new().prefix("trimtab-demo-").tempdir();
            return Ok(Self::Temporary(made.context("cannot make a folder")?));
        };
        let cannot = || format!("cannot use the folder {}", asked.display());
        std::fs::create_dir_all(asked).with_context(cannot).map_err(bad_input)?;
        if std::fs::read_dir(asked).with_context(cannot).map_err(bad_input)?.next().is_some() {
            let text = format!("the folder {} is not empty: name a new one for the demo's data", asked.display());
            return Err(bad_input(anyhow::anyhow!(text)));
        }
        Ok(Self::Kept(std::path::absolute(asked).with_context(cannot)?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }
}

/// A component that is put into the timeouts slot while the demo runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Component {
    /// The one in force at the start.
    First,
    /// The one that saves the twin.
    Second,
    /// The one that is refused.
    Hostile,
}

impl Component {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::First => FIRST,
            Self::Second => BUILTIN,
            Self::Hostile => HOSTILE,
        }
    }

    /// Its config: Kubernaut's defaults, scaled 1:60, but for the first, which gives an analysis 6 seconds.
    fn config(self) -> Value {
        let (awaiting, executing) = ("15s", "30s");
        match self {
            Self::First => json!({"default": {
                "global": "60s", "processing": "5s", "analyzing": "6s",
                "awaitingApproval": awaiting, "executing": executing, "verifying": "30s",
            }}),
            Self::Second | Self::Hostile => json!({"timeouts": {
                "global": "60s", "processing": "5s", "analyzing": "10s", "analyzingInteractive": "45s",
                "awaitingApproval": awaiting, "executing": executing, "verifying": "30s",
            }}),
        }
    }

    /// Its digest, cut to what a person compares.
    pub(crate) fn digest(self) -> String {
        Digest::of(self.bytes()).to_string().chars().take("sha256:".len() + 12).collect()
    }
}

impl Stage {
    /// Starts the cluster, writes the policies, starts the controller.
    pub(crate) async fn set(arguments: &DemoArguments, has_swap: bool) -> anyhow::Result<Self> {
        let folder = Folder::open(arguments.data.as_deref())?;
        let path = |name: &str| folder.path().join(name);
        let program = std::env::current_exe().context("cannot find this program")?;
        let data = path("cluster");
        let mut cluster = start(&program, "cluster", &path("cluster.log"), |command| {
            command.arg("--data").arg(&data);
        })?;
        let config = data.join("kubeconfig");
        wait_for(&config, &mut cluster, &path("cluster.log")).await?;
        manage_targets(connect(kubeconfig(Some(&config)).await?)?).await?;
        let arguments = if has_swap { swap_arguments(folder.path())? } else { arguments.policies.clone() };
        let controller = start(&program, "run", &path("run.log"), |command| {
            command.arg("--kubeconfig").arg(&config).arg("--data").arg(path(LEDGER));
            command.args(["--metrics-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0"]);
            // Its key is gone with the folder, so its cache goes with it too.
            command.env("XDG_CACHE_HOME", path("cache"));
            pass(&arguments, command);
        })?;
        let address = kubeconfig(Some(&config)).await?.cluster_url.to_string();
        Ok(Self { folder, cluster, controller, address })
    }

    /// Address of the embedded API.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Folder with the kubeconfig, logs and data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Folder of the ledger.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder().join(LEDGER)
    }

    /// Whether the folder outlives the demo.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.folder, Folder::Kept(_))
    }

    /// The kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder().join("cluster").join("kubeconfig")
    }

    /// A client of the embedded API.
    pub(crate) async fn client(&self) -> anyhow::Result<kube::Client> {
        Ok(connect(kubeconfig(Some(&self.kubeconfig())).await?)?)
    }

    /// Puts a component and its config into the files that the controller follows.
    pub(crate) fn put(&self, component: Component) -> anyhow::Result<()> {
        put(self.folder(), component)
    }

    /// The controller's log lines so far.
    pub(crate) fn log_lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder().join("run.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Fails with the last words of a process that has ended on its own.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        for (child, log) in [(&mut self.cluster, "cluster.log"), (&mut self.controller, "run.log")] {
            if let Some(status) = child.try_wait()? {
                let words = last_words(&self.folder.path().join(log));
                anyhow::bail!("a process of the demo ended with {status}: {words}");
            }
        }
        Ok(())
    }

    /// Stops both processes, the controller first, and removes the folder unless it is kept.
    pub(crate) async fn strike(mut self) {
        for child in [&mut self.controller, &mut self.cluster] {
            // Both stop when their standard input ends.
            drop(child.stdin.take());
            if tokio::time::timeout(STOP, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
}

/// The arguments that put the swapped files into the timeouts slot.
fn swap_arguments(folder: &Path) -> anyhow::Result<PolicyArguments> {
    put(folder, Component::First)?;
    let slots = Slots::One(trimtab_core::proposal::Slot::Timeouts);
    Ok(PolicyArguments {
        policies: vec![SlotFile { slots, file: folder.join("timeouts.wasm") }],
        configs: vec![SlotFile { slots, file: folder.join("timeouts.json") }],
        ..PolicyArguments::default()
    })
}

fn put(folder: &Path, component: Component) -> anyhow::Result<()> {
    let config = component.config().to_string();
    for (name, bytes) in [("timeouts.json", config.as_bytes()), ("timeouts.wasm", component.bytes())] {
        crate::paths::write_private(&folder.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

fn pass(arguments: &PolicyArguments, command: &mut Command) {
    let slot = |slots: Slots| match slots {
        Slots::One(slot) => slot.name(),
        Slots::All => "all",
    };
    for (flag, files) in [
        ("--policy", &arguments.policies),
        ("--policy-config", &arguments.configs),
        ("--policy-limits", &arguments.limits),
    ] {
        for SlotFile { slots, file } in files {
            command.arg(flag).arg(format!("{}={}", slot(*slots), file.display()));
        }
    }
    for SlotStrategy { slots, strategy } in &arguments.strategies {
        command.arg("--fail-strategy").arg(format!("{}={strategy:?}", slot(*slots)));
    }
}

fn start(program: &Path, name: &str, log: &Path, more: impl FnOnce(&mut Command)) -> anyhow::Result<Child> {
    let file = std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command.arg(name).args(["--exit-on-stdin-close", "--log-format", "json"]);
    more(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start `trimtab {name}`"))
}

async fn wait_for(file: &Path, child: &mut Child, log: &Path) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + READY;
    while !file.exists() {
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("the embedded cluster ended with {status}: {}", last_words(log));
        }
        if tokio::time::Instant::now() > deadline {
            anyhow::bail!("the embedded cluster was not ready in time: {}", last_words(log));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("it said nothing").to_owned()
}

/// Makes the namespace of the incidents' targets, marked as an administrator marks what is to be remediated.
async fn manage_targets(client: kube::Client) -> anyhow::Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
    let mut namespace = DynamicObject::new(TARGETS, &resource);
    namespace.metadata.labels = Some([("kubernaut.ai/managed".to_owned(), "true".to_owned())].into());
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    api.create(&PostParams::default(), &namespace).await.map(drop).context("make the targets' namespace")
}
