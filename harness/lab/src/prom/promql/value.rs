//! The value of an expression, and its JSON.

use serde_json::json;

use crate::clock;
use crate::prom::labels::Labels;

/// One element of an instant vector.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    /// When the sample was taken, Unix milliseconds.
    pub(crate) at: i64,
}

/// Samples over a window.
#[derive(Debug, Clone)]
pub(crate) struct Ranged {
    pub(crate) series: Vec<(Labels, Vec<(i64, f64)>)>,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The value of an expression.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar(f64),
    Vector(Vec<Sample>),
    Matrix(Ranged),
    Text(String),
}

impl Value {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "scalar",
            Self::Vector(_) => "instant vector",
            Self::Matrix(_) => "range vector",
            Self::Text(_) => "string",
        }
    }

    /// `data` of an instant query's answer.
    pub(crate) fn json(&self, at: i64) -> serde_json::Value {
        let seconds = clock::seconds(at);
        let point = |t: i64, v: f64| json!([clock::seconds(t), number(v)]);
        match self {
            Self::Scalar(n) => json!({"resultType": "scalar", "result": [seconds, number(*n)]}),
            Self::Text(s) => json!({"resultType": "string", "result": [seconds, s]}),
            Self::Vector(list) => {
                let result: Vec<_> = list
                    .iter()
                    .map(|s| json!({"metric": s.labels.json(), "value": [seconds, number(s.value)]}))
                    .collect();
                json!({"resultType": "vector", "result": result})
            }
            Self::Matrix(ranged) => {
                let one = |(labels, samples): &(Labels, Vec<(i64, f64)>)| json!({"metric": labels.json(), "values": samples.iter().map(|(t, v)| point(*t, *v)).collect::<Vec<_>>()});
                json!({"resultType": "matrix", "result": ranged.series.iter().map(one).collect::<Vec<_>>()})
            }
        }
    }
}

/// A number as Prometheus writes it.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        value.to_string()
    }
}

/// Why a query has no value.
#[derive(Debug, Clone)]
pub(crate) struct QueryError {
    /// `bad_data` or `execution`.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl QueryError {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { kind: "bad_data", message: message.into() }
    }

    pub(crate) fn execution(message: impl Into<String>) -> Self {
        Self { kind: "execution", message: message.into() }
    }
}
