//! How Envoy writes its responses.

use serde_json::Value;

pub(super) const TEXT: &str = "text/plain; charset=UTF-8";
pub(super) const JSON: &str = "application/json";

/// Pretty-printed with one space, as Envoy prints.
pub(super) fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    if serde::Serialize::serialize(value, &mut serializer).is_err() {
        return String::new();
    }
    String::from_utf8(out).unwrap_or_default() + "\n"
}
