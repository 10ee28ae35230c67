//! The audit trail: queried, exported, verified, and found to be damaged where it is.

use crate::error::{BAD_INPUT, FAILED, FINE};
use crate::theatre::{self, COMPLETED, Theatre, UNTIL_ANALYZED};
use serde_json::Value;

fn two() -> Theatre {
    let mut theatre = Theatre::new();
    theatre.play(&[UNTIL_ANALYZED, COMPLETED].concat());
    theatre.play(theatre::FAILED);
    theatre.close();
    theatre
}

fn query(theatre: &Theatre, line: &str) -> Value {
    let (code, text, _) = theatre.typed(&format!("audit query {line} --output json"));
    assert_eq!(code, FINE, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn events_are_found_by_what_they_are() {
    let theatre = two();
    let all = query(&theatre, "");
    assert_eq!(all["total"], all["events"].as_array().unwrap().len());
    let of_disk = query(&theatre, "--correlation rr-disk");
    assert!(of_disk["events"].as_array().unwrap().iter().all(|event| event["correlationId"] == "rr-disk"));
    let started = query(&theatre, "--type orchestrator.lifecycle.started");
    assert_eq!((&started["total"], &started["events"][0]["state"]), (&2.into(), &"waiting".into()));
    assert_eq!(started["events"][0]["body"]["event_type"], "orchestrator.lifecycle.started");
    assert_eq!(query(&theatre, "--state delivered")["total"], 0);
    assert_eq!(query(&theatre, "--since 2026-01-01T12:07:00Z")["total"], 2);
    assert_eq!(query(&theatre, "--until 2026-01-01T12:00:00Z")["total"], 0);
    let last = query(&theatre, "--correlation rr-oom --limit 1");
    assert_eq!(last["events"][0]["type"], "orchestrator.lifecycle.completed", "the latest");
    let (_, text, _) = theatre.typed("audit query --correlation rr-oom --limit 1");
    assert!(text.ends_with("the latest 1 of 10: more with --limit\n"), "{text}");
    assert_eq!(theatre.typed("audit query --type nothing").1, "no such event is in the ledger\n");
}

#[test]
fn an_export_holds_whole_envelopes_with_their_ids() {
    let theatre = two();
    let (code, text, _) = theatre.typed("audit export --correlation rr-oom");
    assert_eq!(code, FINE);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let known = query(&theatre, "--correlation rr-oom");
    assert_eq!(lines.len(), known["events"].as_array().unwrap().len());
    assert_eq!(lines[0]["event_id"], known["events"][0]["id"]);
    assert_eq!((&lines[0]["version"], &lines[0]["correlation_id"]), (&"1.0".into(), &"rr-oom".into()));
    let whole: Vec<Value> =
        serde_json::from_str(&theatre.typed("audit export --format json --correlation rr-oom").1).unwrap();
    assert_eq!(whole, lines);
    assert_eq!(theatre.typed("audit export --format json --correlation nobody").1, "[]\n");
    let file = theatre.path("trail.ndjson");
    let (_, said, _) = theatre.typed(&format!("audit export --correlation rr-oom --file {file}"));
    assert_eq!(said, format!("{file}: 10 events\n"));
    assert_eq!(std::fs::read_to_string(file).unwrap(), text);
}

#[test]
fn a_sound_ledger_is_verified() {
    let theatre = two();
    let (code, text, _) = theatre.typed("audit verify");
    assert_eq!(code, FINE, "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("audit events in 2 chains: all as they were recorded"), "{text}");
    assert!(lines[1].contains(" KiB in the file, ") && lines[1].ends_with(" KiB for each of 2 remediations"), "{text}");
    assert!(theatre.typed("audit verify --correlation rr-disk").1.contains(" in 1 chain: "));
    let (code, text, _) = theatre.typed("audit verify --correlation rr-disc");
    assert_eq!((code, text.contains("no entry belongs to \"rr-disc\"")), (BAD_INPUT, true));
}

#[test]
fn every_damaged_row_is_named() {
    let theatre = two();
    theatre.damage("UPDATE entry SET sequence = 9 WHERE id = 3");
    theatre.damage("UPDATE event SET body = replace(body, 'rr-disk', 'rr-dusk') WHERE correlation = 'rr-disk' AND type LIKE '%started'");
    let (code, text, _) = theatre.typed("audit verify");
    assert_eq!(code, FAILED);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("rr-oom, entry 3: its hash does not match")), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("rr-disk, entry ") && line.contains(", event ")), "{text}");
    let (_, damaged) = lines.split_last().unwrap();
    assert!(damaged.last().unwrap().ends_with(&format!(": {} damaged", damaged.len() - 1)), "{text}");
    let (code, text, _) = theatre.typed("audit verify --output json");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["isSound"], &report["chains"]), (FAILED, &false.into(), &2.into()));
}
