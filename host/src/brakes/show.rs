//! What `trimtab brakes` prints.

use std::fmt::Write as _;

use anyhow::Context as _;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};
use trimtab_api::Kind;
use trimtab_controller::SystemClock;
use trimtab_controller::brakes::store;
use trimtab_controller::brakes::survey::{Found, KINDS, Survey, Surveyed, survey};
use trimtab_core::brakes::rules::Rules;
use trimtab_core::ports::Clock as _;
use trimtab_core::time::Timestamp;

/// Objects in one page of a list.
const PAGE_SIZE: u32 = 500;

/// Most remediations that are printed; the JSON has all.
const PRINTED_MAX: usize = 50;

/// Reads the cluster and renders what it says.
pub(super) async fn show(
    client: &Client,
    namespace: &str,
    is_everywhere: bool,
    is_json: bool,
) -> anyhow::Result<String> {
    let map = store::fetch(client, namespace).await?;
    let rules = store::rules_of(map.as_ref()).map_err(|fault| fault.to_string());
    let mut found = Found::new();
    for kind in KINDS {
        found.insert(kind, list(client, kind, (!is_everywhere).then_some(namespace)).await?);
    }
    let now = SystemClock.now();
    let seen = survey(rules.as_ref().map_err(String::as_str), &found, now);
    if is_json {
        return Ok(format!("{:#}\n", as_json(&rules, &seen)));
    }
    Ok(as_text(&rules, &seen, now))
}

async fn list(client: &Client, kind: Kind, namespace: Option<&str>) -> anyhow::Result<Vec<DynamicObject>> {
    let resource = kind.api_resource();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let (mut objects, mut next) = (Vec::new(), None);
    loop {
        let parameters = ListParams { limit: Some(PAGE_SIZE), continue_token: next, ..ListParams::default() };
        let page = match api.list(&parameters).await {
            Ok(page) => page,
            // A kind that is not installed has no objects.
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(objects),
            Err(error) => return Err(error).with_context(|| format!("cannot list {kind} objects")),
        };
        objects.extend(page.items);
        next = page.metadata.continue_.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(objects);
        }
    }
}

fn as_text(rules: &Result<Rules, String>, seen: &Survey, now: Timestamp) -> String {
    let mut text = String::new();
    // INVARIANT: writing to a String cannot fail.
    let _ = match rules {
        Err(fault) => writeln!(
            text,
            "The brakes cannot be read: {fault}\nA running controller keeps what it read last; one that starts holds \
             every execution.\n"
        ),
        Ok(rules) => write_rules(&mut text, rules, seen),
    };
    let _ = write_remediations(&mut text, &seen.remediations, now);
    text
}

fn write_rules(text: &mut String, rules: &Rules, seen: &Survey) -> std::fmt::Result {
    if rules.pauses.is_empty() {
        writeln!(text, "Paused: nothing")?;
    } else {
        writeln!(text, "Paused:")?;
    }
    for pause in &rules.pauses {
        let by = if pause.by.is_empty() { "somebody" } else { &pause.by };
        writeln!(text, "  {}  by {by} {}: {}", pause.flags(), pause.at, pause.reason)?;
    }
    match (&rules.breaker.tripped, &rules.limits.failures) {
        (Some(trip), _) => writeln!(text, "Breaker: open since {}: {}", trip.at, trip.text)?,
        (None, Some(limit)) => writeln!(
            text,
            "Breaker: closed; opens at {} % failures of at least {} executions within {}",
            limit.percent, limit.samples, limit.within
        )?,
        (None, None) => writeln!(text, "Breaker: none")?,
    }
    if seen.uses.is_empty() {
        writeln!(text, "Limits: none is set, or none is used")?;
    } else {
        writeln!(text, "Limits:")?;
    }
    for one in &seen.uses {
        writeln!(text, "  {}", one.sentence())?;
    }
    Ok(())
}

fn write_remediations(text: &mut String, remediations: &[Surveyed], now: Timestamp) -> std::fmt::Result {
    if remediations.is_empty() {
        return writeln!(text, "Held: nobody");
    }
    let held = remediations.iter().filter(|one| one.hold.is_some()).count();
    writeln!(text, "Held: {held}; concerned: {}. Their deadlines keep running:", remediations.len())?;
    for one in remediations.iter().take(PRINTED_MAX) {
        let state = if one.hold.is_some() { "held" } else { "goes on" };
        write!(text, "  {}/{}  {}  {state}", one.namespace, one.name, one.phase)?;
        if let Some(next) = one.deadlines.first() {
            let scope = next.scope;
            if next.at >= now {
                write!(text, "  {scope} until {} (in {})", next.at, next.at.since(now))?;
            } else {
                write!(text, "  {scope} passed at {}", next.at)?;
            }
        }
        writeln!(text)?;
        if let Some(hold) = &one.hold {
            writeln!(text, "    {}: {}", hold.rule.code(), hold.text)?;
        }
    }
    if remediations.len() > PRINTED_MAX {
        writeln!(text, "  and {} more; --json prints all", remediations.len() - PRINTED_MAX)?;
    }
    Ok(())
}

fn as_json(rules: &Result<Rules, String>, seen: &Survey) -> Value {
    let remediations: Vec<_> = seen.remediations.iter().map(remediation).collect();
    let mut document = json!({"limitsInUse": seen.uses, "remediations": remediations});
    match rules {
        Ok(rules) => {
            document["pauses"] = json!(rules.pauses);
            document["limits"] = json!(rules.limits);
            document["breaker"] = json!(rules.breaker);
        }
        Err(fault) => document["fault"] = json!(fault),
    }
    document
}

fn remediation(one: &Surveyed) -> Value {
    let deadlines: Vec<_> =
        one.deadlines.iter().map(|next| json!({"scope": next.scope, "at": next.at.to_string()})).collect();
    json!({
        "namespace": one.namespace,
        "name": one.name,
        "phase": one.phase,
        "pausedBy": one.pause,
        "held": one.hold.as_ref().map(|hold| json!({"rule": hold.rule.code(), "text": hold.text})),
        "deadlines": deadlines,
    })
}

#[cfg(test)]
mod tests {
    use trimtab_core::brakes::rules::FailureLimit;
    use trimtab_core::brakes::{Hold, Limit, Pause, Rule, Running, Trip, Use};
    use trimtab_core::time::Span;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_893_456_000_000);

    fn surveyed(name: &str, is_held: bool) -> Surveyed {
        let hold = Hold { rule: Rule::LimitReached, text: "2 of 2 are active.".into(), look_at: NOW };
        Surveyed {
            namespace: "ns".into(),
            name: name.into(),
            phase: "Analyzing",
            pause: None,
            hold: is_held.then_some(hold),
            deadlines: vec![Running { scope: "Analyzing", at: NOW.plus(Span::from_secs(90)) }],
        }
    }

    #[test]
    fn a_person_sees_what_is_paused_limited_open_and_held_and_what_runs_out() {
        let mut rules = Rules::default();
        let seen = Survey::default();
        assert_eq!(
            as_text(&Ok(rules.clone()), &seen, NOW),
            "Paused: nothing\nBreaker: none\nLimits: none is set, or none is used\nHeld: nobody\n"
        );
        rules.pauses.push(Pause {
            labels: "team=web".into(),
            reason: "migration".into(),
            by: "alice".into(),
            at: "2030-01-01T00:00:00Z".into(),
            ..Pause::default()
        });
        rules.limits.failures = Some(FailureLimit { percent: 50, samples: 4, within: Span::from_secs(3600) });
        let uses = vec![Use { limit: Limit::ActiveInNamespace, of: "shop".into(), used: 2, max: 2, frees_at: None }];
        let seen = Survey { uses, remediations: vec![surveyed("a", true), surveyed("b", false)] };
        assert_eq!(
            as_text(&Ok(rules.clone()), &seen, NOW),
            "Paused:\n  --selector team=web  by alice 2030-01-01T00:00:00Z: migration\nBreaker: closed; opens at 50 % \
             failures of at least 4 executions within 1h0m0s\nLimits:\n  2 of 2 executions are active in namespace \
             shop\nHeld: 1; concerned: 2. Their deadlines keep running:\n  ns/a  Analyzing  held  Analyzing until \
             2030-01-01T00:01:30Z (in 1m30s)\n    LimitReached: 2 of 2 are active.\n  ns/b  Analyzing  goes on  \
             Analyzing until 2030-01-01T00:01:30Z (in 1m30s)\n"
        );
        rules.breaker.tripped = Some(Trip { at: "t".into(), text: "2 of the 4 have failed".into() });
        let text = as_text(&Ok(rules.clone()), &seen, NOW);
        assert!(text.contains("Breaker: open since t: 2 of the 4 have failed"), "{text}");
        let json = as_json(&Ok(rules), &seen);
        assert_eq!(json["remediations"][0]["held"]["rule"], "LimitReached");
        assert_eq!(json["pauses"][0]["labels"], "team=web");
        let broken = as_text(&Err("it is no YAML".into()), &Survey::default(), NOW);
        assert!(broken.starts_with("The brakes cannot be read: it is no YAML\n"), "{broken}");
    }
}
