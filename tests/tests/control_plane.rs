//! The control-plane fixture against the control plane it starts.

use std::env;
use std::os::unix::fs::symlink;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, ResourceExt};
use serde_json::json;
use trimtab_tests::control_plane::{ControlPlane, Source, StartError, StartOptions, is_quick_run};

/// How long upstream's garbage collector may take here.
const COLLECTED_DEADLINE: Duration = Duration::from_mins(1);

/// The shared control plane, or nothing in a quick run without one.
async fn control_plane(test: &str) -> Result<Option<&'static ControlPlane>> {
    match ControlPlane::shared().await {
        Ok(control_plane) => Ok(Some(control_plane)),
        Err(StartError::NotBuilt { program }) if is_quick_run() => {
            eprintln!("left out in a quick run: {test} ({} is not built)", program.display());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn definition(plural: &str, kind: &str) -> Result<CustomResourceDefinition> {
    let definition = serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.fixture.trimtab.dev")},
        "spec": {
            "group": "fixture.trimtab.dev",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.owner"}],
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {"type": "object", "properties": {"owner": {"type": "string"}}},
                        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
                    },
                }},
            }],
        },
    }));
    definition.context("the sample definition is not valid")
}

fn api(control_plane: &ControlPlane, namespace: &str, kind: &str) -> Result<Api<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("fixture.trimtab.dev", "v1", kind));
    Ok(Api::namespaced_with(control_plane.client()?, namespace, &resource))
}

fn object(name: &str, kind: &str, owner: Option<&DynamicObject>) -> DynamicObject {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("fixture.trimtab.dev", "v1", kind));
    let mut object = DynamicObject::new(name, &resource).data(json!({"spec": {"owner": "a"}}));
    if let Some(owner) = owner {
        let reference = json!([{
            "apiVersion": "fixture.trimtab.dev/v1", "kind": kind,
            "name": owner.name_any(), "uid": owner.uid(),
        }]);
        object.metadata.owner_references = serde_json::from_value(reference).ok();
    }
    object
}

#[tokio::test]
async fn each_test_has_a_namespace_of_its_own() -> Result<()> {
    let Some(control_plane) = control_plane("each_test_has_a_namespace_of_its_own").await? else {
        return Ok(());
    };
    let (first, second) = (control_plane.namespace().await?, control_plane.namespace().await?);
    assert_ne!(first, second);
    let config_maps: Api<ConfigMap> = Api::namespaced(control_plane.client()?, &first);
    let made = ConfigMap {
        metadata: ObjectMeta { name: Some("mine".to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    };
    config_maps.create(&PostParams::default(), &made).await?;
    let others: Api<ConfigMap> = Api::namespaced(control_plane.client()?, &second);
    assert!(others.get_opt("mine").await?.is_none());
    control_plane.delete_namespace(&first).await?;
    control_plane.delete_namespace(&second).await?;
    Ok(())
}

#[tokio::test]
async fn an_installed_definition_is_served_at_once_and_may_be_installed_again() -> Result<()> {
    let Some(control_plane) = control_plane("an_installed_definition_is_served_at_once").await? else {
        return Ok(());
    };
    let namespace = control_plane.namespace().await?;
    let definitions = || -> Result<Vec<_>> { Ok(vec![definition("plums", "Plum")?, definition("pears", "Pear")?]) };
    let (first, second) =
        tokio::join!(control_plane.install_crds(definitions()?), control_plane.install_crds(definitions()?),);
    first?;
    second?;
    for kind in ["Plum", "Pear"] {
        let api = api(control_plane, &namespace, kind)?;
        api.create(&PostParams::default(), &object("one", kind, None)).await?;
        let patch = Patch::Merge(json!({"status": {"phase": "Ripe"}}));
        let patched = api.patch_status("one", &PatchParams::default(), &patch).await?;
        assert_eq!(patched.metadata.generation, Some(1));
        assert_eq!(patched.data["status"]["phase"], "Ripe");
    }
    control_plane.delete_namespace(&namespace).await?;
    Ok(())
}

#[tokio::test]
async fn children_go_with_their_owner() -> Result<()> {
    let Some(control_plane) = control_plane("children_go_with_their_owner").await? else {
        return Ok(());
    };
    if !control_plane.has_garbage_collector() {
        eprintln!("left out: children_go_with_their_owner (no garbage collector here)");
        return Ok(());
    }
    let namespace = control_plane.namespace().await?;
    control_plane.install_crds(vec![definition("figs", "Fig")?]).await?;
    let api = api(control_plane, &namespace, "Fig")?;
    let parent = api.create(&PostParams::default(), &object("parent", "Fig", None)).await?;
    let child = object("child", "Fig", Some(&parent));
    let child = api.create(&PostParams::default(), &child).await?;
    let uid = child.uid().context("the child has no uid")?;
    api.delete("parent", &DeleteParams::background()).await?;
    let gone = await_condition(api, "child", conditions::is_deleted(&uid));
    tokio::time::timeout(COLLECTED_DEADLINE, gone).await.context("the child is still there")??;
    control_plane.delete_namespace(&namespace).await?;
    Ok(())
}

#[tokio::test]
async fn a_program_under_test_may_use_the_kubeconfig_file() -> Result<()> {
    let Some(control_plane) = control_plane("a_program_under_test_may_use_the_kubeconfig").await? else {
        return Ok(());
    };
    let given = Source::Given(control_plane.kubeconfig().to_owned());
    let again = ControlPlane::start_from(given, &StartOptions::default()).await?;
    again.client()?.apiserver_version().await?;
    assert!(again.process_ids().is_empty());

    let flags = StartOptions { api_server_arguments: vec!["--v=4".to_owned()] };
    let refused = ControlPlane::start_from(again.source().clone(), &flags).await;
    assert!(matches!(refused, Err(StartError::FlagsForGiven { .. })));
    Ok(())
}

#[tokio::test]
async fn a_wrong_flag_fails_the_start_with_the_servers_own_words() -> Result<()> {
    let source = match Source::from_environment() {
        Ok(Source::Given(_)) => {
            eprintln!("left out: a_wrong_flag_fails_the_start (the control plane is given)");
            return Ok(());
        }
        Err(StartError::NotBuilt { .. }) if is_quick_run() => {
            eprintln!("left out in a quick run: a_wrong_flag_fails_the_start");
            return Ok(());
        }
        other => other?,
    };
    let options = StartOptions { api_server_arguments: vec!["--no-such-flag".to_owned()] };
    let Err(error) = ControlPlane::start_from(source, &options).await else {
        bail!("the start did not fail");
    };
    assert!(error.to_string().contains("unknown flag: --no-such-flag"), "{error}");
    Ok(())
}

/// The bundled program is also the two stock programs, by name.
#[tokio::test]
async fn a_folder_of_assets_serves_without_a_garbage_collector() -> Result<()> {
    let program = match Source::from_environment() {
        Ok(Source::Bundled(program)) => program,
        Err(StartError::NotBuilt { .. }) if is_quick_run() => {
            eprintln!("left out in a quick run: a_folder_of_assets_serves");
            return Ok(());
        }
        other => {
            other?;
            eprintln!("left out: a_folder_of_assets_serves (the bundled program is not used)");
            return Ok(());
        }
    };
    let assets = tempfile::tempdir()?;
    for name in ["etcd", "kube-apiserver"] {
        symlink(&program, assets.path().join(name))?;
    }
    let source = Source::Assets(assets.path().to_owned());
    let control_plane = ControlPlane::start_from(source, &StartOptions::default()).await?;
    assert!(!control_plane.has_garbage_collector());
    control_plane.install_crds(vec![definition("limes", "Lime")?]).await?;
    let namespace = control_plane.namespace().await?;
    let api = api(&control_plane, &namespace, "Lime")?;
    api.create(&PostParams::default(), &object("one", "Lime", None)).await?;

    let folder = control_plane.kubeconfig().parent().map(std::path::Path::to_owned);
    let folder = folder.context("the kubeconfig has no folder")?;
    assert!(folder.starts_with(env::temp_dir()));
    let config = control_plane.config().clone();
    drop(control_plane);
    assert!(!folder.exists(), "{} is left behind", folder.display());
    let client = kube::Client::try_from(config)?;
    assert!(client.apiserver_version().await.is_err());
    Ok(())
}
