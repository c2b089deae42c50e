//! Functions of instant and range vectors.

use std::collections::BTreeMap;

use promql_parser::parser::{Call, Expr};

use super::aggregate::quantile;
use super::{QueryError, Ranged, Sample, Value, absent_labels, eval as eval_expr};
use crate::clock;
use crate::prom::labels::Labels;
use crate::prom::tsdb::Tsdb;

/// The arguments of one call.
struct Arguments<'a> {
    db: &'a Tsdb,
    call: &'a Call,
    at: i64,
}

impl Arguments<'_> {
    fn expression(&self, index: usize) -> Result<&Expr, QueryError> {
        let name = self.call.func.name;
        let found = self.call.args.args.get(index).map(|one| &**one);
        found.ok_or_else(|| QueryError::bad(format!("expected more arguments in call to {name:?}")))
    }

    fn value(&self, index: usize) -> Result<Value, QueryError> {
        eval_expr(self.db, self.expression(index)?, self.at)
    }

    fn scalar(&self, index: usize) -> Result<f64, QueryError> {
        match self.value(index)? {
            Value::Scalar(number) => Ok(number),
            other => Err(self.wrong("scalar", &other)),
        }
    }

    fn vector(&self, index: usize) -> Result<Vec<Sample>, QueryError> {
        match self.value(index)? {
            Value::Vector(list) => Ok(list),
            other => Err(self.wrong("instant vector", &other)),
        }
    }

    fn matrix(&self, index: usize) -> Result<Ranged, QueryError> {
        match self.value(index)? {
            Value::Matrix(ranged) => Ok(ranged),
            other => Err(self.wrong("range vector", &other)),
        }
    }

    fn text(&self, index: usize) -> Result<String, QueryError> {
        match self.value(index)? {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong("string", &other)),
        }
    }

    fn wrong(&self, wanted: &str, got: &Value) -> QueryError {
        let name = self.call.func.name;
        QueryError::bad(format!("expected type {wanted} in call to function {name:?}, got {}", got.kind()))
    }

    /// The samples of the first argument, each with its value changed.
    fn map(&self, change: impl Fn(f64) -> f64) -> Result<Value, QueryError> {
        let list = self.vector(0)?.into_iter();
        let changed = list.map(|s| Sample { labels: s.labels.without_name(), value: change(s.value), ..s });
        Ok(Value::Vector(changed.collect()))
    }
}

pub(super) fn eval(db: &Tsdb, call: &Call, at: i64) -> Result<Value, QueryError> {
    let arguments = Arguments { db, call, at };
    match math(&arguments)? {
        Some(value) => Ok(value),
        None => other(&arguments),
    }
}

/// Functions that change each value of an instant vector; none for all other functions.
fn math(arguments: &Arguments<'_>) -> Result<Option<Value>, QueryError> {
    let changed = match arguments.call.func.name {
        "abs" => arguments.map(f64::abs),
        "ceil" => arguments.map(f64::ceil),
        "floor" => arguments.map(f64::floor),
        "sqrt" => arguments.map(f64::sqrt),
        "exp" => arguments.map(f64::exp),
        "ln" => arguments.map(f64::ln),
        "log2" => arguments.map(f64::log2),
        "log10" => arguments.map(f64::log10),
        "sgn" => arguments.map(f64::signum),
        "round" => {
            let to = if arguments.call.args.args.len() > 1 { arguments.scalar(1)? } else { 1.0 };
            arguments.map(|v| (v / to + 0.5).floor() * to)
        }
        "clamp" => {
            let (low, high) = (arguments.scalar(1)?, arguments.scalar(2)?);
            arguments.map(|v| v.max(low).min(high))
        }
        "clamp_min" => {
            let low = arguments.scalar(1)?;
            arguments.map(|v| v.max(low))
        }
        "clamp_max" => {
            let high = arguments.scalar(1)?;
            arguments.map(|v| v.min(high))
        }
        _ => return Ok(None),
    };
    changed.map(Some)
}

fn other(arguments: &Arguments<'_>) -> Result<Value, QueryError> {
    let (name, at) = (arguments.call.func.name, arguments.at);
    let seconds = clock::seconds(at);
    match name {
        "time" => Ok(Value::Scalar(seconds)),
        "vector" => Ok(Value::Vector(vec![Sample { labels: Labels::default(), value: arguments.scalar(0)?, at }])),
        "scalar" => {
            let list = arguments.vector(0)?;
            Ok(Value::Scalar(if list.len() == 1 { list[0].value } else { f64::NAN }))
        }
        "timestamp" => {
            let direct = matches!(arguments.expression(0)?, Expr::VectorSelector(_));
            let stamp = |s: &Sample| if direct { clock::seconds(s.at) } else { seconds };
            Ok(Value::Vector(
                arguments
                    .vector(0)?
                    .into_iter()
                    .map(|s| Sample { labels: s.labels.without_name(), value: stamp(&s), at })
                    .collect(),
            ))
        }
        "absent" | "absent_over_time" => {
            let some = match arguments.value(0)? {
                Value::Vector(list) => !list.is_empty(),
                Value::Matrix(ranged) => !ranged.series.is_empty(),
                other => return Err(arguments.wrong("instant vector", &other)),
            };
            let sample = Sample { labels: absent_labels(arguments.expression(0)?), value: 1.0, at };
            Ok(Value::Vector(if some { Vec::new() } else { vec![sample] }))
        }
        "sort" | "sort_desc" => {
            let mut list = arguments.vector(0)?;
            list.sort_by(|a, b| a.value.total_cmp(&b.value));
            if name == "sort_desc" {
                list.reverse();
            }
            Ok(Value::Vector(list))
        }
        "histogram_quantile" => {
            let q = arguments.scalar(0)?;
            Ok(Value::Vector(histogram(q, arguments.vector(1)?, at)))
        }
        "label_replace" => label_replace(
            arguments.vector(0)?,
            &arguments.text(1)?,
            &arguments.text(2)?,
            &arguments.text(3)?,
            &arguments.text(4)?,
        )
        .map(Value::Vector),
        "label_join" => {
            let (target, separator) = (arguments.text(1)?, arguments.text(2)?);
            let sources: Vec<String> =
                (3..arguments.call.args.args.len()).map(|index| arguments.text(index)).collect::<Result<_, _>>()?;
            let join = |s: Sample| {
                let joined: Vec<&str> = sources.iter().map(|n| s.labels.get(n)).collect();
                Sample { labels: s.labels.with(&target, &joined.join(&separator)), ..s }
            };
            Ok(Value::Vector(arguments.vector(0)?.into_iter().map(join).collect()))
        }
        "quantile_over_time" => {
            let q = arguments.scalar(0)?;
            Ok(over(&arguments.matrix(1)?, at, |_, s| Some(quantile(q, &values(s)))))
        }
        "predict_linear" | "deriv" => {
            let ahead = if name == "deriv" { None } else { Some(arguments.scalar(1)?) };
            Ok(over(&arguments.matrix(0)?, at, |_, s| regression(s, at, ahead)))
        }
        _ => Ok(over(&arguments.matrix(0)?, at, |ranged, s| over_time(name, ranged, s))),
    }
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
        "rate" => extrapolated(ranged, samples, true).map(|v| v / (clock::seconds(ranged.end - ranged.start))),
        "increase" => extrapolated(ranged, samples, true),
        "delta" => extrapolated(ranged, samples, false),
        "irate" | "idelta" => {
            let [.., (t0, a), (t1, b)] = samples else { return None };
            let change = if name == "irate" && b < a { *b } else { b - a };
            Some(if name == "irate" { change / (clock::seconds(t1 - t0)) } else { change })
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
    let x = |t: i64| clock::seconds(t - at);
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
