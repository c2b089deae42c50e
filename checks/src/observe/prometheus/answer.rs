//! The envelope around every answer of the HTTP API, and everything that may come in its place.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::observe::Excerpt;

/// An answer that carries no data. Fits "failed to query …: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrometheusError {
    /// Prometheus refused: a bad query (400), a failed one (422), a timeout (503) and so on.
    #[error("refused with {status} {kind}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// `errorType`: `bad_data`, `execution`, `timeout`, `canceled`, `not_found` …
        kind: String,
        /// Its words.
        message: String,
    },
    /// Something answered that is no Prometheus, often a proxy on the way or a wrong path.
    #[error("answered {status} with {came}")]
    NotPrometheus {
        /// HTTP status.
        status: u16,
        /// What came instead.
        came: Excerpt,
    },
    /// A success whose data is not what this path answers.
    #[error("answered data of an unknown shape: {why}")]
    Shape {
        /// Where it went wrong.
        why: String,
    },
}

/// Data, and what Prometheus had to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The data.
    pub data: T,
    /// Warnings: the data may be incomplete.
    pub warnings: Vec<String>,
    /// Remarks about the query, since version 3.
    pub infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: String,
    #[serde(default)]
    data: serde_json::Value,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
    /// `VictoriaMetrics` marks an answer that some of its storage nodes did not contribute to.
    #[serde(default)]
    is_partial: bool,
}

impl<T> Answer<T> {
    pub(super) fn map<U>(
        self,
        with: impl FnOnce(T) -> Result<U, PrometheusError>,
    ) -> Result<Answer<U>, PrometheusError> {
        Ok(Answer { data: with(self.data)?, warnings: self.warnings, infos: self.infos })
    }
}

/// Opens the envelope of an answer with this HTTP status.
pub(super) fn open<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<Answer<T>, PrometheusError> {
    let not_prometheus = || PrometheusError::NotPrometheus { status, came: Excerpt::of(body) };
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_| not_prometheus())?;
    match envelope.status.as_str() {
        "success" if (200..300).contains(&status) => {
            let data = serde_json::from_value(without_nulls(envelope.data))
                .map_err(|e| PrometheusError::Shape { why: e.to_string() })?;
            let mut warnings = envelope.warnings;
            if envelope.is_partial {
                warnings.push("the answer is marked as partial (isPartial)".to_owned());
            }
            Ok(Answer { data, warnings, infos: envelope.infos })
        }
        "error" => Err(PrometheusError::Refused { status, kind: envelope.error_type, message: envelope.error }),
        _ => Err(not_prometheus()),
    }
}

/// A list or map of Go that was never filled is `null`; it means the same as one that is left out.
fn without_nulls(mut value: serde_json::Value) -> serde_json::Value {
    match &mut value {
        serde_json::Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(|member| *member = without_nulls(member.take()));
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| *item = without_nulls(item.take())),
        _ => {}
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_is_as_good_as_nothing() {
        let body = br#"{"status":"success","data":{"activeTargets":[],"droppedTargetCounts":null}}"#;
        let answer = super::super::parse_targets(200, body).unwrap();
        assert_eq!(answer.data.dropped, 0);
    }

    fn error(status: u16, body: &str) -> String {
        open::<serde_json::Value>(status, body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_refusal_says_what_came() {
        assert_eq!(
            error(400, r#"{"status":"error","errorType":"bad_data","error":"1:54: parse error: unexpected <by>"}"#),
            "refused with 400 bad_data: 1:54: parse error: unexpected <by>"
        );
        assert_eq!(
            error(502, "<html><head><title>502 Bad Gateway</title></head></html>"),
            "answered 502 with an HTML page that begins with `<html><head><title>502 Bad Gateway</title></head></html>`"
        );
        assert_eq!(error(404, "404 page not found\n"), "answered 404 with text that begins with `404 page not found`");
        assert_eq!(error(200, ""), "answered 200 with an empty body");
        assert!(error(200, r#"{"kind":"Status","status":"Failure"}"#).contains("JSON of another shape"));
        assert!(error(503, r#"{"status":"success","data":{}}"#).starts_with("answered 503"));
    }

    #[test]
    fn warnings_come_along() {
        let body = br#"{"status":"success","data":1,"warnings":["w"],"infos":["i"]}"#;
        let answer = open::<u8>(200, body).unwrap();
        assert_eq!((answer.data, answer.warnings.len(), answer.infos.len()), (1, 1, 1));
        let partial = open::<u8>(200, br#"{"status":"success","isPartial":true,"data":1}"#).unwrap();
        assert_eq!(partial.warnings, ["the answer is marked as partial (isPartial)"]);
    }
}
