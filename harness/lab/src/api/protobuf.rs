//! Request bodies in Kubernetes' protobuf encoding, for the kinds that kubectl's typed commands send.
//!
//! `create configmap|secret|namespace|serviceaccount`, `auth can-i`, evictions and delete options. Other kinds are refused.

use base64::Engine as _;
use serde_json::{Map, Value, json};

#[derive(Clone, Copy)]
enum Field {
    Text,
    Integer,
    Flag,
    Texts,
    /// A map of text to text.
    Labels,
    /// A map of text to bytes.
    Blobs,
    Message(&'static [(u64, &'static str, Field)]),
}

use Field::{Blobs, Flag, Integer, Labels, Message, Text, Texts};

type Shape = &'static [(u64, &'static str, Field)];

const METADATA: Shape = &[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (11, "labels", Labels),
    (12, "annotations", Labels),
    (14, "finalizers", Texts),
];
const META: (u64, &str, Field) = (1, "metadata", Message(METADATA));
const DELETE: Shape = &[
    (1, "gracePeriodSeconds", Integer),
    (2, "preconditions", Message(&[(1, "uid", Text), (2, "resourceVersion", Text)])),
    (4, "propagationPolicy", Text),
    (5, "dryRun", Texts),
];
const RESOURCE: Shape = &[
    (1, "namespace", Text),
    (2, "verb", Text),
    (3, "group", Text),
    (4, "version", Text),
    (5, "resource", Text),
    (6, "subresource", Text),
    (7, "name", Text),
];
const ACCESS: Shape = &[
    (1, "resourceAttributes", Message(RESOURCE)),
    (2, "nonResourceAttributes", Message(&[(1, "path", Text), (2, "verb", Text)])),
];

fn shape(kind: &str) -> Option<Shape> {
    Some(match kind {
        "ConfigMap" => &[META, (2, "data", Labels), (3, "binaryData", Blobs), (4, "immutable", Flag)],
        "Secret" => &[META, (2, "data", Blobs), (3, "type", Text), (4, "stringData", Labels)],
        "Namespace" | "ServiceAccount" | "SelfSubjectReview" => &[META],
        "SelfSubjectAccessReview" => &[META, (2, "spec", Message(ACCESS))],
        "SelfSubjectRulesReview" => &[META, (2, "spec", Message(&[(1, "namespace", Text)]))],
        "Eviction" => &[META, (2, "deleteOptions", Message(DELETE))],
        "DeleteOptions" => DELETE,
        _ => return None,
    })
}

/// The object in a body. `None` when its kind is not decoded here, or when it is malformed.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(b"k8s\0")?)?;
    let part = |fields: &[(u64, Wire<'_>)], wanted: u64| {
        fields.iter().find(|(n, _)| *n == wanted).and_then(|(_, w)| w.bytes().map(<[u8]>::to_vec))
    };
    let kind = fields(&part(&envelope, 1)?)?.iter().map(|(n, w)| (*n, w.text())).collect::<Vec<_>>();
    let named = |n: u64| kind.iter().find(|(m, _)| *m == n).map(|(_, text)| text.clone()).unwrap_or_default();
    let raw = part(&envelope, 2).unwrap_or_default();
    let mut value = message(&raw, shape(&named(2))?)?;
    value.insert("apiVersion".into(), json!(named(1)));
    value.insert("kind".into(), json!(named(2)));
    Some(Value::Object(value))
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    fn text(&self) -> String {
        self.bytes().map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default()
    }

    fn number(&self) -> u64 {
        if let Self::Number(n) = self { *n } else { 0 }
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let wire = match key & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => Wire::Bytes(bytes.split_off(..8)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Wire::Bytes(bytes.split_off(..length)?)
            }
            5 => Wire::Bytes(bytes.split_off(..4)?),
            _ => return None,
        };
        found.push((key >> 3, wire));
    }
    Some(found)
}

fn message(bytes: &[u8], shape: Shape) -> Option<Map<String, Value>> {
    let mut out = Map::new();
    for (number, wire) in fields(bytes)? {
        let Some((_, name, field)) = shape.iter().find(|(n, ..)| *n == number) else { continue };
        match field {
            // Protobuf sends an absent field as empty text.
            Text if wire.text().is_empty() => {}
            Text => drop(out.insert((*name).into(), json!(wire.text()))),
            Integer => drop(out.insert((*name).into(), json!(i64::from_ne_bytes(wire.number().to_ne_bytes())))),
            Flag => drop(out.insert((*name).into(), json!(wire.number() != 0))),
            Message(inner) => drop(out.insert((*name).into(), Value::Object(message(wire.bytes()?, inner)?))),
            Texts => {
                if let Value::Array(list) = out.entry(*name).or_insert_with(|| json!([])) {
                    list.push(json!(wire.text()));
                }
            }
            Labels | Blobs => {
                let pair = fields(wire.bytes()?)?;
                let get = |n: u64| pair.iter().find(|(m, _)| *m == n).and_then(|(_, w)| w.bytes()).unwrap_or(b"");
                let value = match field {
                    Blobs => base64::engine::general_purpose::STANDARD.encode(get(2)),
                    _ => String::from_utf8_lossy(get(2)).into_owned(),
                };
                if let Value::Object(map) = out.entry(*name).or_insert_with(|| json!({})) {
                    map.insert(String::from_utf8_lossy(get(1)).into_owned(), json!(value));
                }
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(number: u8, data: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(data.len()).unwrap()], data].concat()
    }

    #[test]
    fn a_config_map_is_decoded_and_unknown_kinds_and_garbage_are_not() {
        let entry = tagged(2, &[tagged(1, b"key"), tagged(2, b"value")].concat());
        let raw = [tagged(1, &tagged(1, b"name")), entry].concat();
        let body = |kind: &[u8]| {
            [b"k8s\0".as_slice(), &tagged(1, &[tagged(1, b"v1"), tagged(2, kind)].concat()), &tagged(2, &raw)].concat()
        };
        let value = decode(&body(b"ConfigMap")).unwrap();
        assert_eq!(
            value,
            json!({"metadata": {"name": "name"}, "data": {"key": "value"}, "apiVersion": "v1", "kind": "ConfigMap"})
        );
        assert!(decode(&body(b"Deployment")).is_none());
        assert!(decode(b"k8s\0\xff\xff\xff").is_none());
    }
}
