//! `trimtab cluster`: the embedded API with its stand-ins, for development.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use trimtab_embedded_cluster::{ClusterConfig, ClusterError, EmbeddedCluster, Laws, StandIns, WallClock};

use crate::cli::ClusterArguments;
use crate::config::Configuration;
use crate::stop::stop_signal;
use crate::{bad_input, logging, paths};

/// Namespace that the stand-ins serve.
const NAMESPACE: &str = "kubernaut-system";

/// Runs until told to stop.
pub(crate) async fn main(arguments: ClusterArguments) -> anyhow::Result<()> {
    logging::start(&arguments.log, &Configuration::default())?;
    let data = match arguments.data {
        Some(folder) => folder,
        None => paths::data(None)?.join("cluster"),
    };
    let laws: Laws = arguments.laws.as_deref().map(paths::read_document).transpose()?.unwrap_or_default();
    let config = ClusterConfig { data: Some(data.clone()), crds: trimtab_api::crds(), ..ClusterConfig::default() };
    let cluster = EmbeddedCluster::open(config).map_err(mendable)?;
    let address = arguments.listen.unwrap_or(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
    let listening = cluster.listen(address).await.map_err(mendable)?;
    let stand_ins = if arguments.no_stand_ins {
        None
    } else {
        let running = StandIns::spawn(cluster.client(), NAMESPACE.to_owned(), laws, WallClock::default());
        Some(running.map_err(bad_input)?)
    };
    let kubeconfig = data.join("kubeconfig");
    paths::write_private(&kubeconfig, listening.kubeconfig().as_bytes())
        .with_context(|| format!("cannot write {}", kubeconfig.display()))?;
    let stop = stop_signal(arguments.exit_on_stdin_close);
    tracing::info!(address = %listening.addr, kubeconfig = %kubeconfig.display(), stand_ins = stand_ins.is_some(), "cluster ready");
    stop.await;
    if let Some(running) = stand_ins {
        running.shutdown().await;
    }
    listening.shutdown().await;
    cluster.close();
    tracing::info!("stopped");
    Ok(())
}

/// What the caller can mend by another argument.
fn mendable(error: ClusterError) -> anyhow::Error {
    match error {
        ClusterError::InUse { .. } | ClusterError::NotLoopback { .. } | ClusterError::AddressInUse { .. } => {
            bad_input(error)
        }
        other => other.into(),
    }
}
