//! Shrinking: members of an observation go back to their defaults as long as what it shows stays.

use trimtab_core::observation::{
    Analysis, Child, ChildKind, Classification, Facts, Observation, RelatedRemediations, Routing,
};
use trimtab_core::phase::Phase;
use trimtab_core::time::Span;

use super::remediation::{START, base, in_phase, sealed, settle, unhindered, usual_entry};

/// How many members are not what they are by default.
pub(crate) fn members(seen: &Observation) -> usize {
    let plain = base();
    let since_entry = seen.phase_entered_at().map(|at| at.plus(Span::from_secs(10)));
    let is = usize::from;
    let texts = [
        seen.name != plain.name,
        seen.namespace != plain.namespace,
        seen.cluster_id != plain.cluster_id,
        seen.signal_name != plain.signal_name,
        seen.severity != plain.severity,
        seen.target.kind != plain.target.kind,
        seen.target.name != plain.target.name,
        seen.target.namespace != plain.target.namespace,
        seen.target.api_version != plain.target.api_version,
        seen.phase.is_some(),
        seen.now != START && Some(seen.now) != since_entry,
        seen.phase.zip(seen.phase_entered_at()).is_some_and(|(phase, at)| at != usual_entry(phase)),
        seen.started_at.is_some() != seen.phase.is_some(),
        seen.consecutive_failures > 0,
        seen.record.attempt != plain.record.attempt,
    ];
    let children: usize = seen
        .children
        .iter()
        .map(|child| 1 + is(child.finished_at.is_some()) + is(child.deadline.is_some()) + is(!child.phase.is_empty()))
        .sum();
    texts.into_iter().map(is).sum::<usize>()
        + children
        + seen.phases.len()
        + seen.overrides.len()
        + facts(&seen.facts, &plain.facts)
}

fn facts(found: &Facts, plain: &Facts) -> usize {
    let is = usize::from;
    let related = found.related_remediations.as_ref().map_or(0, |page| page.items.len());
    let classified = found.classification.as_ref().map_or(0, |it| {
        let usual = usual();
        1 + is(it.severity != usual.severity)
            + is(it.environment != usual.environment)
            + is(it.priority != usual.priority)
            + is(it.signal_mode != usual.signal_mode)
    });
    let analyzed = found.analysis.as_ref().map_or(0, |it| {
        let flags = [it.needs_human_review, it.approval_required, it.session_active];
        let texts = [&it.reason, &it.sub_reason, &it.message, &it.human_review_reason, &it.approval_reason];
        1 + flags.into_iter().map(is).sum::<usize>()
            + texts.into_iter().map(|text| is(!text.is_empty())).sum::<usize>()
            + is(!it.workflow_id.is_empty())
            + is(!it.workflow_incomplete.is_empty())
            + is(it.remediation_target.is_some())
    });
    let executed = found.execution.as_ref().map_or(0, |it| {
        let texts = [&it.failure_reason, &it.failure_code, &it.deduplicated_by];
        1 + texts.into_iter().map(|text| is(!text.is_empty())).sum::<usize>()
    });
    let assessed =
        found.assessment.as_ref().map_or(0, |it| 1 + is(it.alert_score.is_some()) + is(!it.reason.is_empty()));
    let signal = &found.signal;
    routing(found, plain)
        + related
        + classified
        + analyzed
        + executed
        + assessed
        + is(found.approval.is_some())
        + is(found.workflow_override != plain.workflow_override)
        + signal.labels.len()
        + signal.annotations.len()
}

fn routing(found: &Facts, plain: &Facts) -> usize {
    let is = usize::from;
    let awaited = found.routing.awaited.is_some();
    is(found.scope != plain.scope)
        + is(!found.routing.is_empty())
        + is(awaited)
        + is(found.routing.blocked_until.is_some())
        + is(found.routing.next_allowed_at.is_some())
        + found.signal_remediations.as_ref().map_or(0, |page| page.items.len())
        + found.target_executions.as_ref().map_or(0, |page| is(!page.locked) + page.items.len())
        + found.remediation_history.as_ref().map_or(0, |page| is(!page.available) + page.items.len())
}

/// Every observation that is this one with one member put back, the largest steps first.
pub(crate) fn smaller(seen: &Observation) -> Vec<Observation> {
    let mut all = simpler_phases(seen);
    let mut put_back = |change: &dyn Fn(&mut Observation)| {
        let mut less = seen.clone();
        change(&mut less);
        if less != *seen {
            all.push(sealed(less));
        }
    };
    let plain = base();
    for place in (0..seen.children.len()).rev() {
        put_back(&|less| {
            less.children.remove(place);
        });
    }
    for change in of_facts() {
        put_back(&change);
    }
    if let Some(phase) = seen.phase {
        let usual = in_phase(phase);
        put_back(&|less| {
            less.phases.clone_from(&usual.phases);
            (less.started_at, less.now) = (usual.started_at, usual.now);
        });
    } else {
        put_back(&|less| less.started_at = None);
    }
    if seen.phases.len() > 1 {
        put_back(&|less| less.phases = less.phases.split_off(less.phases.len() - 1));
    }
    for place in 0..seen.overrides.len() {
        put_back(&|less| {
            less.overrides.remove(place);
        });
    }
    put_back(&|less| less.consecutive_failures = 0);
    put_back(&|less| less.record.attempt = 1);
    put_back(&|less| less.severity.clone_from(&plain.severity));
    put_back(&|less| less.target.clone_from(&plain.target));
    put_back(&|less| less.target.namespace.clone_from(&plain.target.namespace));
    put_back(&|less| less.target.kind.clone_from(&plain.target.kind));
    put_back(&|less| less.target.name.clone_from(&plain.target.name));
    put_back(&|less| less.signal_name.clone_from(&plain.signal_name));
    put_back(&|less| less.namespace.clone_from(&plain.namespace));
    put_back(&|less| less.cluster_id.clear());
    put_back(&|less| less.name.clone_from(&plain.name));
    put_back(&|less| less.now = less.phase_entered_at().map_or(START, |at| at.plus(Span::from_secs(10))));
    for place in 0..seen.children.len() {
        let on_child = |change: fn(&mut Child)| {
            move |less: &mut Observation| less.children.get_mut(place).into_iter().for_each(change)
        };
        put_back(&on_child(|child| child.finished_at = None));
        put_back(&on_child(|child| child.deadline = None));
        put_back(&on_child(|child| child.phase.clear()));
    }
    all
}

type Change = fn(&mut Observation);

fn of_facts() -> [Change; 25] {
    [
        |less| less.facts.classification = None,
        |less| less.facts.analysis = None,
        |less| less.facts.approval = None,
        |less| less.facts.execution = None,
        |less| less.facts.assessment = None,
        |less| less.facts.workflow_override = Some(None),
        |less| less.facts.related_remediations = Some(RelatedRemediations::default()),
        |less| less.facts.scope = unhindered(String::new()).scope,
        |less| less.facts.signal_remediations = unhindered(String::new()).signal_remediations,
        |less| less.facts.target_executions = unhindered(String::new()).target_executions,
        |less| less.facts.remediation_history = unhindered(String::new()).remediation_history,
        |less| less.facts.routing = Routing::default(),
        |less| less.facts.routing.awaited = None,
        |less| less.facts.routing.next_allowed_at = None,
        |less| less.facts.signal.labels.clear(),
        |less| less.facts.signal.annotations.clear(),
        |less| classified(less, |it| it.severity.clone_from(&usual().severity)),
        |less| classified(less, |it| it.environment.clone_from(&usual().environment)),
        |less| classified(less, |it| it.priority.clone_from(&usual().priority)),
        |less| classified(less, |it| it.signal_mode.clone_from(&usual().signal_mode)),
        |less| analyzed(less, |it| it.workflow_id.clear()),
        |less| analyzed(less, |it| it.remediation_target = None),
        |less| analyzed(less, |it| it.needs_human_review = false),
        |less| analyzed(less, |it| it.approval_required = false),
        |less| analyzed(less, |it| it.reason.clear()),
    ]
}

fn classified(less: &mut Observation, change: fn(&mut Classification)) {
    if let Some(found) = &mut less.facts.classification {
        change(found);
    }
}

fn analyzed(less: &mut Observation, change: fn(&mut Analysis)) {
    if let Some(found) = &mut less.facts.analysis {
        change(found);
    }
}

fn usual() -> Classification {
    super::remediation::classification()
}

/// The same signal in an earlier phase.
fn simpler_phases(seen: &Observation) -> Vec<Observation> {
    let Some(current) = seen.phase else { return Vec::new() };
    let mut all = vec![as_in(seen, &base())];
    for phase in [Phase::Pending, Phase::Processing, Phase::Analyzing].into_iter().filter(|phase| *phase < current) {
        let mut earlier = in_phase(phase);
        if let Some(kind) = ChildKind::of_phase(phase) {
            settle(&mut earlier, kind, "", None);
        }
        all.push(as_in(seen, &earlier));
    }
    all
}

/// Who and what of one observation, where and when of another.
fn as_in(seen: &Observation, there: &Observation) -> Observation {
    let mut facts = there.facts.clone();
    facts.signal.clone_from(&seen.facts.signal);
    facts.classification.clone_from(&seen.facts.classification);
    sealed(Observation {
        now: there.now,
        phase: there.phase,
        started_at: there.started_at,
        phases: there.phases.clone(),
        children: there.children.clone(),
        facts,
        ..seen.clone()
    })
}
