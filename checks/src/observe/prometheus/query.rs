//! Answers of instant queries.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::{self, Answer, PrometheusError};

/// The result of an instant query.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vector {
    /// The query is fine and matched nothing. Neither 0 nor false: unknown.
    NoData,
    /// One number without labels.
    Scalar(Point),
    /// One sample per series, at least one.
    Samples(Vec<Series>),
    /// A string literal, or series over time: not what an instant query of a check is for.
    Other(&'static str),
}

/// A number and when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Evaluation time of the query, not the time of the scrape.
    pub at: Timestamp,
    /// The number; may be NaN (`0/0`) or infinite (`1/0`).
    pub value: f64,
}

/// One labelled sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Its labels, `__name__` among them where the query kept it.
    pub labels: BTreeMap<String, String>,
    /// Evaluation time of the query, not the time of the scrape.
    pub at: Timestamp,
    /// Its value.
    pub value: SeriesValue,
}

/// The value of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeriesValue {
    /// A number; may be NaN or infinite.
    Number(f64),
    /// A native histogram, of which only these two are kept.
    Histogram {
        /// Observations.
        count: f64,
        /// Their sum.
        sum: f64,
    },
}

impl Series {
    /// The number, `None` for a histogram.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            SeriesValue::Number(value) => Some(value),
            SeriesValue::Histogram { .. } => None,
        }
    }

    /// The value of a label, empty where it is not set, as Prometheus has it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Vector {
    /// All numbers of the result: one for a scalar, none where there is no data or only histograms.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            Self::NoData | Self::Other(_) => Vec::new(),
            Self::Scalar(point) => vec![point.value],
            Self::Samples(series) => series.iter().filter_map(Series::number).collect(),
        }
    }

    /// The samples of a vector; empty for everything else.
    pub fn samples(&self) -> &[Series] {
        match self {
            Self::Samples(series) => series,
            Self::NoData | Self::Scalar(_) | Self::Other(_) => &[],
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct RawSeries {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    histogram: Option<(f64, RawHistogram)>,
}

#[derive(Deserialize)]
struct RawHistogram {
    count: String,
    sum: String,
}

/// Reads the answer of `/api/v1/query`.
pub fn parse_query(status: u16, body: &[u8]) -> Result<Answer<Vector>, PrometheusError> {
    answer::open::<Data>(status, body)?.map(|data| match data.result_type.as_str() {
        "vector" => {
            let raw: Vec<RawSeries> = serde_json::from_value(data.result).map_err(|e| shape(&e))?;
            if raw.is_empty() {
                return Ok(Vector::NoData);
            }
            raw.into_iter().map(series).collect::<Result<_, _>>().map(Vector::Samples)
        }
        "scalar" => {
            let (at, value) = serde_json::from_value::<(f64, String)>(data.result).map_err(|e| shape(&e))?;
            Ok(Vector::Scalar(Point { at: timestamp(at)?, value: number(&value)? }))
        }
        "matrix" => Ok(Vector::Other("matrix")),
        "string" => Ok(Vector::Other("string")),
        other => Err(shape(&format!("result type `{other}`"))),
    })
}

fn series(raw: RawSeries) -> Result<Series, PrometheusError> {
    let (at, value) = match (raw.value, raw.histogram) {
        (Some((at, value)), _) => (at, SeriesValue::Number(number(&value)?)),
        (None, Some((at, h))) => (at, SeriesValue::Histogram { count: number(&h.count)?, sum: number(&h.sum)? }),
        (None, None) => return Err(shape(&"a sample without a value")),
    };
    Ok(Series { labels: raw.metric, at: timestamp(at)?, value })
}

fn number(text: &str) -> Result<f64, PrometheusError> {
    text.parse().map_err(|_| shape(&format!("`{text}` is not a number")))
}

fn timestamp(seconds: f64) -> Result<Timestamp, PrometheusError> {
    Timestamp::from_millisecond((seconds * 1e3).round() as i64).map_err(|e| shape(&e))
}

fn shape(why: &dyn std::fmt::Display) -> PrometheusError {
    PrometheusError::Shape { why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(result: &str) -> Vector {
        let body = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#);
        parse_query(200, body.as_bytes()).unwrap().data
    }

    #[test]
    fn the_capture() {
        let body = include_bytes!("../../../tests/captures/prometheus/query_vector.json");
        let answer = parse_query(200, body).unwrap();
        let samples = answer.data.samples();
        assert_eq!(samples.len(), 14);
        assert_eq!(samples[0].number(), Some(1419.0));
        assert_eq!((samples[0].label("reporter"), samples[0].label("no_such")), ("destination", ""));
        assert_eq!(samples[0].at.as_millisecond(), 1_795_348_650_578);
    }

    #[test]
    fn nothing_is_a_state_of_its_own() {
        assert_eq!(vector("[]"), Vector::NoData);
        assert!(vector("[]").numbers().is_empty());
        assert_ne!(vector(r#"[{"metric":{},"value":[1,"0"]}]"#), Vector::NoData);
    }

    #[test]
    fn numbers_that_are_none_and_histograms() {
        let got = vector(
            r#"[{"metric":{},"value":[1.5,"NaN"]},{"metric":{},"value":[1,"+Inf"]},{"metric":{},"value":[1,"-Inf"]},
            {"metric":{"a":"b"},"histogram":[1,{"count":"5","sum":"2.5","buckets":[[0,"0","1","5"]]}]}]"#,
        );
        let numbers = got.numbers();
        assert!(numbers[0].is_nan());
        assert_eq!(numbers[1..], [f64::INFINITY, f64::NEG_INFINITY]);
        assert_eq!(got.samples()[3].value, SeriesValue::Histogram { count: 5.0, sum: 2.5 });
    }

    #[test]
    fn scalars_and_shapes() {
        let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#;
        assert_eq!(parse_query(200, scalar).unwrap().data.numbers(), [2.0]);
        for data in [
            r#"{"resultType":"vector","result":[{"metric":{}}]}"#,
            r#"{"resultType":"vector","result":[{"metric":{},"value":[1,"one"]}]}"#,
            r#"{"resultType":"vector","result":[{"metric":{},"value":[1e300,"1"]}]}"#,
            r#"{"resultType":"tensor","result":[]}"#,
            "{}",
        ] {
            let body = format!(r#"{{"status":"success","data":{data}}}"#);
            assert!(matches!(parse_query(200, body.as_bytes()), Err(PrometheusError::Shape { .. })), "{data}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(status in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(parse_query(status, &body).is_err());
        }
    }
}
