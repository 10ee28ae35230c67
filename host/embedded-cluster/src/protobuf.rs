//! Request bodies in Kubernetes' protobuf envelope, for the kinds that kubectl sends so:
//! `kubectl create namespace`, `configmap` and `secret`. Answers are always JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// The media type of such bodies.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: &[u8] = b"k8s\0";

/// How one field of a message is written in JSON.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Number,
    Flag,
    /// Map of texts.
    Texts,
    /// Map of bytes, base64 in JSON.
    Blobs,
    ListOfTexts,
    Message(&'static [Field]),
    ListOf(&'static [Field]),
    /// Not sent by clients on purpose: creation times and the like.
    Ignored,
}

/// Number, JSON name and shape of a field.
type Field = (u64, &'static str, Shape);

const OWNER: &[Field] = &[
    (1, "kind", Shape::Text),
    (3, "name", Shape::Text),
    (4, "uid", Shape::Text),
    (5, "apiVersion", Shape::Text),
    (6, "controller", Shape::Flag),
    (7, "blockOwnerDeletion", Shape::Flag),
];

const METADATA: &[Field] = &[
    (1, "name", Shape::Text),
    (2, "generateName", Shape::Text),
    (3, "namespace", Shape::Text),
    (4, "selfLink", Shape::Ignored),
    (5, "uid", Shape::Text),
    (6, "resourceVersion", Shape::Text),
    (7, "generation", Shape::Ignored),
    (8, "creationTimestamp", Shape::Ignored),
    (9, "deletionTimestamp", Shape::Ignored),
    (10, "deletionGracePeriodSeconds", Shape::Number),
    (11, "labels", Shape::Texts),
    (12, "annotations", Shape::Texts),
    (13, "ownerReferences", Shape::ListOf(OWNER)),
    (14, "finalizers", Shape::ListOfTexts),
    (17, "managedFields", Shape::Ignored),
];

const CONFIG_MAP: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "data", Shape::Texts),
    (3, "binaryData", Shape::Blobs),
    (4, "immutable", Shape::Flag),
];

const SECRET: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "data", Shape::Blobs),
    (3, "type", Shape::Text),
    (4, "stringData", Shape::Texts),
    (5, "immutable", Shape::Flag),
];

const NAMESPACE: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "spec", Shape::Message(&[(1, "finalizers", Shape::ListOfTexts)])),
    (3, "status", Shape::Message(&[(1, "phase", Shape::Text), (2, "conditions", Shape::Ignored)])),
];

/// Decodes an enveloped object; a kind without a table here is a 415 that names it.
pub(crate) fn decode(body: &[u8]) -> Result<Value, Failure> {
    let envelope = body.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for entry in fields(envelope)? {
        match entry {
            (1, Wire::Bytes(types)) => {
                for entry in fields(types)? {
                    match entry {
                        (1, Wire::Bytes(bytes)) => api_version = text(bytes)?,
                        (2, Wire::Bytes(bytes)) => kind = text(bytes)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let shape = match (api_version.as_str(), kind.as_str()) {
        ("v1", "ConfigMap") => CONFIG_MAP,
        ("v1", "Secret") => SECRET,
        ("v1", "Namespace") => NAMESPACE,
        _ => {
            return Err(Failure::unsupported_media_type(format!(
                "{MEDIA_TYPE} is not accepted for {api_version} {kind}; send application/json"
            )));
        }
    };
    let mut object = message(raw, shape)?;
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(object))
}

fn malformed() -> Failure {
    Failure::bad_request("the body of the request is not a well-formed protobuf object")
}

/// A value as it lies on the wire.
#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut rest: &[u8]) -> Result<Vec<(u64, Wire<'_>)>, Failure> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut rest)?),
            1 => Wire::Bytes(take(&mut rest, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).map_err(|_| malformed())?;
                Wire::Bytes(take(&mut rest, length)?)
            }
            5 => Wire::Bytes(take(&mut rest, 4)?),
            _ => return Err(malformed()),
        };
        found.push((tag >> 3, wire));
    }
    Ok(found)
}

fn varint(rest: &mut &[u8]) -> Result<u64, Failure> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, tail) = rest.split_first().ok_or_else(malformed)?;
        *rest = tail;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Failure> {
    let (taken, tail) = rest.split_at_checked(length).ok_or_else(malformed)?;
    *rest = tail;
    Ok(taken)
}

fn text(bytes: &[u8]) -> Result<String, Failure> {
    String::from_utf8(bytes.to_vec()).map_err(|_| malformed())
}

fn message(bytes: &[u8], shape: &[Field]) -> Result<Map<String, Value>, Failure> {
    let mut object = Map::new();
    for (number, wire) in fields(bytes)? {
        let Some((_, name, shape)) = shape.iter().find(|(known, ..)| *known == number) else {
            continue;
        };
        let value = match (shape, wire) {
            (Shape::Ignored, _) => continue,
            (Shape::Text, Wire::Bytes(bytes)) => json!(text(bytes)?),
            (Shape::Number, Wire::Number(number)) => json!(number),
            (Shape::Flag, Wire::Number(number)) => json!(number != 0),
            (Shape::Message(fields), Wire::Bytes(bytes)) => Value::Object(message(bytes, fields)?),
            (Shape::ListOfTexts, Wire::Bytes(bytes)) => {
                push(&mut object, name, json!(text(bytes)?));
                continue;
            }
            (Shape::ListOf(fields), Wire::Bytes(bytes)) => {
                push(&mut object, name, Value::Object(message(bytes, fields)?));
                continue;
            }
            (Shape::Texts | Shape::Blobs, Wire::Bytes(bytes)) => {
                let (key, value) = entry(bytes, matches!(shape, Shape::Blobs))?;
                let map = object.entry(*name).or_insert_with(|| json!({}));
                map[key] = json!(value);
                continue;
            }
            _ => return Err(malformed()),
        };
        // An empty text is an absent one: protobuf for Kubernetes writes both alike.
        if value != json!("") {
            object.insert((*name).to_owned(), value);
        }
    }
    Ok(object)
}

fn push(object: &mut Map<String, Value>, name: &str, item: Value) {
    let list = object.entry(name).or_insert_with(|| json!([]));
    if let Value::Array(items) = list {
        items.push(item);
    }
}

fn entry(bytes: &[u8], is_blob: bool) -> Result<(String, String), Failure> {
    let (mut key, mut value) = (String::new(), String::new());
    for field in fields(bytes)? {
        match field {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, Wire::Bytes(bytes)) if is_blob => value = STANDARD.encode(bytes),
            (2, Wire::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length-delimited field.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }

    fn enveloped(kind: &str, raw: &[u8]) -> Vec<u8> {
        let types = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &types), field(2, raw)].concat()
    }

    #[test]
    fn a_config_map_is_decoded() {
        let metadata = [field(1, b"m"), field(3, b"team"), field(14, b"f")].concat();
        let entry = [field(1, b"a"), field(2, b"1")].concat();
        let raw = [field(1, &metadata), field(2, &entry), field(3, &entry), vec![4 << 3, 1]].concat();
        assert_eq!(
            decode(&enveloped("ConfigMap", &raw)).unwrap(),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "immutable": true, "data": {"a": "1"}, "binaryData": {"a": "MQ=="},
                "metadata": {"name": "m", "namespace": "team", "finalizers": ["f"]}})
        );
    }

    #[test]
    fn other_kinds_and_broken_bytes_are_refused() {
        assert_eq!(decode(&enveloped("Pod", &[])).unwrap_err().code, 415);
        let whole = enveloped("Namespace", &field(1, &field(1, b"x")));
        for length in 0..whole.len() - 1 {
            // Cut anywhere it is refused, or decodes to less; it never panics.
            let _ = decode(&whole[..length]);
        }
        assert_eq!(decode(b"{}").unwrap_err().code, 400);
    }
}
