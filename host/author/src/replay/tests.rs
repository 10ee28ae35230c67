//! Records replay to the last byte; what was changed is found; another policy's changes are told.

use serde_json::{Value, json};
use trimtab_core::members::Rule;
use trimtab_core::ports::FailStrategy;
use trimtab_core::proposal::Slot;
use trimtab_core::settings::Settings;
use trimtab_core::time::Span;
use trimtab_policy_engine::{BUILTIN, Digest, Limits, WallClock};

use crate::error::{BAD_INPUT, FAILED, FINE};
use crate::theatre::{self, ASKED, COMPLETED, REJECTED, TIMED_OUT, Theatre, UNANSWERED, UNTIL_ANALYZED};

/// Records everything into a file; its path.
fn recorded(theatre: &mut Theatre) -> String {
    let file = theatre.path("recorded.ndjson");
    let (code, text, told) = theatre.close().typed(&format!("policy record --since 24h --out {file}"));
    assert_eq!((code, told.as_slice()), (FINE, [""; 0].map(str::to_owned).as_slice()), "{text}");
    file
}

fn replayed(theatre: &Theatre, line: &str) -> (u8, Value) {
    let (code, text, _) = theatre.typed(&format!("policy replay {line} --output json"));
    (code, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{line}: {text}")))
}

/// Every story, each as a remediation of its own.
fn all() -> Theatre {
    let mut theatre = Theatre::new();
    let ends: [&[&str]; 4] = [&[COMPLETED], &[ASKED, REJECTED], &[ASKED, UNANSWERED], &[TIMED_OUT]];
    for (place, end) in ends.into_iter().enumerate() {
        let story = [&[UNTIL_ANALYZED], end].concat().concat();
        theatre.play(&story.replace("rr-oom", &format!("rr-{place}")).replace("uid: u-1", &format!("uid: v-{place}")));
    }
    theatre.play(theatre::FAILED);
    theatre
}

/// Changes a record of the file.
fn plant(file: &str, number: u64, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut change = Some(change);
    let lines = text.lines().map(|line| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        if value["record"]["number"] == number {
            change.take().unwrap()(&mut value["record"]["record"]);
            return value.to_string();
        }
        line.to_owned()
    });
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    std::fs::write(file, text).unwrap();
}

#[test]
fn every_ending_replays_to_the_last_byte() {
    let mut theatre = all();
    let file = recorded(&mut theatre);
    let (code, report) = replayed(&theatre, &file);
    assert_eq!((code, &report["isIdentical"]), (FINE, &true.into()), "{report}");
    assert!(report["records"].as_u64().unwrap() > 30 && report["fuel"].as_u64().unwrap() > 0, "{report}");
    let (_, text, _) = theatre.typed(&format!("policy replay {file}"));
    assert!(text.contains(" records decided again: the same to the last byte ("), "{text}");
}

#[test]
fn a_planted_unit_of_fuel_or_millisecond_is_found() {
    let mut theatre = all();
    let file = recorded(&mut theatre);
    plant(&file, 3, |record| {
        let fuel = record["decision"]["evaluations"][1]["fuel"].as_u64().unwrap();
        record["decision"]["evaluations"][1]["fuel"] = json!(fuel + 1);
    });
    let (code, report) = replayed(&theatre, &file);
    let first = &report["difference"];
    assert_eq!((code, &first["record"], &first["slot"]), (FAILED, &3.into(), &"transitions".into()));
    assert_eq!(first["pointer"], "/evaluations/1/fuel");
    let number = |member: &str| first[member].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(number("recorded"), number("now") + 1);
    let (_, text, _) = theatre.typed(&format!("policy replay {file}"));
    assert!(text.starts_with("record 3 (shop/rr-0): the transitions slot differs at /evaluations/1/fuel\n"), "{text}");

    let file = recorded(&mut theatre);
    plant(&file, 4, |record| {
        let at = &mut record["decision"]["evaluations"][0]["proposal"]["timeouts"]["deadlines"][0]["at"];
        *at = json!(at.as_u64().unwrap() + 1);
    });
    let (code, report) = replayed(&theatre, &file);
    assert_eq!(code, FAILED);
    assert_eq!(report["difference"]["pointer"], "/evaluations/0/proposal/timeouts/deadlines/0/at");

    let file = recorded(&mut theatre);
    plant(&file, 6, |record| record["decision"]["verdict"]["step"]["resource_version"] = json!("other"));
    let (code, report) = replayed(&theatre, &file);
    let first = &report["difference"];
    assert_eq!((code, &first["pointer"]), (FAILED, &"/verdict/step/resource_version".into()), "{report}");
    assert_eq!(first["slot"], Value::Null);
}

#[test]
fn settings_limits_and_strategies_are_those_of_the_record() {
    let mut theatre = Theatre::new();
    theatre.settings = Settings { deadline_ceiling: Span::from_secs(30), ..Settings::default() };
    theatre.announce();
    // Just enough for one slot: the next is out of fuel, and the built-in policy answers.
    theatre.put(&Slot::ALL, "kubernaut", "", Limits { fuel: 16_000, ..Limits::DEFAULT });
    theatre.strategy(Slot::Transitions, FailStrategy::Builtin);
    theatre.play(UNTIL_ANALYZED);
    let file = recorded(&mut theatre);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("FuelExhausted") && text.contains("\"deadlineCeiling\":30000"), "the record is a test of it");
    let (code, report) = replayed(&theatre, &file);
    assert_eq!(code, FINE, "{report}");
}

#[test]
fn what_the_wall_clock_struck_is_a_fact() {
    let mut theatre = Theatre::with(WallClock::Ticking);
    let patient = Limits { fuel: Limits::CEILING.fuel, wall_clock_millis: 300, ..Limits::DEFAULT };
    theatre.put(&[Slot::Timeouts], "endless-loop", "", patient);
    theatre.play(theatre::FAILED);
    let file = recorded(&mut theatre);
    assert!(std::fs::read_to_string(&file).unwrap().contains("DeadlineExceeded"));
    let (code, report) = replayed(&theatre, &file);
    assert_eq!(code, FINE, "{report}");
    assert!(report["facts"].as_u64().unwrap() >= 4, "{report}");
}

#[test]
fn an_instance_that_the_clock_struck_is_replaced_by_a_fresh_one() {
    use trimtab_core::ports::{Fault, FaultReason};
    let mut theatre = Theatre::new();
    // As the engine does: the instance that answered the timeouts slot is gone with the fault.
    theatre.strike(
        Slot::Transitions,
        Fault {
            reason: FaultReason::DeadlineExceeded,
            message: "50 ms have passed".to_owned(),
            revision: None,
            fuel: 77,
        },
    );
    theatre.play(theatre::FAILED);
    let file = recorded(&mut theatre);
    let (code, report) = replayed(&theatre, &file);
    assert_eq!(code, FINE, "{report}");
    assert!(report["facts"].as_u64().unwrap() >= 2, "{report}");
}

#[test]
fn the_last_good_revision_answers_again() {
    let mut theatre = Theatre::new();
    theatre.put(&[Slot::Timeouts], "fixed-timeouts", r#"{"default":{"analyzing":"7m"}}"#, Limits::DEFAULT);
    theatre.play(theatre::FAILED);
    theatre.put(&[Slot::Timeouts], "trap", r#"{"namePrefix":"rr-oom"}"#, Limits { fuel: 9_000_000, ..Limits::DEFAULT });
    theatre.play(UNTIL_ANALYZED);
    theatre.put(&[Slot::Transitions], "rule-breaker", "", Limits::DEFAULT);
    theatre.play(&UNTIL_ANALYZED.replace("rr-oom", "rr-third").replace("uid: u-1", "uid: u-7"));
    let file = recorded(&mut theatre);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("\"choice\":\"LastGood\"") && text.contains("\"fault\":[\"Trap\""),
        "the record is a test of it"
    );
    let (code, report) = replayed(&theatre, &file);
    assert_eq!(code, FINE, "{report}");
}

#[test]
fn a_component_that_is_missing_is_named_and_can_be_given() {
    let mut theatre = Theatre::new();
    theatre.put(&[Slot::Timeouts], "fixed-timeouts", "", Limits::DEFAULT);
    theatre.play(theatre::FAILED);
    let file = theatre.path("small.ndjson");
    theatre.close();
    theatre.typed(&format!("policy record rr-disk --without-components --out {file}"));
    let (code, text, _) = theatre.typed(&format!("policy replay {file}"));
    let fixed = theatre::component("fixed-timeouts");
    let digest = Digest::of(&std::fs::read(&fixed).unwrap());
    assert_eq!(code, BAD_INPUT);
    let line = format!(
        "record 1 (rr-disk in shop, 2026-01-01T12:00:00Z), timeouts slot: the component {digest} is missing: give its file with --component, or record again with it"
    );
    assert_eq!(text, line);
    let (code, report) = replayed(&theatre, &format!("{file} --component {}", fixed.display()));
    assert_eq!(code, FINE, "{report}");
}

#[test]
fn another_policys_changes_are_told_by_kind() {
    let mut theatre = all();
    let file = recorded(&mut theatre);
    let fixed = theatre::component("fixed-timeouts").display().to_string();
    let config = theatre.path("short.yaml");
    std::fs::write(&config, "default: {processing: 5s, analyzing: 15m}\n").unwrap();
    let line = format!("{file} --policy {fixed} --policy-config {config}");
    let (code, report) = replayed(&theatre, &line);
    assert_eq!((code, &report["slots"]), (FINE, &json!(["timeouts"])), "{report}");
    // In every story but one the analysis begins within five seconds; there Processing fails after ten.
    assert!(report["byKind"]["deadline"].as_u64().unwrap() > 0, "{report}");
    assert!(report["byKind"]["creations"].as_u64().unwrap() > 0, "children are told other deadlines: {report}");
    let created = report["examples"].as_array().unwrap().iter().flat_map(|one| one["changes"].as_array().unwrap());
    let created = created.into_iter().find(|change| change["kind"] == "creations").unwrap();
    assert_eq!(created["now"], r#"create SignalProcessing sp-rr-0 {"timesOutAt":"2026-01-01T12:00:05Z"}"#);
    // A person's twelve minutes hold whatever the policy is.
    assert_eq!((&report["expiredLater"], &report["unknown"]), (&0.into(), &json!([])), "{report}");
    let examples = report["examples"].as_array().unwrap();
    assert!(!examples.is_empty() && examples.len() as u64 <= report["changed"].as_u64().unwrap());
    let (code, text, _) = theatre.typed(&format!("policy replay {line}"));
    assert_eq!(code, FINE);
    for part in ["fixed-timeouts 0.1.0 ", " decisions change\n", "\n  expired earlier  ", "\nrecord "] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_expiry_that_comes_earlier_or_later_is_counted() {
    let mut theatre = Theatre::new();
    theatre.play(&[UNTIL_ANALYZED, "- advance: 3m\n- advance: 8m\n"].concat());
    let file = recorded(&mut theatre);
    let fixed = theatre::component("fixed-timeouts").display().to_string();
    let with = |length: &str| {
        let config = theatre.path("config.yaml");
        std::fs::write(&config, format!("default: {{analyzing: {length}}}\n")).unwrap();
        replayed(&theatre, &format!("{file} --policy {fixed} --policy-config {config}")).1
    };
    let counts = |report: &Value| {
        let number = |member: &str| report[member].as_u64().unwrap();
        (number("expiredEarlier"), number("expiredLater"), report["byKind"]["target"].as_u64().unwrap())
    };
    // The stays until then are one record, which was made before even the shorter deadline.
    let shorter = with("2m");
    assert_eq!(counts(&shorter), (1, 0, 0), "{shorter}");
    let longer = with("1h");
    assert_eq!(counts(&longer), (0, 1, 1), "{longer}");
    let last = longer["examples"].as_array().unwrap().last().unwrap().clone();
    let target = last["changes"].as_array().unwrap().iter().find(|change| change["kind"] == "target").unwrap();
    assert_eq!((&target["recorded"], &target["now"]), (&"goes to TimedOut".into(), &"stays in Analyzing".into()));
    let same = with("10m");
    assert_eq!((&same["changed"], counts(&same)), (&0.into(), (0, 0, 0)), "{same}");
}

#[test]
fn a_child_that_was_done_in_time_excuses_its_phase_whatever_the_policy() {
    let mut theatre = Theatre::new();
    // The analysis has ended after 24 seconds; the host sees it after three minutes.
    theatre.play(&[UNTIL_ANALYZED, &COMPLETED.replacen("advance: 20s", "advance: 3m", 1)].concat());
    let file = recorded(&mut theatre);
    let fixed = theatre::component("fixed-timeouts").display().to_string();
    let earlier = |length: &str| {
        let config = theatre.path("config.yaml");
        std::fs::write(&config, format!("default: {{analyzing: {length}}}\n")).unwrap();
        replayed(&theatre, &format!("{file} --policy {fixed} --policy-config {config}")).1["expiredEarlier"].clone()
    };
    assert_eq!((earlier("25s"), earlier("20s")), (0.into(), 1.into()));
}

#[test]
fn the_same_policy_changes_nothing() {
    let mut theatre = all();
    let file = recorded(&mut theatre);
    let same = theatre.path("same.wasm");
    std::fs::write(&same, BUILTIN).unwrap();
    let (code, report) = replayed(&theatre, &format!("{file} --policy {same}"));
    assert_eq!((code, &report["changed"], &report["unknown"]), (FINE, &0.into(), &json!([])), "{report}");
    let (code, text, _) = theatre.typed(&format!("policy replay {file} --policy {same} --slot timeouts"));
    assert!(code == FINE && text.contains(" in timeouts, each record by itself\n0 of "), "{text}");
}

/// Fixed lengths of an analysis, as a config.
fn analyzing(length: &str) -> String {
    json!({"default": {"analyzing": length}}).to_string()
}

/// Fixed lengths in a slot.
fn fixed(config: &str, strategy: FailStrategy) -> (&str, &str, Limits, FailStrategy) {
    ("fixed-timeouts", config, Limits::DEFAULT, strategy)
}

#[test]
fn several_policies_replay_to_the_last_byte_by_every_rule() {
    for rule in Rule::ALL {
        let mut theatre = Theatre::new();
        let (seven, eight) = (analyzing("7m"), analyzing("8m"));
        theatre.put_several(
            rule,
            &[
                ("trap", "", Limits { fuel: 9_000_000, ..Limits::DEFAULT }, FailStrategy::LastGood),
                fixed(&seven, FailStrategy::Hold),
                ("fixed-timeouts", &eight, Limits { fuel: 8_000_000, ..Limits::DEFAULT }, FailStrategy::Hold),
                ("fixed-timeouts", &eight, Limits { fuel: 8_000_000, ..Limits::DEFAULT }, FailStrategy::Hold),
                ("kubernaut", "", Limits::DEFAULT, FailStrategy::Builtin),
            ],
        );
        theatre.play(&[UNTIL_ANALYZED, COMPLETED].concat());
        theatre.play(theatre::FAILED);
        let file = recorded(&mut theatre);
        let text = std::fs::read_to_string(&file).unwrap();
        let has_fallback = text.contains("\"choice\":\"Builtin\"");
        assert_eq!(has_fallback, rule != Rule::FirstThatAnswers, "{rule}: only there is a fault the next one's turn");
        let (code, report) = replayed(&theatre, &file);
        assert_eq!(code, FINE, "{rule}: {report}");
        assert!(report["records"].as_u64().unwrap() > 5, "{rule}: {report}");
        plant(&file, 3, |record| record["decision"]["combined"]["deadlines"]["Global"] = json!(7));
        let (code, report) = replayed(&theatre, &file);
        let pointer = &report["difference"]["pointer"];
        assert_eq!((code, pointer), (FAILED, &"/combined/deadlines/Global".into()), "{rule}: {report}");
    }
}

#[test]
fn what_the_wall_clock_struck_of_several_is_a_fact_of_each() {
    use trimtab_core::ports::{Fault, FaultReason};
    let mut theatre = Theatre::new();
    let (seven, eight) = (analyzing("7m"), analyzing("8m"));
    let both = [fixed(&seven, FailStrategy::Builtin), fixed(&eight, FailStrategy::Builtin)];
    theatre.put_several(Rule::Latest, &both);
    let message = "50 ms have passed".to_owned();
    theatre.strike(Slot::Timeouts, Fault { reason: FaultReason::DeadlineExceeded, message, revision: None, fuel: 7 });
    theatre.play(theatre::FAILED);
    let file = recorded(&mut theatre);
    let (code, report) = replayed(&theatre, &file);
    assert_eq!(code, FINE, "{report}");
    assert!(report["facts"].as_u64().unwrap() >= 2 * report["records"].as_u64().unwrap() - 2, "{report}");
}

#[test]
fn another_policy_takes_the_place_of_all_in_its_slot_and_of_none_elsewhere() {
    let mut theatre = Theatre::new();
    let (seven, eight) = (analyzing("7m"), analyzing("8m"));
    let both = [fixed(&seven, FailStrategy::Hold), fixed(&eight, FailStrategy::Hold)];
    theatre.put_several(Rule::Latest, &both);
    theatre.play(&[UNTIL_ANALYZED, COMPLETED].concat());
    let file = recorded(&mut theatre);
    let other = theatre::component("fixed-timeouts").display().to_string();
    let deadlines = |config: &str| {
        let path = theatre.path("config.json");
        std::fs::write(&path, config).unwrap();
        let (code, report) = replayed(&theatre, &format!("{file} --policy {other} --policy-config {path}"));
        assert_eq!((code, &report["unknown"]), (FINE, &json!([])), "{report}");
        report["byKind"]["deadline"].as_u64().unwrap()
    };
    assert_eq!(deadlines(&eight), 0, "the latest of them was just that");
    assert!(deadlines(&seven) > 0);
    let same = theatre.path("same.wasm");
    std::fs::write(&same, BUILTIN).unwrap();
    let (code, report) = replayed(&theatre, &format!("{file} --policy {same} --slot transitions"));
    assert_eq!((code, &report["changed"], &report["unknown"]), (FINE, &0.into(), &json!([])), "{report}");
}
