//! What can go wrong with a control plane, each with its mend.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use kube::config::KubeconfigError;

/// Why there is no control plane. Reads after "failed to start a control plane: ".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing was given and the program is not built.
    #[error(
        "{} is not built: run tests/control-plane/build (needs Go), \
         or set KUBEBUILDER_ASSETS or TRIMTAB_TEST_KUBECONFIG",
        program.display()
    )]
    NotBuilt {
        /// The missing program.
        program: PathBuf,
    },
    /// The program is older than its sources.
    #[error("{} is older than its sources: run tests/control-plane/build", program.display())]
    OutOfDate {
        /// The old program.
        program: PathBuf,
    },
    /// `KUBEBUILDER_ASSETS` lacks a program.
    #[error(
        "KUBEBUILDER_ASSETS={} has no {program}: name a folder with etcd and kube-apiserver, \
         or unset it",
        folder.display()
    )]
    AssetMissing {
        /// The folder that was given.
        folder: PathBuf,
        /// What is not in it.
        program: &'static str,
    },
    /// A file name that can't be passed on a command line as text.
    #[error("the path {} is not valid UTF-8: move the folder", path.display())]
    PathNotText {
        /// The path.
        path: PathBuf,
    },
    /// A file or folder could not be written or read.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program could not be started.
    #[error("failed to run {program}")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program ended before it was ready.
    #[error("{program} ended before it was ready ({status}); its last lines:\n{log}")]
    Ended {
        /// The program.
        program: String,
        /// Its exit status in words.
        status: String,
        /// The end of its output.
        log: String,
    },
    /// A program was not ready in time.
    #[error("{program} is not ready after {waited:?} ({problem}); its last lines:\n{log}")]
    NotReady {
        /// The program.
        program: String,
        /// The deadline that passed.
        waited: Duration,
        /// The last answer.
        problem: String,
        /// The end of its output.
        log: String,
    },
    /// No free port on 127.0.0.1.
    #[error("failed to find a free port on 127.0.0.1")]
    Port(#[source] io::Error),
    /// A kubeconfig that can't be used.
    #[error("failed to use the kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// The given cluster doesn't answer.
    #[error(
        "the cluster {server} of TRIMTAB_TEST_KUBECONFIG={} does not answer: {problem}",
        kubeconfig.display()
    )]
    GivenUnreachable {
        /// The file that was given.
        kubeconfig: PathBuf,
        /// Its server.
        server: String,
        /// What happened instead.
        problem: String,
    },
    /// A test wants API server flags where the API server is not ours to start.
    #[error("this test starts kube-apiserver with {flags}: unset TRIMTAB_TEST_KUBECONFIG for it")]
    FlagsForGiven {
        /// The flags.
        flags: String,
    },
}

/// Why something in a running control plane failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UseError {
    /// No client could be made.
    #[error("failed to make a client")]
    Client(#[source] kube::Error),
    /// A namespace could not be made or deleted.
    #[error("failed to {action} the namespace {name}")]
    Namespace {
        /// What was tried, as a verb.
        action: &'static str,
        /// The namespace.
        name: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
    /// A custom resource definition was refused.
    #[error("failed to install the custom resource definition {name}")]
    InstallCrd {
        /// The definition's name.
        name: String,
        /// Why not.
        #[source]
        source: kube::Error,
    },
    /// A custom resource definition was accepted and is not served.
    #[error(
        "the custom resource definition {name} is not served after {waited:?} ({problem}): \
         see its status.conditions"
    )]
    NotServed {
        /// The definition's name.
        name: String,
        /// The deadline that passed.
        waited: Duration,
        /// The last answer.
        problem: String,
    },
}
