//! Functions of instant and range vectors.

use std::collections::BTreeMap;

use promql_parser::parser::{Call, Expr};

use super::aggregate::quantile;
use super::{QueryError, Ranged, Sample, Value, absent_labels, eval as eval_expr};
use crate::prom::labels::Labels;
use crate::prom::tsdb::Tsdb;

#[expect(clippy::too_many_lines, reason = "one arm per function")]
pub(super) fn eval(db: &Tsdb, call: &Call, at: i64) -> Result<Value, QueryError> {
    let name = call.func.name;
    let args = &call.args.args;
    let seconds = at as f64 / 1000.0;
    let arg =
        |i: usize| args.get(i).ok_or_else(|| QueryError::bad(format!("expected more arguments in call to {name:?}")));
    let value = |i: usize| eval_expr(db, arg(i)?, at);
    let scalar = |i: usize| match value(i)? {
        Value::Scalar(n) => Ok(n),
        other => Err(wrong(name, "scalar", &other)),
    };
    let vector = |i: usize| match value(i)? {
        Value::Vector(list) => Ok(list),
        other => Err(wrong(name, "instant vector", &other)),
    };
    let matrix = |i: usize| match value(i)? {
        Value::Matrix(ranged) => Ok(ranged),
        other => Err(wrong(name, "range vector", &other)),
    };
    let text = |i: usize| match value(i)? {
        Value::Text(s) => Ok(s),
        other => Err(wrong(name, "string", &other)),
    };
    let map = |f: &dyn Fn(f64) -> f64| {
        let list = vector(0)?;
        Ok(Value::Vector(
            list.into_iter().map(|s| Sample { labels: s.labels.without_name(), value: f(s.value), ..s }).collect(),
        ))
    };
    match name {
        "time" => Ok(Value::Scalar(seconds)),
        "vector" => Ok(Value::Vector(vec![Sample { labels: Labels::default(), value: scalar(0)?, at }])),
        "scalar" => {
            let list = vector(0)?;
            Ok(Value::Scalar(if list.len() == 1 { list[0].value } else { f64::NAN }))
        }
        "timestamp" => {
            let direct = matches!(&**arg(0)?, Expr::VectorSelector(_));
            let stamp = |s: &Sample| if direct { s.at as f64 / 1000.0 } else { seconds };
            Ok(Value::Vector(
                vector(0)?
                    .into_iter()
                    .map(|s| Sample { labels: s.labels.without_name(), value: stamp(&s), at })
                    .collect(),
            ))
        }
        "absent" | "absent_over_time" => {
            let some = match value(0)? {
                Value::Vector(list) => !list.is_empty(),
                Value::Matrix(ranged) => !ranged.series.is_empty(),
                other => return Err(wrong(name, "instant vector", &other)),
            };
            let sample = Sample { labels: absent_labels(arg(0)?), value: 1.0, at };
            Ok(Value::Vector(if some { Vec::new() } else { vec![sample] }))
        }
        "abs" => map(&f64::abs),
        "ceil" => map(&f64::ceil),
        "floor" => map(&f64::floor),
        "sqrt" => map(&f64::sqrt),
        "exp" => map(&f64::exp),
        "ln" => map(&f64::ln),
        "log2" => map(&f64::log2),
        "log10" => map(&f64::log10),
        "sgn" => map(&f64::signum),
        "round" => {
            let to = if args.len() > 1 { scalar(1)? } else { 1.0 };
            map(&|v| (v / to + 0.5).floor() * to)
        }
        "clamp" => {
            let (low, high) = (scalar(1)?, scalar(2)?);
            map(&|v| v.max(low).min(high))
        }
        "clamp_min" => {
            let low = scalar(1)?;
            map(&|v| v.max(low))
        }
        "clamp_max" => {
            let high = scalar(1)?;
            map(&|v| v.min(high))
        }
        "sort" | "sort_desc" => {
            let mut list = vector(0)?;
            list.sort_by(|a, b| a.value.total_cmp(&b.value));
            if name == "sort_desc" {
                list.reverse();
            }
            Ok(Value::Vector(list))
        }
        "histogram_quantile" => {
            let q = scalar(0)?;
            Ok(Value::Vector(histogram(q, vector(1)?, at)))
        }
        "label_replace" => label_replace(vector(0)?, &text(1)?, &text(2)?, &text(3)?, &text(4)?).map(Value::Vector),
        "label_join" => {
            let (target, separator) = (text(1)?, text(2)?);
            let sources: Vec<String> = (3..args.len()).map(text).collect::<Result<_, _>>()?;
            let join = |s: Sample| {
                let joined: Vec<&str> = sources.iter().map(|n| s.labels.get(n)).collect();
                Sample { labels: s.labels.with(&target, &joined.join(&separator)), ..s }
            };
            Ok(Value::Vector(vector(0)?.into_iter().map(join).collect()))
        }
        "quantile_over_time" => {
            let q = scalar(0)?;
            Ok(over(&matrix(1)?, at, |_, s| Some(quantile(q, &values(s)))))
        }
        "predict_linear" | "deriv" => {
            let ahead = if name == "deriv" { None } else { Some(scalar(1)?) };
            Ok(over(&matrix(0)?, at, |_, s| regression(s, at, ahead)))
        }
        _ => Ok(over(&matrix(0)?, at, |ranged, s| over_time(name, ranged, s))),
    }
}

fn wrong(name: &str, wanted: &str, got: &Value) -> QueryError {
    QueryError::bad(format!("expected type {wanted} in call to function {name:?}, got {}", got.kind()))
}

fn values(samples: &[(i64, f64)]) -> Vec<f64> {
    samples.iter().map(|s| s.1).collect()
}

fn over(ranged: &Ranged, at: i64, f: impl Fn(&Ranged, &[(i64, f64)]) -> Option<f64>) -> Value {
    let one = |(labels, samples): &(Labels, Vec<(i64, f64)>)| {
        f(ranged, samples).map(|value| Sample { labels: labels.without_name(), value, at })
    };
    Value::Vector(ranged.series.iter().filter_map(one).collect())
}

fn over_time(name: &str, ranged: &Ranged, samples: &[(i64, f64)]) -> Option<f64> {
    let list = values(samples);
    let n = list.len() as f64;
    let sum: f64 = list.iter().sum();
    match name {
        "rate" => extrapolated(ranged, samples, true).map(|v| v / ((ranged.end - ranged.start) as f64 / 1000.0)),
        "increase" => extrapolated(ranged, samples, true),
        "delta" => extrapolated(ranged, samples, false),
        "irate" | "idelta" => {
            let [.., (t0, a), (t1, b)] = samples else { return None };
            let change = if name == "irate" && b < a { *b } else { b - a };
            Some(if name == "irate" { change / ((t1 - t0) as f64 / 1000.0) } else { change })
        }
        "changes" => Some(list.windows(2).filter(|w| w[0].to_bits() != w[1].to_bits()).count() as f64),
        "resets" => Some(list.windows(2).filter(|w| w[1] < w[0]).count() as f64),
        "count_over_time" => Some(n),
        "sum_over_time" => Some(sum),
        "avg_over_time" => Some(sum / n),
        "min_over_time" => list.iter().copied().reduce(f64::min),
        "max_over_time" => list.iter().copied().reduce(f64::max),
        "last_over_time" => list.last().copied(),
        "present_over_time" => Some(1.0),
        "stddev_over_time" => Some((list.iter().map(|v| (v - sum / n).powi(2)).sum::<f64>() / n).sqrt()),
        _ => None,
    }
}

/// `rate`, `increase` and `delta`: the change over the window, extrapolated to its edges within Prometheus' limits.
fn extrapolated(ranged: &Ranged, samples: &[(i64, f64)], counter: bool) -> Option<f64> {
    let (first, last) = (samples.first()?, samples.last()?);
    if samples.len() < 2 {
        return None;
    }
    let mut change = last.1 - first.1;
    if counter {
        change += samples.windows(2).filter(|w| w[1].1 < w[0].1).map(|w| w[0].1).sum::<f64>();
    }
    let span = (last.0 - first.0) as f64;
    let average = span / (samples.len() - 1) as f64;
    let (mut before, mut after) = ((first.0 - ranged.start) as f64, (ranged.end - last.0) as f64);
    let limit = average * 1.1;
    if before >= limit {
        before = average / 2.0;
    }
    if counter && change > 0.0 && first.1 >= 0.0 {
        // A counter does not start below zero.
        before = before.min(span * (first.1 / change));
    }
    if after >= limit {
        after = average / 2.0;
    }
    Some(change * (span + before + after) / span)
}

fn regression(samples: &[(i64, f64)], at: i64, ahead: Option<f64>) -> Option<f64> {
    if samples.len() < 2 {
        return None;
    }
    let n = samples.len() as f64;
    let x = |t: i64| (t - at) as f64 / 1000.0;
    let (sx, sy) = samples.iter().fold((0.0, 0.0), |(a, b), (t, v)| (a + x(*t), b + v));
    let (sxy, sxx) = samples.iter().fold((0.0, 0.0), |(a, b), (t, v)| (a + x(*t) * v, b + x(*t) * x(*t)));
    let slope = (sxy - sx * sy / n) / (sxx - sx * sx / n);
    Some(ahead.map_or(slope, |ahead| sy / n - slope * sx / n + slope * ahead))
}

fn histogram(q: f64, list: Vec<Sample>, at: i64) -> Vec<Sample> {
    let mut groups: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in list {
        let bound = match sample.labels.get("le") {
            "+Inf" => f64::INFINITY,
            text => match text.parse() {
                Ok(n) => n,
                Err(_) => continue,
            },
        };
        groups.entry(sample.labels.without(&["le".to_owned()])).or_default().push((bound, sample.value));
    }
    groups.into_iter().map(|(labels, buckets)| Sample { labels, value: bucket_quantile(q, buckets), at }).collect()
}

fn bucket_quantile(q: f64, mut buckets: Vec<(f64, f64)>) -> f64 {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some((last, total)) = buckets.last().copied() else { return f64::NAN };
    if buckets.len() < 2 || !last.is_infinite() || total == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * total;
    let at = buckets.iter().position(|(_, n)| *n >= rank).unwrap_or(buckets.len() - 1);
    if at == buckets.len() - 1 {
        return buckets[at - 1].0;
    }
    let (low, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    let (high, upto) = buckets[at];
    if at == 0 && high <= 0.0 {
        return high;
    }
    low + (high - low) * ((rank - below) / (upto - below))
}

fn label_replace(
    list: Vec<Sample>,
    target: &str,
    replacement: &str,
    source: &str,
    pattern: &str,
) -> Result<Vec<Sample>, QueryError> {
    let regex = regex::Regex::new(&format!("^(?s:{pattern})$"))
        .map_err(|_| QueryError::bad(format!("invalid regular expression in label_replace(): {pattern}")))?;
    let one = |s: Sample| match regex.captures(s.labels.get(source)) {
        Some(found) => {
            let mut value = String::new();
            found.expand(replacement, &mut value);
            Sample { labels: s.labels.with(target, &value), ..s }
        }
        None => s,
    };
    Ok(list.into_iter().map(one).collect())
}
