//! Installs custom resource definitions and waits until they are served.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions::is_crd_established};
use kube::{Api, Client, ResourceExt};
use tokio::time::{Instant, interval, timeout_at};

use super::error::UseError;
use super::{ControlPlane, request};

/// How long the server may take from accepting definitions to serving them.
const SERVED_DEADLINE: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// Tests of one process install the same definitions at the same moment.
const CONFLICTS_MAX: u32 = 10;
const FIELD_OWNER: &str = "trimtab-tests";
const HTTP_CONFLICT: u16 = 409;

impl ControlPlane {
    /// Applies the definitions and waits until each is established and every
    /// version it serves answers. Doing it again is harmless.
    pub async fn install_crds(&self, definitions: Vec<CustomResourceDefinition>) -> Result<(), UseError> {
        let client = self.client()?;
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        for definition in &definitions {
            apply(&api, definition).await?;
        }
        let deadline = Instant::now() + SERVED_DEADLINE;
        for definition in &definitions {
            wait_established(&api, &definition.name_any(), deadline).await?;
            wait_served(&client, definition, deadline).await?;
        }
        Ok(())
    }
}

async fn apply(api: &Api<CustomResourceDefinition>, definition: &CustomResourceDefinition) -> Result<(), UseError> {
    let name = definition.name_any();
    let parameters = PatchParams::apply(FIELD_OWNER).force();
    let mut conflicts = 0;
    loop {
        match api.patch(&name, &parameters, &Patch::Apply(definition)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == HTTP_CONFLICT && conflicts < CONFLICTS_MAX => {
                conflicts += 1;
            }
            Err(source) => return Err(UseError::InstallCrd { name, source }),
        }
    }
}

async fn wait_established(api: &Api<CustomResourceDefinition>, name: &str, deadline: Instant) -> Result<(), UseError> {
    let established = await_condition(api.clone(), name, is_crd_established());
    let problem = match timeout_at(deadline, established).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "not established".to_owned(),
    };
    Err(not_served(name, problem))
}

/// The server's own view of a definition follows the condition by a moment, in
/// which requests are still answered 404.
async fn wait_served(
    client: &Client,
    definition: &CustomResourceDefinition,
    deadline: Instant,
) -> Result<(), UseError> {
    let name = definition.name_any();
    for version in definition.spec.versions.iter().filter(|version| version.served) {
        let path = format!("/apis/{}/{}/{}?limit=1", definition.spec.group, version.name, definition.spec.names.plural);
        let mut ticks = interval(PROBE_INTERVAL);
        loop {
            ticks.tick().await;
            let problem = match timeout_at(deadline, request(client, &path)).await {
                Ok(Ok(())) => break,
                Ok(Err(problem)) => problem,
                Err(_) => format!("no answer from {path}"),
            };
            if Instant::now() >= deadline {
                return Err(not_served(&name, problem));
            }
        }
    }
    Ok(())
}

fn not_served(name: &str, problem: String) -> UseError {
    UseError::NotServed { name: name.to_owned(), waited: SERVED_DEADLINE, problem }
}
