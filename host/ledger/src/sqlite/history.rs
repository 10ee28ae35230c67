//! What was done to each object: one row for each remediation that ended after it had an execution.

use rusqlite::{Connection, params};
use trimtab_core::json::{is_true, text};
use trimtab_core::observation::{ChildKind, HistoryEntry, Observation};
use trimtab_core::phase::Phase;
use trimtab_core::plan::Plan;
use trimtab_core::ports::HistoryQuestion;
use trimtab_core::time::Timestamp;

use super::fault::StoreFault;
use super::work::{millis, time};

/// Most rows of one answer: the newest.
const ROWS_MAX: u32 = 1000;

/// A remediation that ends, as the past of its target will show it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Past {
    cluster: String,
    target: String,
    action_type: String,
    signal_resolved: Option<bool>,
    pre_hash: String,
    post_hash: String,
}

impl Past {
    /// What a step leaves behind, where it ends a remediation that has had an execution.
    pub(crate) fn of(observation: &Observation, plan: &Plan) -> Option<Self> {
        if !plan.to.is_some_and(Phase::is_terminal) || observation.phase.is_some_and(Phase::is_terminal) {
            return None;
        }
        let execution = observation.child(ChildKind::WorkflowExecution).filter(|execution| execution.found)?;
        let assessment = observation.child(ChildKind::EffectivenessAssessment).filter(|child| child.found);
        let components = assessment.and_then(|child| child.object.pointer("/status/components"));
        let score = components
            .filter(|components| is_true(components, "/alertAssessed"))
            .and_then(|components| components.get("alertScore"))
            .and_then(serde_json::Value::as_f64);
        let post_hash = components.map_or("", |components| text(components, "/postRemediationSpecHash"));
        Some(Self {
            cluster: observation.cluster_id.clone(),
            target: text(&execution.object, "/spec/targetResource").to_owned(),
            action_type: text(&execution.object, "/spec/workflowRef/actionType").to_owned(),
            // A score of 0 means that the signal still fires.
            signal_resolved: score.map(|score| score > 0.0),
            pre_hash: text(&observation.object, "/status/operatorAudit/preRemediationSpecHash").to_owned(),
            post_hash: post_hash.to_owned(),
        })
    }

    /// Stores it with the step's entry.
    pub(crate) fn insert(
        &self,
        connection: &Connection,
        uid: &str,
        entry: i64,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        let sql = "INSERT OR REPLACE INTO history (uid, entry, cluster, target, completed_at, action_type, \
                   signal_resolved, pre_hash, post_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        connection.prepare_cached(sql)?.execute(params![
            uid,
            entry,
            self.cluster,
            self.target,
            millis(at),
            self.action_type,
            self.signal_resolved,
            self.pre_hash,
            self.post_hash,
        ])?;
        Ok(())
    }
}

/// A step was never taken: what it would have left behind is not there.
pub(crate) fn withdraw(connection: &Connection, uid: &str, entry: i64) -> Result<(), StoreFault> {
    connection.prepare_cached("DELETE FROM history WHERE uid = ?1 AND entry = ?2")?.execute(params![uid, entry])?;
    Ok(())
}

/// Retention removes a remediation.
pub(crate) fn remove(connection: &Connection, uid: &str) -> Result<(), StoreFault> {
    connection.prepare_cached("DELETE FROM history WHERE uid = ?1")?.execute([uid])?;
    Ok(())
}

/// The newest remediations of an object within the time asked for, the newest first.
pub(crate) fn past(connection: &Connection, question: &HistoryQuestion) -> Result<Vec<HistoryEntry>, StoreFault> {
    let sql = "SELECT uid, completed_at, action_type, signal_resolved, pre_hash, post_hash FROM history \
               WHERE cluster = ?1 AND target = ?2 AND completed_at >= ?3 AND completed_at <= ?4 AND uid <> ?5 \
               ORDER BY completed_at DESC, uid LIMIT ?6";
    let length = u64::from(question.hours) * 3_600_000;
    let since = Timestamp::from_millis(question.now.as_millis().saturating_sub(length));
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(
        params![
            question.cluster_id,
            question.target.qualified(),
            millis(since),
            millis(question.now),
            question.remediation,
            ROWS_MAX,
        ],
        |row| {
            let (pre_hash, post_hash): (String, String) = (row.get(4)?, row.get(5)?);
            Ok(HistoryEntry {
                remediation: row.get(0)?,
                completed_at: time(row.get(1)?),
                action_type: row.get(2)?,
                signal_resolved: row.get(3)?,
                hash_match: matching(&question.current_hash, &pre_hash, &post_hash).to_owned(),
                pre_hash,
                post_hash,
            })
        },
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Which of an object's earlier states its present one equals.
fn matching(current: &str, pre: &str, post: &str) -> &'static str {
    if current.is_empty() {
        "none"
    } else if current == pre {
        "preRemediation"
    } else if current == post {
        "postRemediation"
    } else {
        "none"
    }
}
