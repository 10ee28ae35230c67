//! Policy sets, with the real program: swapped, pinned, rolled back, left, refused. From a folder, and from objects of either
//! cluster.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use kube::ResourceExt as _;
use kube::api::{DeleteParams, DynamicObject};
use serde_json::{Value, json};
use trimtab_api::{Kind, PolicyKind};
use trimtab_fake_registry::{FakeRegistry, Settings};

#[path = "policies/delays.rs"]
mod delays;
#[path = "policies/stage.rs"]
mod stage;
#[path = "policies/swaps.rs"]
mod swaps;

use stage::{OBJECTS, Place, Stage, at, component, everywhere, in_flight, revision, trimtab};

/// What a condition of an object, or of a report, says: status, reason and message.
fn condition<'a>(told: &'a Value, kind: &str) -> [&'a str; 3] {
    let found = told["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == kind);
    ["status", "reason", "message"].map(|member| found.and_then(|one| one[member].as_str()).unwrap_or(""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remediation_finishes_with_the_revision_that_it_started_with_over_swap_restart_and_rollback() -> Result<()> {
    everywhere(async |mut stage: Stage| {
        stage.write_set(3600, &json!({})).await?;
        stage.start()?;
        let patient = stage.in_force(None).await?;
        stage.create("rr-old", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-old", "Processing").await?)?.revision == patient);
        stage.write_set(2, &json!({})).await?;
        let hasty = stage.in_force(Some(&patient)).await?;
        stage.create("rr-new", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-new", "TimedOut").await?)?.revision == hasty);
        let old = stage.phase("rr-old", "Processing").await?;
        ensure!(revision(&old)?.revision == patient, "it has gone on with another revision: {old}");
        ensure!(in_flight(&stage.report().await?) == [(hasty.as_str(), 0), (patient.as_str(), 1)]);
        stage.start_again()?;
        stage.process("rr-old").await?;
        ensure!(revision(&stage.phase("rr-old", "Analyzing").await?)?.revision == patient, "the restart has moved it");
        let back = |in_flight: &str| json!({"rollback": {"to": patient, "inFlight": in_flight}});
        stage.create("rr-hasty", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-hasty", "TimedOut").await?)?.revision == hasty);
        stage.write_set(2, &back("drain")).await?;
        ensure!(stage.in_force(Some(&hasty)).await? == patient);
        stage.create("rr-after", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-after", "Processing").await?)?.revision == patient);
        stage.check_ledger("rr-new", &hasty)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_reaches_what_follows_or_is_pinned_anew_and_a_value_set_by_hand_wins() -> Result<()> {
    everywhere(async |mut stage: Stage| {
        let following = json!({"pin": "Active"});
        stage.write_set(3600, &following).await?;
        stage.start()?;
        let patient = stage.in_force(None).await?;
        for name in ["rr-follows", "rr-by-hand"] {
            stage.create(name, &json!({})).await?;
            stage.phase(name, "Processing").await?;
        }
        stage.patch(Kind::RemediationRequest, "rr-by-hand", json!({"timeoutConfig": {"processing": "50m"}})).await?;
        stage.write_set(1, &following).await?;
        let hasty = stage.in_force(Some(&patient)).await?;
        ensure!(revision(&stage.phase("rr-follows", "TimedOut").await?)?.revision == hasty);
        ensure!(stage.phase("rr-by-hand", "Processing").await?["status"]["timeoutConfig"]["processing"] == "50m");
        stage.write_set(3600, &json!({})).await?;
        ensure!(stage.in_force(Some(&hasty)).await? == patient, "the same content is the same revision");
        let repinned = json!({"annotations": {"trimtab.dev/policy-revision": hasty}});
        stage.create("rr-pinned", &repinned).await?;
        ensure!(revision(&stage.phase("rr-pinned", "TimedOut").await?)?.revision == hasty);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_leaves_a_revision_that_faults_too_often() -> Result<()> {
    everywhere(async |mut stage: Stage| {
        stage.write_set(3600, &json!({"breaker": {"inARow": 2}})).await?;
        stage.start()?;
        let good = stage.in_force(None).await?;
        stage.put("tests/guests/trap.wasm").await?;
        // The guest takes no config.
        let bare = json!({"slots": {"timeouts": {"config": null}}, "breaker": {"inARow": 2}});
        stage.write_set(3600, &bare).await?;
        let bad = stage.in_force(Some(&good)).await?;
        stage.create("rr-struck", &json!({})).await?;
        let left = |line: &Value| {
            (line["message"] == "a policy revision has faulted too often: everybody leaves it").then(|| line.clone())
        };
        let told = stage.run()?.process.wait_for_log("the breaker", left).await?;
        ensure!(told["revision"] == bad.as_str() && told["next"] == good.as_str(), "{told}");
        ensure!(told["why"] == "2 faults in a row of the timeouts slot", "{told}");
        stage.phase("rr-struck", "Processing").await?;
        // Nothing happens to it: that the revision is left wakes it.
        stage.runs_with(&[(&bad, 0), (&good, 1)]).await?;
        stage.process("rr-struck").await?;
        ensure!(revision(&stage.phase("rr-struck", "Analyzing").await?)?.revision == good, "it has not left");
        stage.start_again()?;
        stage.create("rr-later", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-later", "Processing").await?)?.revision == good, "the restart has forgotten");
        let report = stage.report().await?;
        ensure!(report["sets"][0]["active"] == good.as_str(), "{report}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_is_refused_by_name_and_what_was_in_force_stays() -> Result<()> {
    everywhere(async |mut stage: Stage| {
        stage.write_set(3600, &json!({})).await?;
        stage.start()?;
        let good = stage.in_force(None).await?;
        for (more, words) in [
            (
                json!({"slots": {"timeouts": {"policy": "other"}}}),
                "no Policy is called \"other\" here: name one of lengths",
            ),
            (json!({"slots": {"timeouts": {"config": {"petrol": 1}}}}), "petrol"),
            (json!({"slots": {"transitions": {"policy": "lengths"}}}), "does not fill the transitions slot"),
            (json!({"rollback": {"to": "ffff"}}), "no revision of all is called ffff"),
        ] {
            stage.write_set(3600, &more).await?;
            let refused = |line: &Value| {
                let reason = line["reason"].as_str().filter(|_| line["message"] == "policy set refused");
                reason.filter(|reason| reason.contains(words)).map(str::to_owned)
            };
            stage.run()?.process.wait_for_log(words, refused).await?;
            let report = stage.report().await?;
            ensure!(report["sets"][0]["active"] == good.as_str(), "{report}");
            let [status, reason, message] = condition(&report["sets"][0], "Active");
            ensure!((status, reason) == ("True", "LastGood") && message.contains(words), "{report}");
        }
        let percent = stage.write_set(3600, &json!({"ramp": {"percent": 101}})).await;
        if stage.place == Place::Folder {
            let said = "spec.ramp.percent is 101: set it between 0 and 100";
            let refused = |line: &Value| line["reason"].as_str().filter(|reason| *reason == said).map(str::to_owned);
            stage.run()?.process.wait_for_log(said, refused).await?;
            stage.write("broken.yaml", "kind: PolicySet\n  spec: [")?;
            let broken = |line: &Value| {
                (line["message"] == "policies refused" && line["reason"].as_str()?.contains("broken.yaml:2"))
                    .then_some(())
            };
            stage.run()?.process.wait_for_log("the broken file", broken).await?;
        } else {
            let refused = percent.err().context("the API server has taken 101 percent")?.to_string();
            ensure!(refused.contains("spec.ramp.percent"), "{refused}");
        }
        stage.put("tests/guests/foreign-import.wasm").await?;
        stage.write_set(3600, &json!({})).await?;
        let foreign = |line: &Value| {
            let reason = line["reason"].as_str().filter(|_| line["message"] == "policy set refused");
            reason.filter(|reason| reason.contains("imports wasi:")).map(str::to_owned)
        };
        stage.run()?.process.wait_for_log("the foreign import", foreign).await?;
        // Even a new process goes on with what the ledger has kept.
        stage.start_again()?;
        stage.create("rr-still", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-still", "Processing").await?)?.revision == good);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_tell_what_came_of_them_and_a_policy_is_held_until_nobody_needs_it() -> Result<()> {
    at(&OBJECTS, async |mut stage: Stage| {
        let says = |object: Option<&DynamicObject>, kind: &str, reason: &str| {
            object.is_some_and(|object| {
                let generation = object.metadata.generation == object.data["status"]["observedGeneration"].as_i64();
                condition(&object.data["status"], kind)[1] == reason && generation
            })
        };
        let (policy, set) = (PolicyKind::Policy, PolicyKind::PolicySet);
        stage.write_set(3600, &json!({})).await?;
        stage.start()?;
        let good = stage.in_force(None).await?;
        let all = stage.object_is(set, "all", |object| says(object, "Active", "Answers")).await?.context("a set")?;
        ensure!(all.data["status"]["active"] == good.as_str(), "{all:?}");
        let lengths = stage.object_is(policy, "lengths", |object| says(object, "Active", "Answers")).await?;
        let status = &lengths.context("a policy")?.data["status"];
        ensure!(status["slots"] == json!(["timeouts"]) && status["sets"] == json!(["all"]), "{status}");
        ensure!(status["limits"]["fuel"] == 10_000_000 && status["component"]["name"] == "fixed-timeouts", "{status}");
        for (kind, expected) in [
            ("Fetched", ["True", "Fetched"]),
            ("Verified", ["Unknown", "NotSigned"]),
            ("Compatible", ["True", "Compatible"]),
            ("Compiled", ["True", "Compiled"]),
            ("ConfigValid", ["True", "ConfigValid"]),
        ] {
            let [condition, reason, _] = condition(status, kind);
            ensure!([condition, reason] == expected, "{kind}: {status}");
        }
        stage.create("rr-runs", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-runs", "Processing").await?)?.revision == good);
        stage
            .object_is(policy, "lengths", |object| object.is_some_and(|one| one.data["status"]["inFlight"] == 1))
            .await?;
        // A config that its policy does not take: both say so, and the old revision goes on.
        stage.write_set(3600, &json!({"slots": {"timeouts": {"config": {"petrol": 1}}}})).await?;
        let all = stage.object_is(set, "all", |object| says(object, "ConfigValid", "ConfigAgainstSchema")).await?;
        let status = &all.context("a set")?.data["status"];
        let [condition_, reason, message] = condition(status, "Active");
        ensure!([condition_, reason] == ["True", "LastGood"] && message.contains("petrol"), "{status}");
        stage.object_is(policy, "lengths", |object| says(object, "ConfigValid", "ConfigAgainstSchema")).await?;
        stage.write_set(3600, &json!({})).await?;
        stage.object_is(set, "all", |object| says(object, "Active", "Answers")).await?;
        // Deleted while it is named, and then while a remediation runs with it.
        stage.objects(policy)?.delete("lengths", &DeleteParams::default()).await?;
        let held = stage.object_is(policy, "lengths", |object| says(object, "Active", "HeldUntilDrained")).await?;
        let held = held.context("a policy")?;
        ensure!(condition(&held.data["status"], "Active")[2].contains("named by all"), "{held:?}");
        stage.objects(set)?.delete("all", &DeleteParams::default()).await?;
        let alone = |object: Option<&DynamicObject>| object.is_some_and(|one| one.data["status"]["sets"] == json!([]));
        let held = stage.object_is(policy, "lengths", alone).await?.context("a policy")?;
        ensure!(held.data["status"]["inFlight"] == 1 && !held.finalizers().is_empty(), "{held:?}");
        // Another process, which finds another component behind it, holds it as well.
        stage.put("tests/guests/three-facts.wasm").await?;
        stage.start_again()?;
        stage.process("rr-runs").await?;
        ensure!(revision(&stage.phase("rr-runs", "Analyzing").await?)?.revision == good, "it has left its revision");
        let held = stage.object_is(policy, "lengths", |object| says(object, "Active", "HeldUntilDrained")).await?;
        ensure!(held.is_some_and(|held| held.data["status"]["inFlight"] == 1), "nobody runs with it");
        stage.patch(Kind::RemediationRequest, "rr-runs", json!({"timeoutConfig": {"analyzing": "1s"}})).await?;
        stage.phase("rr-runs", "TimedOut").await?;
        stage.object_is(policy, "lengths", |object| object.is_none()).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_looked_up_once_whichever_process_does_it() -> Result<()> {
    at(&OBJECTS, async |mut stage: Stage| {
        let registry = FakeRegistry::start(Settings::default()).await?;
        let tag = registry.reference("acme/lengths:1");
        trimtab(&["policy", "push", &stage.component_file()?, &tag, "--plain-http"])?;
        stage.write_policy(&json!({"oci": {"reference": tag, "plainHttp": true}})).await?;
        stage.write_set(3600, &json!({})).await?;
        stage.start()?;
        let first = stage.in_force(None).await?;
        let is_told =
            |object: Option<&DynamicObject>| object.is_some_and(|one| one.data["status"]["resolved"].is_string());
        stage.object_is(PolicyKind::Policy, "lengths", is_told).await?;
        // The tag goes to another component; a restart does not follow it, another form of the policy does.
        stage.put("tests/guests/three-facts.wasm").await?;
        trimtab(&["policy", "push", &stage.component_file()?, &tag, "--plain-http"])?;
        stage.start_again()?;
        ensure!(stage.in_force(None).await? == first, "the restart has followed the tag");
        let source = json!({"oci": {"reference": tag, "plainHttp": true}});
        stage.write_policy_spec(json!({"source": source, "limits": {"logBytes": 1000}})).await?;
        let has_other = |object: Option<&DynamicObject>| {
            let name = object.and_then(|one| one.data["status"]["component"]["name"].as_str());
            name.is_some_and(|name| name != "fixed-timeouts")
        };
        stage.object_is(PolicyKind::Policy, "lengths", has_other).await?;
        // A start while the registry is down forgets nothing of it.
        drop(registry);
        stage.start_again()?;
        let is_down = |object: Option<&DynamicObject>| {
            let status = object.map(|object| &object.data["status"]);
            status.is_some_and(|status| condition(status, "Fetched")[1] == "RegistryDown")
        };
        let down = stage.object_is(PolicyKind::Policy, "lengths", is_down).await?.context("a policy")?;
        ensure!(down.data["status"]["resolved"].is_string(), "{down:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_told_at_its_step_and_the_last_good_revision_goes_on() -> Result<()> {
    at(&OBJECTS, async |mut stage: Stage| {
        stage.write_set(3600, &json!({})).await?;
        stage.start()?;
        let good = stage.in_force(None).await?;
        let half = std::fs::read(stage.component_file()?)?.get(..20_000).context("a component")?.to_vec();
        stage.put_as("half", half).await?;
        stage.put_as("foreign", std::fs::read(component("tests/guests/foreign-import.wasm"))?).await?;
        let map = |name: &str| json!({"source": {"configMap": {"name": name, "key": "lengths.wasm"}}});
        let with = |mut spec: Value, member: &str, value: Value| {
            spec[member] = value;
            spec
        };
        let nowhere = "127.0.0.1:1/acme/lengths:1";
        let secret = json!({"source": {"oci": {"reference": nowhere, "pullSecret": {"name": "absent"}}}});
        for (spec, step, reason, mend) in [
            // Of a component that is in force.
            (with(map("lengths"), "digest", json!(NO_DIGEST)), "Fetched", "DigestMismatch", "spec.digest says"),
            (map("absent"), "Fetched", "NotFound", "create it, or mend name and namespace"),
            (map("half"), "Fetched", "ComponentIncomplete", "kubectl create configmap half"),
            (
                with(map("lengths"), "limits", json!({"componentBytes": 1000})),
                "Fetched",
                "TooLarge",
                "raise componentBytes",
            ),
            (
                with(map("lengths"), "limits", json!({"componentBytes": 9_000_000_000_000_u64})),
                "Fetched",
                "LimitOutOfBounds",
                "set it between 1 and",
            ),
            (json!({"source": {"file": {"path": "p.wasm"}}}), "Fetched", "SourceUnsupported", "there are no"),
            (
                json!({"source": {"oci": {"reference": nowhere, "plainHttp": true}}}),
                "Fetched",
                "RegistryDown",
                "127.0.0.1:1",
            ),
            (secret, "Fetched", "PullSecretUnusable", "kubectl create secret docker-registry"),
            (map("foreign"), "Compatible", "ForeignImport", "imports wasi:"),
            (with(map("lengths"), "limits", json!({"fuel": 1})), "Compatible", "MetaFaulted", "raise fuel"),
        ] {
            stage.write_policy_spec(spec).await?;
            let is_told = |object: Option<&DynamicObject>| {
                let told = object.map(|object| condition(&object.data["status"], step));
                told.is_some_and(|[status, why, words]| (status, why) == ("False", reason) && words.contains(mend))
            };
            stage.object_is(PolicyKind::Policy, "lengths", is_told).await?;
            let all = stage.object_is(PolicyKind::PolicySet, "all", is_told).await?.context("a set")?;
            let status = &all.data["status"];
            let [condition, why, _] = condition(status, "Active");
            ensure!([condition, why] == ["True", "LastGood"] && status["active"] == good.as_str(), "{status}");
        }
        stage.create("rr-still", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-still", "Processing").await?)?.revision == good);
        stage.write_policy_spec(map("lengths")).await?;
        stage.write_named_set("a", 3600, &json!({})).await?;
        let shadowed = |object: Option<&DynamicObject>| {
            let told = object.map(|object| condition(&object.data["status"], "Active"));
            told.is_some_and(|[status, why, _]| (status, why) == ("False", "NeverAnswers"))
        };
        // Of two sets that select the same the first by name answers.
        stage.object_is(PolicyKind::PolicySet, "all", shadowed).await?;
        Ok(())
    })
    .await
}

/// The digest of nothing that is here.
const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The set's spec with two policies in the timeouts slot: an hour for processing, and a second.
fn two(rule: &str) -> Value {
    let lengths = |length: &str| json!({"policy": "lengths", "config": {"default": {"processing": length}}});
    json!({"slots": {"timeouts": {"rule": rule, "policies": [lengths("1h"), lengths("1s")]}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_policies_fill_the_timeouts_slot_and_the_rule_picks_among_them() -> Result<()> {
    everywhere(async |mut stage: Stage| {
        stage.write_spec(two("latest")).await?;
        stage.start()?;
        let latest = stage.in_force(None).await?;
        stage.create("rr-latest", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-latest", "Processing").await?)?.revision == latest);
        stage.write_spec(two("earliest")).await?;
        let earliest = stage.in_force(Some(&latest)).await?;
        stage.create("rr-earliest", &json!({})).await?;
        let timed_out = stage.phase("rr-earliest", "TimedOut").await?;
        ensure!(revision(&timed_out)?.revision == earliest);
        let answered = trimtab_api::mapping::record(&timed_out)?.slots;
        let configs = ["timeouts", "timeouts/2"].map(|seat| answered.get(seat).map(|one| one.config.clone()));
        ensure!(configs.iter().all(Option::is_some) && configs[0] != configs[1], "{configs:?}");
        stage.write_spec(two("first-that-answers")).await?;
        let first = stage.in_force(Some(&earliest)).await?;
        stage.create("rr-first", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-first", "Processing").await?)?.revision == first);
        // Its second policy's deadline is long past: it was never asked.
        let latest_still = stage.phase("rr-latest", "Processing").await?;
        ensure!(revision(&latest_still)?.revision == latest, "{latest_still}");
        let metrics = stage.run()?.metrics().await?;
        check_times(&metrics, &[&latest, &earliest, &first])?;
        let data = stage.data().to_str().context("a path that is not UTF-8")?.to_owned();
        // A long line is folded.
        let explained = |arguments: &[&str]| {
            let text = trimtab(&[&["explain"], arguments, &["--data", &data]].concat())?;
            anyhow::Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let earlier = explained(&["rr-earliest"])?;
        ensure!(earlier.contains("decided; earliest of 2: policy 2, fixed-timeouts"), "{earlier}");
        let later = explained(&["rr-latest", "--all"])?;
        ensure!(later.contains("left; latest of 2: policy 1, fixed-timeouts"), "{later}");
        stage.check_ledger("rr-earliest", &earliest)?;
        // The schema of the objects refuses the same before it is here.
        if stage.place != Place::Folder {
            return Ok(());
        }
        let lengths = json!({"policy": "lengths"});
        for (slots, words) in [
            (
                json!({"transitions": {"rule": "latest", "policies": [{}, {}]}}),
                "only the timeouts slot can have several",
            ),
            (json!({"timeouts": {"rule": "latest", "policies": []}}), "its list of policies is empty: name 1 to 8"),
            (
                json!({"timeouts": {"rule": "latest", "policies": vec![lengths.clone(); 9]}}),
                "it has 9 policies: at most 8",
            ),
            (json!({"timeouts": {"policies": [lengths.clone()]}}), "write one of earliest, latest, first-that-answers"),
            (json!({"timeouts": {"rule": "latest", "policy": "lengths"}}), "it has a rule and no policies"),
            (
                json!({"timeouts": {"rule": "latest", "policies": [lengths.clone()], "policy": "lengths"}}),
                "it has policies and a policy, config or failStrategy beside them",
            ),
        ] {
            stage.write_spec(json!({"slots": slots})).await?;
            let refused = |line: &Value| {
                let reason = line["reason"].as_str().filter(|_| line["message"] == "policy set refused");
                reason.filter(|reason| reason.contains(words)).map(str::to_owned)
            };
            stage.run()?.process.wait_for_log(words, refused).await?;
            ensure!(stage.report().await?["sets"][0]["active"] == first.as_str(), "{words}");
        }
        stage.write_spec(json!({"slots": {"timeouts": {"rule": "loudest", "policies": [lengths]}}})).await?;
        let unknown = |line: &Value| {
            let reason = line["reason"].as_str().filter(|_| line["message"] == "policies refused");
            reason.filter(|reason| reason.contains("loudest") && reason.contains("first-that-answers")).map(|_| ())
        };
        stage.run()?.process.wait_for_log("the unknown rule", unknown).await?;
        Ok(())
    })
    .await
}

/// The program tells how long evaluations of these revisions took, and what the engine did.
fn check_times(metrics: &str, revisions: &[&String]) -> Result<()> {
    let count = |line: &str| -> Option<u64> { line.rsplit_once(' ')?.1.parse().ok() };
    for revision in revisions {
        let labels = format!(r#"slot="timeouts",set="all",revision="{revision}",outcome="answered""#);
        let of = |part: &str| -> Vec<&str> {
            let name = format!("trimtab_policy_evaluation_microseconds_{part}{{");
            metrics.lines().filter(|line| line.starts_with(&name) && line.contains(&labels)).collect()
        };
        let counted = |lines: &[&str]| lines.iter().filter_map(|line| count(line)).collect::<Vec<_>>();
        let (all, buckets) = (of("count"), of("bucket"));
        ensure!(all.len() == 1 && counted(&all)[0] > 0, "no evaluation of {revision} is counted:\n{metrics}");
        ensure!(buckets.len() == 14 && counted(&buckets).is_sorted(), "{buckets:?}");
        ensure!(counted(&buckets).last() == counted(&all).first(), "{all:?} {buckets:?}");
        for bound in ["10.0", "100000.0", "+Inf"] {
            let bound = format!("le=\"{bound}\"");
            ensure!(buckets.iter().any(|line| line.contains(&bound)), "no {bound} in {buckets:?}");
        }
    }
    for name in ["load_microseconds_count", "swap_microseconds_count", "components_loaded", "code_bytes"] {
        let name = format!("trimtab_policy_{name} ");
        let told: Vec<_> = metrics.lines().filter(|line| line.starts_with(&name)).filter_map(count).collect();
        ensure!(told.len() == 1 && told[0] > 0, "{name}is not told:\n{metrics}");
    }
    // What the compile cache has is not compiled.
    ensure!(metrics.lines().any(|line| line.starts_with("trimtab_policy_compile_microseconds_count ")), "{metrics}");
    Ok(())
}

/// A key pair in PEM, by the usual tool.
fn key(folder: &Path, name: &str) -> Result<(String, String)> {
    let private = folder.join(format!(".{name}.pem"));
    let private = private.to_str().context("a path that is not UTF-8")?;
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output();
        let output = output.context("openssl cannot be started: apt-get install openssl")?;
        ensure!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        anyhow::Ok(String::from_utf8(output.stdout)?)
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", private])?;
    Ok((private.to_owned(), openssl(&["pkey", "-in", private, "-pubout"])?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_a_registry_runs_once_its_signature_is_trusted_and_goes_on_without_the_registry() -> Result<()> {
    everywhere(async |mut stage: Stage| {
        let registry = FakeRegistry::start(Settings::default()).await?;
        let tag = registry.reference("acme/lengths:1");
        let pushed = trimtab(&["policy", "push", &stage.component_file()?, &tag, "--plain-http"])?;
        let pinned = pushed.lines().next().context("no reference")?.to_owned();
        let source = |reference: &str| json!({"oci": {"reference": reference, "plainHttp": true}});
        let (private, public) = key(stage.folder(), "acme")?;
        let rules = json!({"requireDigest": true, "rules": [
            {"registry": registry.reference("acme"), "required": true, "keys": [{"name": "acme", "publicKey": public}]},
        ]});
        stage.write_trust(&rules)?;
        stage.write_policy(&source(&tag)).await?;
        stage.write_set(3600, &json!({})).await?;
        stage.start()?;
        let refused = |words: &'static str| {
            move |line: &Value| {
                let reason = line["reason"].as_str().filter(|_| line["message"] == "policy set refused");
                reason.filter(|reason| reason.contains(words)).map(str::to_owned)
            }
        };
        stage.run()?.process.wait_for_log("the tag", refused("digest")).await?;
        stage.write_policy(&source(&pinned)).await?;
        stage.run()?.process.wait_for_log("the missing signature", refused("requires a signature")).await?;
        trimtab(&["policy", "sign", &pinned, "--key", &private, "--plain-http"])?;
        // What could not be fetched is tried again after half a minute, or at the next start.
        stage.start_again()?;
        let good = stage.in_force(None).await?;
        stage.create("rr-signed", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-signed", "Processing").await?)?.revision == good);
        let told = &stage.report().await?["policies"][0];
        let [status, reason, message] = condition(told, "Verified");
        ensure!([status, reason, message] == ["True", "Verified", "verified by the key acme"], "{told}");
        ensure!(told["resolved"] == pinned.as_str(), "{told}");
        drop(registry);
        stage.start_again()?;
        let kept =
            |line: &Value| (line["message"] == "policy set refused" && line["kept"] == good.as_str()).then_some(());
        stage.run()?.process.wait_for_log("what was kept", kept).await?;
        stage.create("rr-alone", &json!({})).await?;
        ensure!(revision(&stage.phase("rr-alone", "Processing").await?)?.revision == good);
        Ok(())
    })
    .await
}
