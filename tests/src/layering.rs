//! Which crate may depend on which, held against the workspace.
//!
//! The checks take a graph of names, so that a test can feed them one in which a rule is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata, Package};

/// What may lie at the top of the repository besides dotfiles.
pub const TOP: [&str; 11] = [
    "host",
    "policies",
    "wit",
    "deploy",
    "tests",
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "LICENSE",
    "Makefile",
    "rust-toolchain.toml",
];

/// More root files that tools want.
const TOOL_FILES: [&str; 4] = ["rustfmt.toml", "clippy.toml", "deny.toml", "CHANGELOG.md"];

/// Folders that must be there.
const FOLDERS: [&str; 5] = ["host", "policies", "wit", "deploy", "tests"];

/// What a crate must never depend on, directly or through others, in product code.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The crate.
    pub package: &'static str,
    /// What it must never reach.
    pub never: &'static [&'static str],
    /// Why, for the failure message.
    pub why: &'static str,
}

/// The rules by crate. A rule on a crate that does not exist yet holds by itself.
pub const RULES: [Rule; 9] = [
    Rule {
        package: "trimtab-core",
        never: &[
            "kube",
            "k8s-openapi",
            "wasmtime",
            "sqlx",
            "tokio",
            "hyper",
            "reqwest",
            "rand",
            "tempfile",
            "chrono",
            "async-trait",
            "trimtab-api",
        ],
        why: "core is pure and synchronous: no cluster, no engine, no store, no clock, no randomness, no files",
    },
    Rule {
        package: "trimtab-controller",
        never: &["wasmtime", "sqlx", "trimtab-policy-engine", "trimtab-ledger", "trimtab-embedded-cluster"],
        why: "the controller reaches policies and ledger through ports",
    },
    Rule {
        package: "trimtab-policy-engine",
        never: &["kube", "sqlx", "trimtab-controller", "trimtab-ledger", "trimtab-embedded-cluster", "trimtab-api"],
        why: "the engine knows no cluster: bytes come through a port",
    },
    Rule {
        package: "trimtab-ledger",
        never: &["wasmtime", "kube", "trimtab-controller", "trimtab-policy-engine", "trimtab-embedded-cluster"],
        why: "the ledger knows neither engine nor cluster",
    },
    Rule {
        package: "trimtab-embedded-cluster",
        never: &["wasmtime", "trimtab-controller", "trimtab-policy-engine", "trimtab-ledger"],
        why: "the embedded cluster has nothing of the controller",
    },
    Rule {
        package: "trimtab-api",
        never: &[
            "wasmtime",
            "sqlx",
            "trimtab-controller",
            "trimtab-policy-engine",
            "trimtab-ledger",
            "trimtab-embedded-cluster",
        ],
        why: "the kinds have no client and no adapter",
    },
    Rule {
        package: "trimtab-experiment",
        never: &["kube", "wasmtime", "sqlx", "tokio", "trimtab-controller", "trimtab-policy-engine", "trimtab-ledger"],
        why: "experiments are pure",
    },
    Rule { package: "trimtab-author", never: &["kube", "trimtab-controller"], why: "policy authors need no cluster" },
    Rule { package: "trimtab-simulator", never: &["kube", "trimtab-controller"], why: "virtual runs touch no cluster" },
];

/// Product dependencies of each package by name, and where the workspace's own packages lie.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Normal and build dependencies.
    pub edges: BTreeMap<String, BTreeSet<String>>,
    /// Folder of each workspace package, relative to the root.
    pub places: BTreeMap<String, String>,
}

impl Graph {
    /// The workspace's graph; features as they are resolved for each package alone do not exist, so the union is used.
    pub fn of(metadata: &Metadata) -> anyhow::Result<Self> {
        let resolve = metadata.resolve.as_ref().context("cargo metadata has no resolve graph")?;
        let names: BTreeMap<_, _> =
            metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
        let mut graph = Self::default();
        for node in &resolve.nodes {
            let is_product = |kind: DependencyKind| matches!(kind, DependencyKind::Normal | DependencyKind::Build);
            let product = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| is_product(kind.kind)));
            let reached = product.filter_map(|dep| names.get(&dep.pkg).cloned()).collect();
            let name = names.get(&node.id).cloned().unwrap_or_default();
            graph.edges.entry(name).or_insert_with(BTreeSet::new).extend::<BTreeSet<String>>(reached);
        }
        for package in metadata.workspace_packages() {
            graph.places.insert(package.name.to_string(), place(package, metadata));
        }
        Ok(graph)
    }

    /// Every package that this one reaches, with the way to it.
    fn reached(&self, from: &str) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut open = vec![(from.to_owned(), vec![from.to_owned()])];
        while let Some((name, way)) = open.pop() {
            for next in self.edges.get(&name).into_iter().flatten() {
                if !found.contains_key(next) {
                    let mut further = way.clone();
                    further.push(next.clone());
                    found.insert(next.clone(), further.clone());
                    open.push((next.clone(), further));
                }
            }
        }
        found
    }

    /// Every broken rule, as a sentence.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for rule in RULES {
            let reached = self.reached(rule.package);
            for (name, way) in reached.iter().filter(|(name, _)| rule.never.contains(&name.as_str())) {
                faults.push(format!(
                    "{} must never depend on {name} ({}): {}",
                    rule.package,
                    rule.why,
                    way.join(" -> ")
                ));
            }
        }
        faults.extend(self.guest_faults());
        faults.extend(self.place_faults());
        faults
    }

    /// Guests never depend on host crates, nor anything on the tests.
    fn guest_faults(&self) -> Vec<String> {
        let in_folder = |name: &str, folder: &str| {
            self.places.get(name).is_some_and(|place| place == folder || place.starts_with(&format!("{folder}/")))
        };
        let mut faults = Vec::new();
        for (name, place) in &self.places {
            let is_guest = in_folder(name, "policies") || in_folder(name, "tests/guests");
            for (reached, way) in self.reached(name) {
                if is_guest && in_folder(&reached, "host") {
                    faults.push(format!("the guest {name} must never depend on a host crate: {}", way.join(" -> ")));
                }
                if place.starts_with("host") && in_folder(&reached, "tests") {
                    faults.push(format!("{name} must never depend on the tests: {}", way.join(" -> ")));
                }
            }
        }
        faults
    }

    /// The crate of a folder of `host/` has the folder's name.
    fn place_faults(&self) -> Vec<String> {
        let wrong = self.places.iter().filter(|(name, place)| match place.as_str() {
            "host" => *name != "trimtab",
            "tests" => *name != "trimtab-tests",
            place => place.strip_prefix("host/").is_some_and(|folder| **name != format!("trimtab-{folder}")),
        });
        wrong.map(|(name, place)| format!("{place} holds the crate {name}, which is not named after it")).collect()
    }
}

fn place(package: &Package, metadata: &Metadata) -> String {
    let folder = package.manifest_path.parent();
    let relative = folder.and_then(|folder| folder.strip_prefix(&metadata.workspace_root).ok());
    relative.map(|relative| relative.as_str().replace('\\', "/")).unwrap_or_default()
}

/// What lies at the top and does not belong there, and what is missing. Ignored build output is none of it.
pub fn top_faults<'a>(entries: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let entries: BTreeSet<_> = entries.into_iter().collect();
    let allowed =
        |name: &str| TOP.contains(&name) || TOOL_FILES.contains(&name) || name.starts_with('.') || name == "target";
    let strange = entries.iter().filter(|name| !allowed(name)).map(|name| format!("{name} does not belong at the top"));
    let missing =
        FOLDERS.iter().filter(|name| !entries.contains(**name)).map(|name| format!("the folder {name} is missing"));
    strange.chain(missing).collect()
}

/// Names of everything in a folder.
pub fn entries(folder: &Path) -> anyhow::Result<Vec<String>> {
    let read = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    read.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
