//! `sum`, `topk` and the other aggregations.

use std::collections::BTreeMap;

use promql_parser::parser::{AggregateExpr, LabelModifier};

use super::{QueryError, Sample, Value, eval as eval_expr};
use crate::prom::labels::Labels;
use crate::prom::tsdb::Tsdb;

pub(super) fn eval(db: &Tsdb, expr: &AggregateExpr, at: i64) -> Result<Value, QueryError> {
    let op = expr.op.to_string();
    let Value::Vector(list) = eval_expr(db, &expr.expr, at)? else {
        return Err(QueryError::bad(format!("expected type instant vector in aggregation expression {op}")));
    };
    let parameter = match &expr.param {
        Some(param) => match eval_expr(db, param, at)? {
            Value::Scalar(n) => Ok(n),
            Value::Text(s) => Err(s),
            _ => return Err(QueryError::bad(format!("expected type scalar in aggregation parameter of {op}"))),
        },
        None => Ok(0.0),
    };
    let group = |labels: &Labels| match &expr.modifier {
        Some(LabelModifier::Include(names)) => labels.only(&names.labels),
        Some(LabelModifier::Exclude(names)) => labels.without(&names.labels),
        None => Labels::default(),
    };
    let mut groups: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    if op == "count_values" {
        let label = parameter.err().unwrap_or_default();
        for sample in list {
            let key = group(&sample.labels).with(&label, &super::number(sample.value));
            groups.entry(key).or_default().push(sample);
        }
        return Ok(Value::Vector(
            groups.into_iter().map(|(labels, l)| Sample { labels, value: l.len() as f64, at }).collect(),
        ));
    }
    let parameter = parameter.unwrap_or(0.0);
    for sample in list {
        groups.entry(group(&sample.labels)).or_default().push(sample);
    }
    if matches!(op.as_str(), "topk" | "bottomk" | "limitk") {
        let keep = parameter.max(0.0) as usize;
        let mut out = Vec::new();
        for mut members in groups.into_values() {
            match op.as_str() {
                "topk" => members.sort_by(|a, b| b.value.total_cmp(&a.value)),
                "bottomk" => members.sort_by(|a, b| a.value.total_cmp(&b.value)),
                _ => {}
            }
            out.extend(members.into_iter().take(keep));
        }
        return Ok(Value::Vector(out));
    }
    let mut out = Vec::new();
    for (labels, members) in groups {
        let values: Vec<f64> = members.iter().map(|s| s.value).collect();
        out.push(Sample { labels, value: fold(&op, &values, parameter)?, at });
    }
    Ok(Value::Vector(out))
}

fn fold(op: &str, values: &[f64], parameter: f64) -> Result<f64, QueryError> {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    let variance = || values.iter().map(|v| (v - sum / n).powi(2)).sum::<f64>() / n;
    Ok(match op {
        "sum" => sum,
        "avg" => sum / n,
        "count" => n,
        "group" => 1.0,
        "min" => values.iter().copied().fold(f64::NAN, f64::min),
        "max" => values.iter().copied().fold(f64::NAN, f64::max),
        "stddev" => variance().sqrt(),
        "stdvar" => variance(),
        "quantile" => quantile(parameter, values),
        other => return Err(QueryError::bad(format!("unknown aggregation {other}"))),
    })
}

/// The quantile of values with linear interpolation.
pub(super) fn quantile(q: f64, values: &[f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = q * (sorted.len() as f64 - 1.0);
    let (low, weight) = (rank.floor() as usize, rank - rank.floor());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] * (1.0 - weight) + sorted[high] * weight
}
