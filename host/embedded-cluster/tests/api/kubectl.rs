//! The real kubectl against the embedded API, without extra flags.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::open;
use trimtab_embedded_cluster::{ClusterConfig, EmbeddedCluster, Listening};

/// kubectl with its own home and the kubeconfig of one cluster.
struct Kubectl {
    home: tempfile::TempDir,
    _listening: Listening,
}

impl Kubectl {
    /// `None` in a quick run without kubectl; elsewhere its absence fails the test.
    async fn start() -> Option<Self> {
        Self::start_with(open(ClusterConfig::default())).await
    }

    async fn start_with(cluster: EmbeddedCluster) -> Option<Self> {
        let found = Command::new("kubectl").args(["version", "--client"]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            let quick = std::env::var("TRIMTAB_QUICK").is_ok_and(|value| value == "1");
            assert!(quick, "kubectl is not installed: `apt-get install kubectl`, or set TRIMTAB_QUICK=1 to go without");
            return None;
        }
        let listening = cluster.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("config"), listening.kubeconfig()).unwrap();
        Some(Self { home, _listening: listening })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(line.split_whitespace())
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .stdin(Stdio::null());
        command
    }

    async fn output(&self, line: &str) -> Output {
        let mut command = tokio::process::Command::from(self.command(line));
        command.output().await.unwrap()
    }

    /// Standard output of a run that must succeed.
    async fn run(&self, line: &str) -> String {
        let output = self.output(line).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {line}: {errors}");
        assert!(!errors.to_lowercase().contains("warning"), "kubectl {line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a run that must fail.
    async fn fail(&self, line: &str) -> String {
        let output = self.output(line).await;
        assert!(!output.status.success(), "kubectl {line} should fail");
        String::from_utf8(output.stderr).unwrap()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        write(&path, text);
        path.display().to_string()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

const WIDGET: &str = "apiVersion: example.test/v1alpha1\nkind: Widget\nmetadata:\n  name: a\n  namespace: default\nspec:\n  colour: red\n";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_gets_and_patches() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let file = kubectl.file("widget.yaml", WIDGET);
    assert_eq!(kubectl.run(&format!("apply -f {file}")).await, "widget.example.test/a created\n");
    assert_eq!(kubectl.run(&format!("apply -f {file}")).await, "widget.example.test/a unchanged\n");
    let file = kubectl.file("widget.yaml", &WIDGET.replace("red", "blue"));
    assert_eq!(kubectl.run(&format!("apply -f {file}")).await, "widget.example.test/a configured\n");
    let table = kubectl.run("get wi -n default").await;
    let mut lines = table.lines();
    assert_eq!(lines.next().unwrap().split_whitespace().collect::<Vec<_>>(), ["NAME", "COLOUR", "PHASE", "AGE"]);
    assert_eq!(lines.next().unwrap().split_whitespace().take(2).collect::<Vec<_>>(), ["a", "blue"]);
    let wide = kubectl.run("get widgets -A -o wide").await;
    assert!(wide.starts_with("NAMESPACE") && wide.contains("COUNT"), "{wide}");
    kubectl
        .run("patch widget a -n default --subresource=status --type=merge -p {\"status\":{\"phase\":\"Busy\"}}")
        .await;
    assert_eq!(kubectl.run("get widget a -n default -o jsonpath={.status.phase}").await, "Busy");
    assert_eq!(
        kubectl.run("get widgets -n default --field-selector=spec.colour=blue -o name").await,
        "widget.example.test/a\n"
    );
    kubectl.run("label widget a -n default team=x").await;
    kubectl.run("annotate widget a -n default note=y").await;
    kubectl.run("wait widget a -n default --for=jsonpath={.status.phase}=Busy --timeout=10s").await;
    let described = kubectl.run("describe widget a -n default").await;
    assert!(described.contains("Colour:  blue"), "{described}");
    assert_eq!(kubectl.run("delete widget a -n default").await, "widget.example.test \"a\" deleted\n");
    assert!(
        kubectl
            .fail("get widget a -n default")
            .await
            .contains("Error from server (NotFound): widgets.example.test \"a\" not found")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_why_an_object_is_refused() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let unknown = kubectl.file("unknown.yaml", &format!("{WIDGET}  odd: 1\n"));
    let error = kubectl.fail(&format!("apply -f {unknown}")).await;
    assert!(error.contains("strict decoding error: unknown field \"spec.odd\""), "{error}");
    let wrong = kubectl.file("wrong.yaml", &WIDGET.replace("red", "pink"));
    let error = kubectl.fail(&format!("apply -f {wrong}")).await;
    assert!(
        error.contains("spec.colour: Unsupported value: \"pink\": supported values: \"red\", \"green\", \"blue\""),
        "{error}"
    );
    let error = kubectl.fail(&format!("apply --server-side -f {wrong}")).await;
    assert!(error.contains("server-side apply is not part of the embedded API"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_watches_as_a_table() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let file = kubectl.file("widget.yaml", WIDGET);
    kubectl.run(&format!("create -f {file}")).await;
    let mut child = kubectl.command("get widgets -n default -w").stdout(Stdio::piped()).spawn().unwrap();
    let lines = child.stdout.take().unwrap();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(lines).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut next =
        async || tokio::time::timeout(crate::common::PATIENCE, receiver.recv()).await.expect("in time").unwrap();
    assert!(next().await.starts_with("NAME"));
    assert!(next().await.starts_with('a'));
    kubectl
        .run("patch widget a -n default --subresource=status --type=merge -p {\"status\":{\"phase\":\"Busy\"}}")
        .await;
    assert!(next().await.contains("Busy"));
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_explains_and_discovers() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let text = kubectl.run("explain widget.spec").await;
    assert!(text.contains("What is wanted.") && text.contains("Colour of the widget."), "{text}");
    assert!(kubectl.run("explain configmap.data").await.contains("Data contains the configuration data"));
    assert!(
        kubectl.run("explain widget.metadata.labels").await.contains("LABELS")
            || kubectl.run("explain widget.metadata").await.contains("labels")
    );
    let resources = kubectl.run("api-resources --api-group=example.test").await;
    assert!(resources.contains("widgets") && resources.contains("example.test/v1alpha1"), "{resources}");
    assert!(kubectl.run("get crd").await.contains("widgets.example.test"));
    assert!(kubectl.run("api-versions").await.contains("coordination.k8s.io/v1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_manages_built_in_kinds() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.run("create namespace team").await;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\n  namespace: team\ndata:\n  a: '1'\n";
    let file = kubectl.file("map.yaml", map);
    kubectl.run(&format!("apply -f {file}")).await;
    let file = kubectl.file("map.yaml", &map.replace("a: '1'", "b: '2'"));
    assert_eq!(kubectl.run(&format!("apply -f {file}")).await, "configmap/m configured\n");
    assert_eq!(kubectl.run("get cm m -n team -o jsonpath={.data}").await, "{\"b\":\"2\"}");
    kubectl.run("create secret generic s -n team --from-literal=k=v").await;
    assert!(kubectl.run("get secrets -n team").await.contains("Opaque"));
    assert!(kubectl.run("get ns").await.contains("Active"));
    kubectl.run("get events,leases -A").await;
    assert_eq!(kubectl.run("delete namespace team").await, "namespace \"team\" deleted\n");
    assert!(kubectl.fail("get cm m -n team").await.contains("NotFound"));
}

const REMEDIATION: &str = "apiVersion: kubernaut.ai/v1alpha1
kind: RemediationRequest
metadata:
  name: rr
spec:
  signalFingerprint: 7cc465cf3bf719f545cdeb2e44398c16480743b03c850e6799c23fb2f0f4285b
  signalName: KubePodCrashLooping
  severity: critical
  signalType: alert
  targetType: kubernetes
  targetResource: {kind: Deployment, name: app, namespace: demo}
  firingTime: '2026-11-22T08:29:18Z'
  receivedTime: '2026-11-22T08:30:18Z'
";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_works_on_kubernauts_kinds() {
    let config = ClusterConfig { crds: trimtab_api::crds(), ..ClusterConfig::default() };
    let Some(kubectl) = Kubectl::start_with(EmbeddedCluster::open(config).unwrap()).await else { return };
    let file = kubectl.file("rr.yaml", REMEDIATION);
    // The namespace is that of the kubeconfig.
    kubectl.run(&format!("apply -f {file}")).await;
    let patch = "{\"status\":{\"overallPhase\":\"Processing\",\"timeoutConfig\":{\"analyzing\":\"20m\"}}}";
    kubectl.run(&format!("patch rr rr --subresource=status --type=merge -p {patch}")).await;
    let table = kubectl.run("get rr").await;
    assert!(
        table.starts_with("NAME") && table.contains("Processing") && table.contains("KubePodCrashLooping"),
        "{table}"
    );
    assert!(kubectl.run("explain rr.spec.severity").await.contains("severity"));
    let file = kubectl.file("rr.yaml", &REMEDIATION.replace("critical", "low"));
    assert!(kubectl.fail(&format!("apply -f {file}")).await.contains("is invalid: spec: Invalid value: "));
    kubectl.run("delete rr --all").await;
}
