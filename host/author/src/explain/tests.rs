//! What is said of each ending, line for line, and of what cannot be explained.

use trimtab_core::members::Rule;
use trimtab_core::ports::FailStrategy;
use trimtab_core::proposal::Slot;
use trimtab_policy_engine::{BUILTIN, Digest, Limits};

use super::brief::LINES_MAX;
use super::lines::COLUMNS_MAX;
use crate::error::{BAD_INPUT, FAILED, FINE};
use crate::ledger::short;
use crate::theatre::{self, ASKED, COMPLETED, REJECTED, TIMED_OUT, Theatre, UNANSWERED, UNTIL_ANALYZED};

/// What `explain` says, with `builtin12345` for the digest of the built-in component.
fn told(theatre: &mut Theatre, name: &str) -> String {
    let (code, text, _) = theatre.close().typed(&format!("explain {name}"));
    assert_eq!(code, FINE, "{text}");
    assert!(text.lines().count() <= LINES_MAX, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= COLUMNS_MAX), "{text}");
    text.replace(short(&Digest::of(BUILTIN).to_string()), "builtin12345")
}

fn story(parts: &[&str]) -> Theatre {
    let mut theatre = Theatre::new();
    theatre.play(&parts.concat());
    theatre
}

#[test]
fn a_completed_remediation() {
    let text = told(&mut story(&[UNTIL_ANALYZED, COMPLETED]), "rr-oom");
    let expected = "\
rr-oom in shop: Completed (Remediated) after 7m11.2s
  signal      KubePodCrashLooping (critical) on default/Deployment/shop
  ended       2026-01-01T12:07:11.200Z, step 6: Verifying → Completed, confirmed 12:07:11.220Z
  because     SignalResolved: the workflow ran and the signal is 100 % gone
  decided by  transitions policy builtin12345 kubernaut 0.1.0, config 44136fa355b3
  deadline    Verifying until 12:30:30Z (29m20s, ask), 23m18.8s left
  deadline    Global until 13:00:00Z (1h0m0s, time-out), 52m48.8s left
  saw         EffectivenessAssessment ea-rr-oom Completed 12:07:00Z, 23m30s before the deadline (Full; alert score 1)
  saw         Verifying since 12:01:10.200Z (6m1s); started 7m11.2s before; read live
";
    assert_eq!(text, expected);
}

#[test]
fn a_failed_processing() {
    let text = told(&mut story(&[theatre::FAILED]), "rr-disk");
    let expected = "\
rr-disk in shop: Failed in SignalProcessing after 10.2s
  signal      DiskFull (critical) on default/Deployment/shop
  ended       2026-01-01T12:00:10.200Z, step 3: Processing → Failed, confirmed 12:00:10.220Z
  because     SignalProcessingFailed: SignalProcessing sp-rr-disk failed: its status says why
  decided by  transitions policy builtin12345 kubernaut 0.1.0, config 44136fa355b3
  deadline    Processing until 12:05:00.200Z (5m0s, time-out), 4m50s left
  deadline    Global until 13:00:00Z (1h0m0s, time-out), 59m49.8s left
  saw         SignalProcessing sp-rr-disk Failed 12:00:09Z, 4m51.2s before the deadline (EnrichmentFailed)
  saw         Processing since 12:00:00.200Z (10s); started 10.2s before; read live
";
    assert_eq!(text, expected);
}

#[test]
fn deadlines_of_several_policies_are_told_with_rule_and_policy() {
    let mut theatre = Theatre::new();
    let of = |name, config| (name, config, Limits::DEFAULT, FailStrategy::Hold);
    let three = of("fixed-timeouts", r#"{"default":{"processing":"3m"}}"#);
    theatre.put_several(Rule::Earliest, &[of("kubernaut", ""), three]);
    theatre.play(theatre::FAILED);
    let text = told(&mut theatre, "rr-disk");
    let expected = "\
  decided by  transitions policy builtin12345 kubernaut 0.1.0, config 44136fa355b3; deadlines by earliest of 2 policies
  deadline    Processing until 12:03:00.200Z (3m0s, time-out), 2m50s left; earliest of 2: policy 2, fixed-timeouts 0.1.0
  deadline    Global until 13:00:00Z (1h0m0s, time-out), 59m49.8s left; earliest of 2: policy 1, kubernaut 0.1.0
";
    assert!(text.contains(expected), "{text}");
    let (code, text, _) = theatre.typed("explain rr-disk --json");
    let account: serde_json::Value = serde_json::from_str(&text).unwrap();
    let last = account["decisions"].as_array().unwrap().iter().rfind(|one| one["kind"] == "step").unwrap();
    assert_eq!((code, &last["limits"][1]["by"]["policy"]), (FINE, &2.into()), "{last}");
    let place = usize::try_from(last["limits"][1]["by"]["evaluation"].as_u64().unwrap()).unwrap();
    let evaluation = &last["evaluations"][place];
    assert_eq!((&evaluation["number"], &evaluation["policy"]), (&2.into(), &"fixed-timeouts 0.1.0".into()));
    let (_, text, _) = theatre.typed("explain rr-disk --all");
    assert!(text.contains("  asked       timeouts 1: ") && text.contains("  asked       timeouts 2: "), "{text}");
}

#[test]
fn a_rejected_approval() {
    let text = told(&mut story(&[UNTIL_ANALYZED, ASKED, REJECTED]), "rr-oom");
    let expected = "\
rr-oom in shop: Failed in Approval after 3m29.2s
  signal      KubePodCrashLooping (critical) on default/Deployment/shop
  ended       2026-01-01T12:03:29.200Z, step 5: AwaitingApproval → Failed, confirmed 12:03:29.220Z
  because     Rejected: alice rejected the workflow: not during the sale
  decided by  transitions policy builtin12345 kubernaut 0.1.0, config 44136fa355b3
  deadline    AwaitingApproval until 12:15:29Z (15m0s, ask), 11m59.8s left
  deadline    Global until 13:00:00Z (1h0m0s, time-out), 56m30.8s left
  saw         RemediationApprovalRequest rar-rr-oom Rejected 12:03:00Z, 12m29s before the deadline (by alice; not durin…
  saw         AwaitingApproval since 12:00:29.200Z (3m0s); started 3m29.2s before; read live
";
    assert_eq!(text, expected);
}

#[test]
fn an_approval_that_nobody_gave() {
    let text = told(&mut story(&[UNTIL_ANALYZED, ASKED, UNANSWERED]), "rr-oom");
    let expected = "\
rr-oom in shop: Failed in Approval after 15m59.2s
  signal      KubePodCrashLooping (critical) on default/Deployment/shop
  ended       2026-01-01T12:15:59.200Z, step 5: AwaitingApproval → Failed, confirmed 12:15:59.220Z
  because     ApprovalDeadlinePassed: nobody decided in time: the signal has to be raised anew to ask again
  decided by  transitions policy builtin12345 kubernaut 0.1.0, config 44136fa355b3
  deadline    AwaitingApproval until 12:15:29Z (15m0s, ask), passed 30.2s before: decided
  deadline    Global until 13:00:00Z (1h0m0s, time-out), 44m0.8s left
  saw         RemediationApprovalRequest rar-rr-oom not decided
  saw         AwaitingApproval since 12:00:29.200Z (15m30s); started 15m59.2s before; read live
";
    assert_eq!(text, expected);
}

#[test]
fn a_phase_that_took_longer_than_a_person_allowed() {
    let text = told(&mut story(&[UNTIL_ANALYZED, TIMED_OUT]), "rr-oom");
    let expected = "\
rr-oom in shop: TimedOut in Analyzing after 13m9.2s
  signal      KubePodCrashLooping (critical) on default/Deployment/shop
  ended       2026-01-01T12:13:09.200Z, step 4: Analyzing → TimedOut, confirmed 12:13:09.220Z
  because     PhaseTimeout: Phase Analyzing exceeded timeout of 12m0s: it could last until 2026-01-01T12:12:04Z.
  decided by  the host, at a deadline of the timeouts policy builtin12345 kubernaut 0.1.0, config 44136fa355b3
  deadline    Analyzing until 12:12:04.200Z (12m0s, by hand, time-out), passed 1m5s before: decided
  deadline    Global until 13:00:00Z (1h0m0s, time-out), 46m50.8s left
  saw         AIAnalysis ai-rr-oom not begun
  saw         Analyzing since 12:00:04.200Z (13m5s); started 13m9.2s before; read live
  by hand     Analyzing 12m0s
  next        its children were told: patch AIAnalysis ai-rr-oom
";
    assert_eq!(text, expected);
}

#[test]
fn a_policy_that_gave_no_answer() {
    let mut theatre = Theatre::new();
    theatre.put(&[Slot::Transitions], "trap", "", Limits::DEFAULT);
    theatre.strategy(Slot::Transitions, FailStrategy::Fail);
    theatre.play(theatre::FAILED);
    let text = told(&mut theatre, "rr-disk");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "rr-disk in shop: Failed in SignalProcessing after 200ms");
    let because =
        "  because     PolicyFault: The transitions policy gave no lawful answer (Trap: Guest::answer: panicked at";
    assert_eq!(lines[3], because, "folded, since there is room");
    assert!(lines[4].starts_with("              ") && lines[4].ends_with("no answer for rr-disk)"), "{text}");
    let by = "  decided by  the host, for want of an answer of the transitions policy ";
    assert!(lines[5].starts_with(by) && lines[5].contains(" trap 0.1.0, config 44136fa355b3"), "{text}");
    let ceiling = "Pending until 2026-01-02T12:00:00Z (24h0m0s, the host's ceiling, time-out), 23h59m59.8s left";
    assert!(text.contains(ceiling), "{text}");
    assert!(lines[9].starts_with("  faults      transitions ") && lines[9].contains(": Trap: "), "{text}");
}

#[test]
fn a_remediation_that_is_under_way() {
    let text = told(&mut story(&[UNTIL_ANALYZED, "- advance: 5s\n- advance: 5s\n"]), "rr-oom");
    let expected = "\
rr-oom in shop: Analyzing, not ended, 9.2s after its start
  signal      KubePodCrashLooping (critical) on default/Deployment/shop
  last        2026-01-01T12:00:09.200Z, stays in Analyzing; said 3 times until 12:00:19.200Z
  because     AnalysisAtWork: AIAnalysis ai-rr-oom is not begun
  decided by  transitions policy builtin12345 kubernaut 0.1.0, config 44136fa355b3
  deadline    Analyzing until 12:10:04.200Z (10m0s, time-out), 9m55s left
  deadline    Global until 13:00:00Z (1h0m0s, time-out), 59m50.8s left
  saw         AIAnalysis ai-rr-oom not begun
  saw         Analyzing since 12:00:04.200Z (5s); started 9.2s before; read live
  next        looked at again 12:10:04.201Z, in 9m45.001s, or when an object changes
";
    assert_eq!(text, expected);
}

#[test]
fn a_remediation_that_was_cancelled_from_outside() {
    let end = "- set: {phase: Cancelled}\n  advance: 1s\n- advance: 1s\n";
    let text = told(&mut story(&[UNTIL_ANALYZED, end]), "rr-oom");
    let expected = "\
rr-oom in shop: Cancelled, seen 10.2s after its start
  signal      KubePodCrashLooping (critical) on default/Deployment/shop
  ended       2026-01-01T12:00:10.200Z, seen; no step of this host led there
  because     it was cancelled from outside; the host only sees it
  decided by  the host
  saw         Cancelled since 12:00:09.200Z (1s); started 10.2s before; read live
  next        its children were told: patch AIAnalysis ai-rr-oom
";
    assert_eq!(text, expected);
}

#[test]
fn a_policy_for_which_another_answered() {
    let mut theatre = Theatre::new();
    theatre.put(&[Slot::Timeouts], "fixed-timeouts", r#"{"default":{"analyzing":"7m"}}"#, Limits::DEFAULT);
    theatre.play(theatre::FAILED);
    theatre.put(&[Slot::Timeouts], "trap", "", Limits::DEFAULT);
    theatre.play(UNTIL_ANALYZED);
    let text = told(&mut theatre, "rr-oom");
    let deadline = "  deadline    Analyzing until 12:07:04.200Z (7m0s, time-out), 6m55s left";
    assert!(text.lines().any(|line| line == deadline), "{text}");
    let by = text.lines().find(|line| line.starts_with("  decided by  ")).unwrap();
    assert!(
        by.starts_with("  decided by  transitions policy builtin12345 ") && by.contains("; deadlines of "),
        "{text}"
    );
    let faults = text.lines().find(|line| line.starts_with("  faults      timeouts ")).unwrap();
    assert!(faults.contains(" trap 0.1.0, config 44136fa355b3: Trap: "), "{text}");
}

#[test]
fn every_decision_is_told_with_all() {
    let mut theatre = story(&[UNTIL_ANALYZED, COMPLETED]);
    let (code, text, _) = theatre.close().typed("explain rr-oom --all");
    let text = text.replace(short(&Digest::of(BUILTIN).to_string()), "builtin12345");
    let step = "
2026-01-01T12:00:04.200Z  step 3: Processing → Analyzing, confirmed
  because     SignalProcessingCompleted: SignalProcessing sp-rr-oom completed: the signal goes to the analysis
  decided by  transitions policy builtin12345 kubernaut 0.1.0, config 44136fa355b3
  asked       timeouts builtin12345 kubernaut 0.1.0, config 44136fa355b3, fuel ";
    assert!(text.contains(step), "{text}");
    for line in [
        "2026-01-01T12:00:01.200Z  stays in Processing, said 2 times until 12:00:02.200Z",
        "2026-01-01T12:07:11.200Z  step 6: Verifying → Completed (Remediated), confirmed",
        "  did         create NotificationRequest nr-completion-rr-oom",
        "  told        orchestrator.lifecycle.verification_completed, orchestrator.lifecycle.completed",
        "  next        looked at again 12:30:29.201Z",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert_eq!(code, FINE);
}

#[test]
fn json_holds_everything_under_stable_names() {
    let mut theatre = story(&[UNTIL_ANALYZED, TIMED_OUT]);
    let (code, text, _) = theatre.close().typed("explain rr-oom --json");
    let it: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, FINE);
    let remediation = &it["remediation"];
    assert_eq!(remediation["phase"], "TimedOut");
    assert_eq!((&remediation["hasEnded"], &remediation["uid"]), (&true.into(), &"u-1".into()));
    assert_eq!(it["subject"], "ending");
    let one = &it["decisions"][usize::try_from(it["explained"].as_u64().unwrap()).unwrap()];
    assert_eq!((&one["rule"], &one["decidedBy"]["by"]), (&"PhaseTimeout".into(), &"host".into()));
    assert_eq!(one["decidedBy"]["slot"], "timeouts");
    let decided = one["limits"].as_array().unwrap().iter().find(|limit| limit["decided"] == true).unwrap();
    assert_eq!((&decided["scope"], &decided["duration"]), (&"Analyzing".into(), &"12m0s".into()));
    assert_eq!((&decided["isByHand"], &decided["origin"]), (&true.into(), &"policy".into()));
    assert_eq!(one["saw"]["observation"]["overrides"]["Analyzing"], "12m0s");
    assert_eq!(one["evaluations"][0]["proposal"]["rule"], "OverriddenTimeout");
    assert_eq!(one["settled"]["how"], "confirmed");
    assert_eq!(theatre.typed("explain rr-oom --output json").1, text);
    assert!(theatre.typed("explain rr-oom --output yaml").1.contains("rule: PhaseTimeout"));
}

#[test]
fn a_name_that_is_not_known_comes_with_those_that_are_like_it() {
    let mut theatre = story(&[UNTIL_ANALYZED]);
    let (code, text, _) = theatre.close().typed("explain rr-oon");
    assert_eq!((code, text.as_str()), (BAD_INPUT, "no remediation is called \"rr-oon\": did you mean rr-oom"));
    let (_, text, _) = theatre.typed("explain something-else");
    assert!(text.ends_with("the latest is rr-oom; trimtab history lists them"), "{text}");
    let (_, text, _) = Theatre::new().typed("explain rr-oom");
    assert!(text.ends_with("the ledger holds none yet"), "{text}");
}

#[test]
fn a_name_in_several_namespaces_or_of_several_uids_is_told_apart() {
    let mut theatre = story(&[UNTIL_ANALYZED]);
    let elsewhere = |from: &str, uid: &str| from.replace("uid: u-1", &format!("uid: {uid}"));
    theatre.play(&elsewhere(UNTIL_ANALYZED, "u-8").replace("namespace: shop", "namespace: bank"));
    theatre.play(&elsewhere(UNTIL_ANALYZED, "u-9"));
    theatre.close();
    let (code, text, _) = theatre.typed("explain rr-oom");
    assert_eq!(code, BAD_INPUT);
    assert!(text.contains("such as shop and bank: name one with --namespace, or with --uid"), "{text}");
    assert!(theatre.typed("explain rr-oom -n bank").1.starts_with("rr-oom in bank: "));
    let (_, text, told) = theatre.typed("explain rr-oom -n shop --json");
    assert!(text.contains("\"uid\": \"u-9\""), "the latest is meant: {text}");
    assert_eq!(told, ["rr-oom was the name of 1 more before; the latest is meant, the one before it is --uid u-1"]);
    for line in ["explain rr-oom --uid u-1 --json", "explain u-1 --json"] {
        let (_, text, told) = theatre.typed(line);
        assert!(text.contains("\"uid\": \"u-1\"") && told.is_empty(), "{line}: {text}");
    }
    let (code, text, _) = theatre.typed("explain rr-oom -n nowhere");
    assert_eq!(code, BAD_INPUT);
    assert!(text.starts_with("a remediation \"rr-oom\" in nowhere is not there; it is in shop (uid u-9)"), "{text}");
}

#[test]
fn a_ledger_that_is_missing_or_damaged_is_told_in_one_line() {
    let mut theatre = story(&[UNTIL_ANALYZED]);
    let nowhere = theatre.path("nowhere");
    let (code, text, _) = theatre.close().typed(&format!("explain rr-oom --data {nowhere}"));
    assert_eq!(code, BAD_INPUT);
    assert!(text.ends_with("there is none; name the --data folder of a trimtab that has run"), "{text}");
    theatre.damage("UPDATE entry SET body = x'00' WHERE id = 3");
    let (code, text, _) = theatre.typed("explain rr-oom");
    assert_eq!(code, FAILED);
    assert!(text.contains("entry 3: ") && !text.contains('\n'), "{text}");
}

#[test]
fn what_stands_in_the_way_is_told() {
    let told = |text: &str| {
        let document: crate::observation::ObservationDocument = crate::document::parse("o.yaml", text).unwrap();
        super::lines::routing(&document.observation().unwrap())
    };
    let blocked = "phase: Blocked
facts:
  scope: {verdict: unmanaged, because: no label}
  routing:
    blockReason: ResourceBusy
    blockMessage: we-2 is at work
    blockedUntil: 2026-01-01T12:30:00Z
    awaited: {kind: WorkflowExecution, name: we-2, phase: Running}
  targetExecutions: {locked: false, holder: rr-9, items: [{name: we-2, phase: Running}]}
";
    let expected = [
        "blocked until 12:30:00Z: ResourceBusy: we-2 is at work",
        "waits for WorkflowExecution we-2, Running",
        "the lock of default/Deployment/shop is held by rr-9",
        "we-2 is at work on default/Deployment/shop",
        "the target is unmanaged: no label",
    ];
    assert_eq!(told(blocked), expected);
    assert_eq!(told("phase: Analyzing"), Vec::<String>::new());
}
