//! Reads: one object, or a list in pages.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Target;
use crate::failure::Failure;
use crate::kinds::ResourceKind;
use crate::request::Query;
use crate::selector::{FieldSelector, LabelSelector};
use crate::store::{ObjectName, State};

/// Which objects of a kind are meant.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    kind: Arc<ResourceKind>,
    /// Empty for all namespaces and for cluster scope.
    namespace: String,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    pub(crate) fn parse(target: &Target, query: &Query) -> Result<Self, Failure> {
        let labels = LabelSelector::parse(query.text("labelSelector").unwrap_or_default())?;
        let fields = query.text("fieldSelector").unwrap_or_default();
        let fields = FieldSelector::parse(fields, &target.kind.selectable)?;
        Ok(Self { kind: Arc::clone(&target.kind), namespace: target.namespace.clone(), labels, fields })
    }

    /// Whether a served object is meant.
    pub(crate) fn matches(&self, name: &ObjectName, object: &Value) -> bool {
        (self.namespace.is_empty() || name.namespace == self.namespace)
            && self.fields.pinned_name().is_none_or(|pinned| pinned == name.name)
            && self.labels.matches(object)
            && self.fields.matches(object, &self.kind.selectable)
    }

    fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

/// One page of a list, in stored form.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Arc<Value>>,
    /// The list's `metadata`.
    pub(crate) metadata: Value,
}

/// Where the next page starts, as `continue` carries it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// Revision of the whole list.
    revision: u64,
    namespace: String,
    name: String,
}

/// Lists the selected objects, as the query's paging asks.
pub(crate) fn list(state: &State, selection: &Selection, query: &Query) -> Result<Page, Failure> {
    let position = query.text("continue").map(parse_position).transpose()?;
    let revision = list_revision(state, query, position.as_ref())?;
    let limit = query.number("limit")?.filter(|limit| *limit > 0);
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let after = position.map(|position| ObjectName::new(&position.namespace, &position.name));
    let past;
    let table = if revision == state.revision {
        state.tables.get(&selection.kind.storage)
    } else {
        past = state.table_at(&selection.kind.storage, revision);
        Some(past.as_ref().ok_or_else(expired_list)?)
    };
    let mut found: Vec<(&ObjectName, &Arc<Value>)> = Vec::new();
    let mut left = 0_usize;
    for (name, object) in table.into_iter().flatten() {
        if after.as_ref().is_some_and(|after| name <= after) {
            continue;
        }
        if !selection.matches(name, &crate::view::served(&selection.kind, object)) {
            continue;
        }
        if found.len() < limit {
            found.push((name, object));
        } else {
            left += 1;
        }
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if left > 0
        && let Some((last, _)) = found.last()
    {
        let position = Position { revision, namespace: last.namespace.clone(), name: last.name.clone() };
        metadata["continue"] = json!(print_position(&position));
        if selection.is_everything() {
            metadata["remainingItemCount"] = json!(left);
        }
    }
    let objects = found.into_iter().map(|(_, object)| Arc::clone(object)).collect();
    Ok(Page { objects, metadata })
}

fn list_revision(state: &State, query: &Query, position: Option<&Position>) -> Result<u64, Failure> {
    let asked = query.revision()?;
    if query.text("sendInitialEvents").is_some() {
        let why = "sendInitialEvents is forbidden for list";
        return Err(Failure::forbidden_option("ListOptions", "sendInitialEvents", why));
    }
    if let Some(position) = position {
        if query.text("resourceVersionMatch").is_some() {
            return Err(match_forbidden("resourceVersionMatch is forbidden when continue is provided"));
        }
        return Ok(position.revision);
    }
    let matching = query.text("resourceVersionMatch");
    match (asked, matching) {
        (None, Some(_)) => Err(match_forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")),
        (Some(asked), _) if asked > state.revision => Err(Failure::version_too_large(asked, state.revision)),
        (Some(0), Some("Exact")) => {
            Err(match_forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""))
        }
        (Some(asked), Some("Exact")) => Ok(asked),
        (_, None | Some("NotOlderThan")) => Ok(state.revision),
        (_, Some(other)) => {
            let known = ["Exact", "NotOlderThan", ""];
            Err(Failure::unknown_option("ListOptions", "resourceVersionMatch", other, &known))
        }
    }
}

fn match_forbidden(why: &str) -> Failure {
    Failure::forbidden_option("ListOptions", "resourceVersionMatch", why)
}

fn expired_list() -> Failure {
    Failure::expired(
        "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
    )
}

fn print_position(position: &Position) -> String {
    URL_SAFE_NO_PAD.encode(json!(position).to_string())
}

fn parse_position(token: &str) -> Result<Position, Failure> {
    let malformed = || Failure::bad_request("continue key is not valid");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| malformed())?;
    serde_json::from_slice(&bytes).map_err(|_| malformed())
}
