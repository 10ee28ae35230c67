//! What is written is read back; what was cut off or changed is noticed; other commands take it.

use serde_json::Value;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::Limits;

use super::*;
use crate::error::{BAD_INPUT, FAILED, FINE};
use crate::theatre::{self, ASKED, COMPLETED, REJECTED, Theatre, UNANSWERED, UNTIL_ANALYZED};

fn recorded() -> (Theatre, String) {
    let mut theatre = Theatre::new();
    theatre.put(&[Slot::Timeouts], "fixed-timeouts", r#"{"default":{"analyzing":"7m"}}"#, Limits::DEFAULT);
    theatre.play(&[UNTIL_ANALYZED, COMPLETED].concat());
    let file = theatre.path("recorded.ndjson");
    let (code, text, _) = theatre.close().typed(&format!("policy record rr-oom --out {file}"));
    assert_eq!(code, FINE, "{text}");
    (theatre, file)
}

fn fault(file: &str) -> String {
    let read = || -> Result<(), crate::error::AuthorError> {
        let mut reader = BundleReader::open(std::path::Path::new(file))?;
        while reader.next_record()?.is_some() {}
        Ok(())
    };
    read().unwrap_err().to_string()
}

#[test]
fn everything_that_a_record_names_stands_before_it() {
    let (_theatre, file) = recorded();
    let mut reader = BundleReader::open(std::path::Path::new(&file)).unwrap();
    assert_eq!(reader.header().version, VERSION);
    let mut count = 0;
    while let Some(record) = reader.next_record().unwrap() {
        count += 1;
        let held = reader.held();
        assert!(held.environments.contains_key(record.environment.as_ref().unwrap()));
        for revision in revisions(&record.record) {
            assert!(held.components.contains_key(&revision.digest) && held.configs.contains_key(&revision.config));
        }
    }
    assert!(count > 10);
    assert_eq!((reader.held().components.len(), reader.held().configs.len()), (2, 2));
}

#[test]
fn a_file_that_was_cut_off_or_changed_is_noticed() {
    let (theatre, file) = recorded();
    let text = std::fs::read_to_string(&file).unwrap();
    let with = |name: &str, text: &str| {
        let file = theatre.path(name);
        std::fs::write(&file, text).unwrap();
        fault(&file)
    };
    let half = text.lines().take(6).collect::<Vec<_>>().join("\n");
    assert!(with("half", &half).contains("it is cut off after "), "{}", with("half", &half));
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(with("newer", &newer).contains(":1:1: it has version 2, this trimtab reads 1: use a newer trimtab"));
    let changed = text.replacen("7m", "9m", 1);
    assert!(
        with("changed", &changed).contains("it was changed after it was recorded"),
        "{}",
        with("changed", &changed)
    );
    assert!(with("other", "{}\n").contains("this is no file of recorded decisions: trimtab policy record makes one"));
    let without: Vec<&str> = text.lines().filter(|line| !line.starts_with("{\"record\":{\"number\":2,")).collect();
    assert!(with("without", &without.join("\n")).contains("record 3 stands where 2 belongs"));
}

#[test]
fn an_observation_is_picked_by_its_number() {
    let (theatre, file) = recorded();
    let policy = theatre::component("kubernaut").display().to_string();
    let (code, text, _) = theatre.typed(&format!("policy run {policy} --observation {file}#2"));
    assert_eq!(code, FINE, "{text}");
    assert!(text.contains("targetPhase  Processing") && text.contains("create  SignalProcessing"), "{text}");
    let (code, text, _) = theatre.typed(&format!("policy run {policy} --observation {file}"));
    assert!(code == FINE && text.contains("Completed"), "the last one: {text}");
    let (code, text, _) = theatre.typed(&format!("policy run {policy} --observation {file}#99"));
    assert_eq!(code, BAD_INPUT);
    assert!(text.starts_with("there is no record 99 in "), "{text}");
}

#[test]
fn test_cases_made_of_records_pass_with_the_policy_that_was_recorded() {
    let mut theatre = Theatre::new();
    theatre.play(&[UNTIL_ANALYZED, COMPLETED].concat());
    for (uid, end) in [("u-4", REJECTED), ("u-5", UNANSWERED)] {
        let story = [UNTIL_ANALYZED, ASKED, end].concat();
        theatre.play(&story.replace("rr-oom", &format!("rr-{uid}")).replace("uid: u-1", &format!("uid: {uid}")));
    }
    let (file, cases) = (theatre.path("recorded.ndjson"), theatre.path("cases.yaml"));
    theatre.close().typed(&format!("policy record --since 24h --out {file}"));
    let (code, text, told) = theatre.typed(&format!("policy test --from {file} --out {cases}"));
    assert_eq!(code, FINE, "{text}");
    // After the end nobody is asked.
    assert!(told.iter().all(|line| line.contains("or nothing was answered")), "{told:?}");
    let policy = theatre::component("kubernaut").display().to_string();
    let (code, text, _) = theatre.typed(&format!("policy test {cases} --component {policy}"));
    assert_eq!(code, FINE, "{text}");
    let step = std::fs::read_to_string(&cases).unwrap().matches("step:").count();
    assert!(step > 20, "{step} steps");
    let (_, text, _) = theatre.typed(&format!("policy test --from {file} --slot timeouts"));
    assert!(text.contains("deadlines:") && !text.contains("intent:") && !text.contains("step:"), "{text}");
    let fixed = theatre::component("fixed-timeouts").display().to_string();
    std::fs::write(&cases, text).unwrap();
    let (code, text, _) = theatre.typed(&format!("policy test {cases} --component {fixed}"));
    assert_eq!(code, FAILED, "what the two differ in: {text}");
}

#[test]
fn two_policies_are_compared_on_what_was_recorded() {
    let (theatre, file) = recorded();
    let policy = theatre::component("fixed-timeouts").display().to_string();
    let (one, other) = (theatre.path("a.yaml"), theatre.path("b.yaml"));
    std::fs::write(&one, "default: {analyzing: 10m}\n").unwrap();
    std::fs::write(&other, "default: {analyzing: 11m}\n").unwrap();
    let line = format!("policy diff {policy} {policy} --from {file} --config-a {one}");
    let (code, text, _) = theatre.typed(&format!("{line} --config-b {other} --output json"));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, FAILED);
    assert_eq!((&report["isComplete"], &report["examples"][0]["isConsistent"]), (&true.into(), &true.into()));
    let records = std::fs::read_to_string(&file).unwrap().matches("{\"record\":{\"number\"").count();
    assert_eq!(report["tried"], records);
    let (code, text, _) = theatre.typed(&format!("{line} --config-b {one}"));
    assert_eq!(code, FINE, "{text}");
    assert!(text.starts_with(&format!("no difference on {records} observations")), "{text}");
}

#[test]
fn nothing_is_written_where_nothing_was_decided() {
    let (theatre, _) = recorded();
    let file = theatre.path("nothing.ndjson");
    let (code, text, _) = theatre.typed(&format!("policy record --since 2030-01-01T00:00:00Z --out {file}"));
    assert_eq!((code, text.as_str()), (BAD_INPUT, "no decision was made since then: say an earlier --since"));
    assert!(!std::path::Path::new(&file).exists());
    let (code, text, _) = theatre.typed(&format!("policy record rr-oon --out {file}"));
    assert!(code == BAD_INPUT && text.contains("did you mean rr-oom"), "{text}");
}
