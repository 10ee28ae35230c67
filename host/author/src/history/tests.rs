//! Which remediations are listed, and what is said of each.

use crate::error::FINE;
use crate::theatre::{self, COMPLETED, TIMED_OUT, Theatre, UNTIL_ANALYZED};
use trimtab_core::proposal::Slot;
use trimtab_core::time::Span;
use trimtab_policy_engine::{BUILTIN, Digest, Limits};

fn three() -> Theatre {
    let mut theatre = Theatre::new();
    theatre.play(&[UNTIL_ANALYZED, COMPLETED].concat());
    theatre.put(&[Slot::Timeouts], "fixed-timeouts", "", Limits::DEFAULT);
    theatre.play(theatre::FAILED);
    let late = [UNTIL_ANALYZED, TIMED_OUT].concat().replace("uid: u-1", "uid: u-3").replace("rr-oom", "rr-late");
    theatre.play(&late.replace("observation: {", "observation: {target: {kind: Node, name: n1, namespace: ''}, "));
    theatre.close();
    theatre
}

fn names(theatre: &Theatre, line: &str) -> Vec<String> {
    let (code, text, _) = theatre.typed(&format!("{line} --output json"));
    assert_eq!(code, FINE, "{text}");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn remediations_are_told_apart_by_target_signal_digest_and_time() {
    let mut theatre = three();
    assert_eq!(names(&theatre, "history"), ["rr-oom", "rr-late", "rr-disk"]);
    assert_eq!(names(&theatre, "history --limit 1"), ["rr-late"], "the one that was decided on last");
    assert_eq!(names(&theatre, "history --target node/n1"), ["rr-late"]);
    assert_eq!(names(&theatre, "history --target default/Deployment/shop --limit 1"), ["rr-disk"]);
    assert_eq!(names(&theatre, "history --signal DiskFull"), ["rr-disk"]);
    assert_eq!(names(&theatre, "history --namespace elsewhere"), [""; 0]);
    let fixed = Digest::of(&std::fs::read(theatre::component("fixed-timeouts")).unwrap()).hexadecimal();
    assert_eq!(names(&theatre, &format!("history --digest {}", &fixed[..8])), ["rr-late", "rr-disk"]);
    assert_eq!(names(&theatre, &format!("history --digest {}", Digest::of(BUILTIN))).len(), 3);
    theatre.now = theatre.now.plus(Span::from_secs(3600));
    assert_eq!(names(&theatre, "history --since 1h1s"), ["rr-late"], "the others ended earlier");
    assert_eq!(names(&theatre, "history --since 2030-01-01T00:00:00Z"), [""; 0]);
}

#[test]
fn a_row_says_how_it_ended_and_who_decided() {
    let theatre = three();
    let (_, text, _) = theatre.typed("history");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("STARTED ") && lines.len() == 4, "{text}");
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(
        words[..5],
        ["2026-01-01T12:00:00Z", "7m11s", "default/Deployment/shop", "KubePodCrashLooping", "Remediated"]
    );
    assert_eq!(words[6], "shop/rr-oom");
    let ended: Vec<&str> = lines[2..].iter().map(|line| line.split_whitespace().nth(4).unwrap()).collect();
    assert_eq!(ended, ["TimedOut", "Failed"]);
    let both = lines[2].split_whitespace().nth(5).unwrap();
    assert_eq!(both.split(',').count(), 2, "two components decided: {both}");
    assert_eq!(theatre.typed("history --signal Unheard").1, "no such remediation is in the ledger\n");
}
