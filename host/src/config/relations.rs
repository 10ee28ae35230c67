//! Rules between keys: what a single value cannot say of itself.

use trimtab_author::error::Finding;
use trimtab_core::time::Span;

use super::keys;
use super::read::{Given, Value, Values, finding};
use super::tree::Place;

/// The phases that the whole remediation has to hold.
const PARTS: [&str; 4] =
    ["timeouts.processing", "timeouts.analyzing", "timeouts.executing", "timeouts.awaitingApproval"];

/// Keys that must not be less than another.
const AT_LEAST: [(&str, &str); 2] = [
    ("routing.exponentialBackoffMax", "routing.exponentialBackoffBase"),
    ("routing.scopeBackoffMax", "routing.scopeBackoffBase"),
];

/// Every fault between the keys of a file.
pub(super) fn faults(file: &str, values: &Values) -> Vec<Finding> {
    let mut faults = Vec::new();
    faults.extend(fleet(file, values));
    faults.extend(whole(file, values));
    faults.extend(AT_LEAST.into_iter().filter_map(|(key, least)| at_least(file, values, key, least)));
    faults.extend(hold(file, values));
    faults
}

/// The length of a key, or its standard.
fn length(values: &Values, path: &str) -> Span {
    match values.get(path) {
        Some(Given { value: Value::Length(length), .. }) => *length,
        _ => keys::standard(path),
    }
}

/// Where a fault is told that lies with several keys: at the first of them that the file has.
fn place(values: &Values, paths: impl IntoIterator<Item = &'static str>) -> Option<Place> {
    paths.into_iter().find_map(|path| values.get(path)).map(|given| given.place)
}

pub(super) fn is_on(values: &Values, path: &str) -> bool {
    values.get(path).is_some_and(|given| given.value == Value::Flag(true))
}

fn fleet(file: &str, values: &Values) -> Option<Finding> {
    let given = values.get("fleet.enabled").filter(|_| is_on(values, "fleet.enabled"))?;
    let message = "fleet.enabled is true: remediations of other clusters are not done here; set it to false, or keep \
                   Kubernaut's orchestrator for the fleet";
    Some(finding(file, given.place, message.to_owned()))
}

/// The whole has to hold its phases.
fn whole(file: &str, values: &Values) -> Option<Finding> {
    let sum = PARTS.iter().map(|path| length(values, path).as_millis()).fold(0, u64::saturating_add);
    let (global, needed) = (length(values, "timeouts.global"), Span::from_millis(sum));
    // Where the file sets none of them, the policy's standards fit each other.
    let place = place(values, std::iter::once("timeouts.global").chain(PARTS)).filter(|_| global < needed)?;
    let message = format!(
        "timeouts.global is {global}: it has to hold processing, analyzing, executing and awaitingApproval together, so \
         at least {needed} is needed"
    );
    Some(finding(file, place, message))
}

fn at_least(file: &str, values: &Values, key: &'static str, other: &'static str) -> Option<Finding> {
    let (given, least) = (length(values, key), length(values, other));
    let place = place(values, [key, other]).filter(|_| given < least)?;
    Some(finding(file, place, format!("{key} is {given}: at least {least} is needed, which is {other}")))
}

/// A quiet time out of bounds only matters where a dry run is on.
fn hold(file: &str, values: &Values) -> Option<Finding> {
    let given = values.get("dryRunHoldPeriod").filter(|_| is_on(values, "dryRun") && !is_hold_lawful(values))?;
    let (least, most) = keys::HOLD;
    let length = length(values, "dryRunHoldPeriod");
    Some(finding(file, given.place, format!("dryRunHoldPeriod is {length}: from {least} to {most} is allowed")))
}

/// Whether the quiet time after a dry run is one that the policy takes.
pub(super) fn is_hold_lawful(values: &Values) -> bool {
    let (least, most) = keys::HOLD;
    (least..=most).contains(&length(values, "dryRunHoldPeriod"))
}
