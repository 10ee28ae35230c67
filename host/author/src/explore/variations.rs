//! Variations: one member of an observation changed to a value at a boundary.

use trimtab_core::observation::{Child, ChildKind, Observation, RelatedRemediation, RelatedRemediations};
use trimtab_core::phase::Phase;
use trimtab_core::proposal::{Attribute, Budget};
use trimtab_core::time::{Span, Timestamp};

use super::remediation::{START, classification};
use super::vocabulary::Rule;

/// Most entries of the lists that a policy is told.
const PHASES_MAX: usize = 16;
const CHILDREN_MAX: usize = 16;
const LABELS_MAX: usize = 64;
const RELATED_MAX: usize = 100;
/// Longest name of an object.
const NAME_MAX: usize = 253;

const SEVERITIES: [&str; 5] = ["critical", "high", "info", "unknown", "Sev1"];
const ENVIRONMENTS: [&str; 4] = ["Staging", "Development", "Test", "Unknown"];
const PRIORITIES: [&str; 3] = ["P0", "P2", "P3"];
const NAMESPACES: [&str; 3] = ["prod", "staging", "kube-system"];

/// One change, with its name for people.
pub(crate) struct Variation {
    pub(crate) name: String,
    /// Whether the host could observe it.
    pub(crate) is_consistent: bool,
    change: Box<dyn Fn(&mut Observation)>,
}

impl Variation {
    pub(super) fn new(name: impl Into<String>, change: impl Fn(&mut Observation) + 'static) -> Self {
        Self { name: name.into(), is_consistent: true, change: Box::new(change) }
    }

    fn inconsistent(self) -> Self {
        Self { is_consistent: false, ..self }
    }

    /// Makes the change; objects and record are to be made anew afterwards.
    pub(crate) fn apply(&self, seen: &mut Observation) {
        (self.change)(seen);
    }
}

/// A word as the value of each member that a policy may compare with one of its config.
pub(crate) fn of_word(word: &str) -> Vec<Variation> {
    let named = |member: &str, set: fn(&mut Observation, String)| {
        let value = word.to_owned();
        Variation::new(format!("{member}={word}"), move |seen| set(seen, value.clone()))
    };
    vec![
        named("severity", |seen, word| seen.severity = word),
        named("target-namespace", |seen, word| seen.target.namespace = Some(word)),
        named("environment", environment),
        named("priority", priority),
        named("name", rename),
        named("signal-name", |seen, word| seen.signal_name = word),
        named("target-kind", |seen, word| seen.target.kind = word),
        named("target-name", |seen, word| seen.target.name = word),
        named("namespace", |seen, word| seen.namespace = word),
        named("cluster", |seen, word| seen.cluster_id = word),
        named("label", |seen, word| {
            let label = |key: &str, value: &str| Attribute { key: key.to_owned(), value: value.to_owned() };
            seen.facts.signal.labels = vec![label("team", &word), label(&word, "true")];
        }),
        named("classified-severity", |seen, word| {
            seen.facts.classification.get_or_insert_with(classification).severity = word;
        }),
    ]
}

/// The three of them that timeouts differ by most often.
pub(crate) fn of_word_in_every_phase(word: &str) -> Vec<Variation> {
    of_word(word).into_iter().take(3).collect()
}

/// Everything that one rule of a config asks for, at once.
pub(crate) fn of_rule(rule: &Rule) -> Variation {
    let rule = rule.clone();
    Variation::new("rule", move |seen| {
        let texts = [
            (&rule.severity, &mut seen.severity),
            (&rule.signal, &mut seen.signal_name),
            (&rule.kind, &mut seen.target.kind),
            (&rule.cluster, &mut seen.cluster_id),
        ];
        for (wanted, member) in texts {
            if let Some(wanted) = wanted {
                member.clone_from(wanted);
            }
        }
        if rule.namespace.is_some() {
            seen.target.namespace.clone_from(&rule.namespace);
        }
        if let Some(wanted) = &rule.environment {
            environment(seen, wanted.clone());
        }
        if let Some(wanted) = &rule.priority {
            priority(seen, wanted.clone());
        }
    })
}

/// Severity, namespace and environment together.
pub(crate) fn crossed() -> Vec<Variation> {
    let mut all = Vec::new();
    for severity in ["critical", "high", "info"] {
        for namespace in NAMESPACES {
            for wanted in ["Production", "Staging", "Development"] {
                all.push(Variation::new(format!("{severity}+{namespace}+{wanted}"), move |seen| {
                    severity.clone_into(&mut seen.severity);
                    seen.target.namespace = Some(namespace.to_owned());
                    environment(seen, wanted.to_owned());
                }));
            }
        }
    }
    all
}

/// Every single change that is tried on the usual situation of every phase.
pub(crate) fn single() -> Vec<Variation> {
    let mut all = texts();
    all.extend(overrides());
    all.extend(counts());
    all.extend(lists());
    all.extend(super::hindrances::all());
    all.extend(times(&[60, 300, 600, 900, 1_800, 2_700, 3_600, 86_400].map(Span::from_secs)));
    all
}

/// The changes that are tried on every other situation too.
pub(crate) fn everywhere() -> Vec<Variation> {
    let mut all = counts();
    all.push(Variation::new("severity=critical", |seen| "critical".clone_into(&mut seen.severity)));
    all.push(Variation::new("now-before-entry", |seen| {
        seen.now = Timestamp::from_millis(entry(seen).as_millis().saturating_sub(1));
    }));
    all.push(Variation::new("day-later", |seen| seen.now = entry(seen).plus(Span::from_millis(86_400_001))));
    for (name, limit) in [("5m", 300), ("15m", 900), ("1h", 3_600)] {
        for shift in [-1_i64, 0, 1] {
            all.push(ended_at(&format!("ended-{name}{shift:+}"), Span::from_secs(limit), shift));
        }
    }
    all
}

/// `now` around these lengths after the entry of the phase and after the start.
pub(crate) fn times(lengths: &[Span]) -> Vec<Variation> {
    let mut all = vec![
        Variation::new("now=entry", |seen| seen.now = entry(seen)),
        Variation::new("now=entry-1", |seen| seen.now = shifted(entry(seen), -1)),
        Variation::new("now=start-1", |seen| seen.now = shifted(START, -1)),
    ];
    for length in lengths.iter().copied() {
        for shift in [-1_i64, 0, 1] {
            all.push(Variation::new(format!("now=entry+{length}{shift:+}"), move |seen| {
                seen.now = shifted(entry(seen).plus(length), shift);
            }));
            all.push(Variation::new(format!("now=start+{length}{shift:+}"), move |seen| {
                seen.now = shifted(START.plus(length), shift);
            }));
        }
    }
    all
}

/// A moment moved by some milliseconds.
pub(crate) fn shifted(at: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add_signed(millis))
}

fn ended_at(name: &str, limit: Span, shift: i64) -> Variation {
    Variation::new(name, move |seen| {
        let at = shifted(entry(seen).plus(limit), shift);
        let kind = seen.phase.and_then(ChildKind::of_phase);
        if let Some(child) = seen.children.iter_mut().find(|child| Some(child.kind) == kind && child.is_finished()) {
            child.finished_at = Some(at);
        }
        seen.now = entry(seen).plus(limit).plus(Span::from_secs(1));
    })
}

fn entry(seen: &Observation) -> Timestamp {
    seen.phase_entered_at().unwrap_or(START)
}

fn environment(seen: &mut Observation, word: String) {
    seen.facts.classification.get_or_insert_with(classification).environment = word;
}

fn priority(seen: &mut Observation, word: String) {
    seen.facts.classification.get_or_insert_with(classification).priority = word;
}

fn rename(seen: &mut Observation, name: String) {
    for child in &mut seen.children {
        child.name = child.kind.object_name(&name, child.attempt);
    }
    seen.name = name;
}

fn texts() -> Vec<Variation> {
    let set = |member: &str, value: &str, set: fn(&mut Observation, String)| {
        let value = value.to_owned();
        let shown: String = value.chars().take(16).collect();
        Variation::new(format!("{member}={shown}"), move |seen| set(seen, value.clone()))
    };
    let long = "x".repeat(NAME_MAX);
    let mut all: Vec<_> =
        SEVERITIES.into_iter().map(|word| set("severity", word, |s, word| s.severity = word)).collect();
    for word in ["", "Критично 重大", &long] {
        all.push(set("severity", word, |seen, word| seen.severity = word));
        all.push(set("signal-name", word, |seen, word| seen.signal_name = word));
        all.push(set("environment", word, environment));
        all.push(set("target-namespace", word, |seen, word| seen.target.namespace = Some(word)));
        all.push(set("name", word, rename).inconsistent());
    }
    all.extend(ENVIRONMENTS.map(|word| set("environment", word, environment)));
    all.extend(PRIORITIES.map(|word| set("priority", word, priority)));
    all.extend(NAMESPACES.map(|word| set("target-namespace", word, |seen, word| seen.target.namespace = Some(word))));
    all.push(set("name", &"r".repeat(NAME_MAX - 10), rename));
    all.push(set("name", "r", rename));
    all.push(set("cluster", "cluster-b", |seen, word| seen.cluster_id = word));
    all.push(set("signal-mode", "proactive", |seen, word| {
        seen.facts.classification.get_or_insert_with(classification).signal_mode = word;
    }));
    all.push(Variation::new("cluster-scoped", |seen| {
        "Node".clone_into(&mut seen.target.kind);
        seen.target.namespace = None;
        seen.target.api_version = None;
    }));
    for kind in ["StatefulSet", "Pod", "Database"] {
        all.push(set("target-kind", kind, |seen, word| seen.target.kind = word));
    }
    all.push(Variation::new("no-classification", |seen| seen.facts.classification = None).inconsistent());
    all.push(Variation::new("no-started-at", |seen| seen.started_at = None).inconsistent());
    all
}

fn overrides() -> Vec<Variation> {
    let scopes = ["Global", "Processing", "Analyzing", "Executing"];
    let mut all = Vec::new();
    for scope in scopes {
        for millis in [1_000, 600_000, 172_800_000] {
            let budget = Budget { phase: scope.to_owned(), duration: Span::from_millis(millis) };
            let name = format!("override-{scope}={}", budget.duration);
            all.push(Variation::new(name, move |seen| seen.overrides = vec![budget.clone()]));
        }
    }
    all.push(Variation::new("overrides-full", move |seen| {
        let budget = |phase: &str| Budget { phase: phase.to_owned(), duration: Span::from_secs(1_200) };
        seen.overrides = scopes.map(budget).into();
    }));
    all.push(Variation::new("override-Global=0", |seen| {
        seen.overrides = vec![Budget { phase: "Global".to_owned(), duration: Span::default() }];
    }));
    all
}

fn counts() -> Vec<Variation> {
    let mut all: Vec<_> = [1, 2, 3, 100]
        .map(|count| Variation::new(format!("failures={count}"), move |seen| seen.consecutive_failures = count))
        .into();
    all.push(Variation::new("attempt=2", |seen| {
        seen.record.attempt = 2;
        for child in &mut seen.children {
            child.attempt = 2;
            child.name = child.kind.object_name(&seen.name, 2);
        }
    }));
    all
}

fn lists() -> Vec<Variation> {
    let attribute = |place: usize| Attribute { key: format!("label-{place:02}"), value: "v".repeat(63) };
    let related = |count: u32| {
        Variation::new(format!("related={count}"), move |seen| {
            let item = |place: usize| RelatedRemediation {
                name: format!("rr-{}", place + 2),
                phase: if place.is_multiple_of(2) { "Failed" } else { "Completed" }.to_owned(),
                outcome: String::new(),
                started_at: Some(shifted(START, -3_600_000)),
            };
            let listed = usize::try_from(count).unwrap_or(RELATED_MAX).min(RELATED_MAX);
            let items = (0..listed).map(item).collect();
            seen.facts.related_remediations = Some(RelatedRemediations { total: count, items });
        })
    };
    vec![
        Variation::new("labels-full", move |seen| {
            seen.facts.signal.labels = (0..LABELS_MAX).map(attribute).collect();
            seen.facts.signal.annotations = (0..LABELS_MAX).map(attribute).collect();
        }),
        Variation::new("label", |seen| {
            seen.facts.signal.labels = vec![Attribute { key: "team".to_owned(), value: "shop".to_owned() }];
        }),
        related(1),
        related(100),
        related(1_000),
        Variation::new("history-full", |seen| {
            let Some(current) = seen.phases.last().copied() else { return };
            let earlier = [Phase::Pending, Phase::Processing, Phase::Analyzing, Phase::Executing, Phase::Blocked];
            let before = earlier.into_iter().cycle().take(PHASES_MAX - 1).map(|phase| (phase, START));
            seen.phases = before.chain([current]).collect();
        })
        .inconsistent(),
        Variation::new("children-full", |seen| {
            let Some(pattern) = seen.children.last().cloned() else { return };
            let missing = CHILDREN_MAX.saturating_sub(seen.children.len());
            let earlier =
                (0..missing).map(|place| Child { name: format!("{}-{place}", pattern.name), ..pattern.clone() });
            seen.children.extend(earlier.collect::<Vec<_>>());
        })
        .inconsistent(),
    ]
}
