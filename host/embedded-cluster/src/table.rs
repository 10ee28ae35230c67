//! Table output: the columns and cells that `kubectl get` prints.

use serde_json::{Value, json};

use crate::kinds::{Cell, Column, ResourceKind};

/// What each row carries of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowObject {
    Metadata,
    Whole,
    Nothing,
}

impl RowObject {
    /// From the `includeObject` query parameter.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        match text {
            Some("Object") => Self::Whole,
            Some("None") => Self::Nothing,
            _ => Self::Metadata,
        }
    }
}

/// A Table of `objects`; `metadata` is the list's.
pub(crate) fn table<'a>(
    kind: &ResourceKind,
    objects: impl Iterator<Item = &'a Value>,
    metadata: &Value,
    row_object: RowObject,
    now_seconds: i64,
) -> Value {
    let rows: Vec<Value> = objects.map(|object| row(kind, object, row_object, now_seconds)).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": headers(kind),
        "rows": rows,
    })
}

fn headers(kind: &ResourceKind) -> Vec<Value> {
    let name = json!({"name": "Name", "type": "string", "format": "name", "priority": 0,
        "description": "Name must be unique within a namespace."});
    let header = |column: &Column| {
        json!({"name": column.title, "type": column.kind, "format": column.format,
            "description": column.description, "priority": column.priority})
    };
    // Events are listed by time, not by name.
    let named = kind.storage.0.as_ref() != "/events";
    named.then_some(name).into_iter().chain(kind.columns.iter().map(header)).collect()
}

fn row(kind: &ResourceKind, object: &Value, row_object: RowObject, now_seconds: i64) -> Value {
    let name = object["metadata"]["name"].clone();
    let named = kind.storage.0.as_ref() != "/events";
    let cells: Vec<Value> = named
        .then_some(name)
        .into_iter()
        .chain(kind.columns.iter().map(|column| cell(column, object, now_seconds)))
        .collect();
    let mut row = json!({ "cells": cells });
    match row_object {
        RowObject::Metadata => row["object"] = partial(object),
        RowObject::Whole => row["object"] = object.clone(),
        RowObject::Nothing => {}
    }
    row
}

/// The object's metadata alone, as `PartialObjectMetadata`.
pub(crate) fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn cell(column: &Column, object: &Value, now_seconds: i64) -> Value {
    let path = match &column.cell {
        Cell::Computed(compute) => return compute(object, now_seconds),
        Cell::Path(path) => path,
    };
    let Some(value) = path.first(object) else {
        return Value::Null;
    };
    match (column.kind.as_str(), value) {
        (_, Value::Null) => Value::Null,
        ("string", Value::String(_)) | ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("string", other) => json!(other.to_string()),
        ("integer", Value::Number(number)) => {
            let truncated = number.as_f64().map(f64::trunc);
            number.as_i64().map_or_else(|| json!(truncated), |whole| json!(whole))
        }
        ("date", value) => json!(age_of(value, now_seconds)),
        _ => Value::Null,
    }
}

/// How long ago `time` (RFC 3339) was, in kubectl's short form.
pub(crate) fn age_of(time: &Value, now_seconds: i64) -> String {
    match time {
        Value::Null => "<unknown>".to_owned(),
        Value::String(text) => text
            .parse::<jiff::Timestamp>()
            .map_or_else(|_| "<invalid>".to_owned(), |time| human_duration(now_seconds - time.as_second())),
        _ => "<invalid>".to_owned(),
    }
}

fn human_duration(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let pair = |first: i64, unit: &str, second: i64, smaller: &str| {
        if second == 0 { format!("{first}{unit}") } else { format!("{first}{unit}{second}{smaller}") }
    };
    if seconds < -1 {
        "<invalid>".to_owned()
    } else if seconds < 0 {
        "0s".to_owned()
    } else if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        pair(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        pair(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 24 * 8 {
        pair(hours / 24, "d", hours % 24, "h")
    } else if hours < 24 * 365 * 2 {
        format!("{}d", hours / 24)
    } else if hours < 24 * 365 * 8 {
        pair(hours / 24 / 365, "y", (hours / 24) % 365, "d")
    } else {
        format!("{}y", hours / 24 / 365)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_kubectl() {
        for (seconds, wanted) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (3600, "60m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (49 * 3600, "2d1h"),
            (9 * 86_400, "9d"),
        ] {
            assert_eq!(human_duration(seconds), wanted);
        }
    }
}
