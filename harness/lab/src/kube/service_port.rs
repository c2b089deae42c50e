//! Ports of Services.

use serde_json::Value;

/// The target port of a Service port. Named target ports have the number that they have in the lab's manifests.
pub(crate) fn target_port(port: &Value) -> u16 {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    match port.get("targetPort") {
        Some(Value::String(name)) => match name.as_str() {
            "http2" => 8080,
            "https" => 8443,
            "http" => number(port.get("port")).unwrap_or(80),
            _ => number(port.get("port")).unwrap_or(0),
        },
        Some(value) => number(Some(value)).unwrap_or(0),
        None => number(port.get("port")).unwrap_or(0),
    }
}
