//! Operators between scalars and vectors, and how vectors match.

use std::collections::{HashMap, HashSet};

use promql_parser::parser::{BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality};

use super::{QueryError, Sample, Value, eval as eval_expr};
use crate::prom::labels::{Labels, NAME};
use crate::prom::tsdb::Tsdb;

pub(super) fn eval(db: &Tsdb, expr: &BinaryExpr, at: i64) -> Result<Value, QueryError> {
    let op = expr.op.to_string();
    let modifier = expr.modifier.clone().unwrap_or_default();
    let compare = expr.op.is_comparison_operator();
    let (left, right) = (eval_expr(db, &expr.lhs, at)?, eval_expr(db, &expr.rhs, at)?);
    match (left, right) {
        (Value::Scalar(a), Value::Scalar(b)) => {
            Ok(Value::Scalar(if compare { f64::from(holds(&op, a, b)) } else { arithmetic(&op, a, b) }))
        }
        (Value::Vector(list), Value::Scalar(n)) => {
            Ok(Value::Vector(each(list, &op, compare, modifier.return_bool, |v| (v, n))))
        }
        (Value::Scalar(n), Value::Vector(list)) => {
            Ok(Value::Vector(each(list, &op, compare, modifier.return_bool, |v| (n, v))))
        }
        (Value::Vector(left), Value::Vector(right)) if expr.op.is_set_operator() => {
            Ok(Value::Vector(set(&op, &modifier, left, right)))
        }
        (Value::Vector(left), Value::Vector(right)) => {
            vectors(&op, compare, &modifier, left, right, at).map(Value::Vector)
        }
        (a, b) => Err(QueryError::bad(format!(
            "binary expression must contain only scalar and instant vector types, got {} and {}",
            a.kind(),
            b.kind()
        ))),
    }
}

fn arithmetic(op: &str, a: f64, b: f64) -> f64 {
    match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "%" => a % b,
        "^" => a.powf(b),
        "atan2" => a.atan2(b),
        _ => f64::NAN,
    }
}

#[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
fn holds(op: &str, a: f64, b: f64) -> bool {
    match op {
        "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        ">" => a > b,
        "<=" => a <= b,
        ">=" => a >= b,
        _ => false,
    }
}

fn each(list: Vec<Sample>, op: &str, compare: bool, as_bool: bool, sides: impl Fn(f64) -> (f64, f64)) -> Vec<Sample> {
    list.into_iter()
        .filter_map(|sample| {
            let (a, b) = sides(sample.value);
            if !compare {
                return Some(Sample { labels: sample.labels.without_name(), value: arithmetic(op, a, b), ..sample });
            }
            let yes = holds(op, a, b);
            if as_bool {
                return Some(Sample { labels: sample.labels.without_name(), value: f64::from(yes), ..sample });
            }
            yes.then_some(sample)
        })
        .collect()
}

/// The labels that must be equal on both sides.
fn signature(labels: &Labels, modifier: &BinModifier) -> Labels {
    match &modifier.matching {
        Some(LabelModifier::Include(on)) => labels.only(&on.labels),
        Some(LabelModifier::Exclude(ignoring)) => labels.without(&ignoring.labels),
        None => labels.without_name(),
    }
}

fn set(op: &str, modifier: &BinModifier, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
    let of = |list: &[Sample]| list.iter().map(|s| signature(&s.labels, modifier)).collect::<HashSet<_>>();
    match op {
        "and" => {
            let there = of(&right);
            left.into_iter().filter(|s| there.contains(&signature(&s.labels, modifier))).collect()
        }
        "unless" => {
            let there = of(&right);
            left.into_iter().filter(|s| !there.contains(&signature(&s.labels, modifier))).collect()
        }
        _ => {
            let here = of(&left);
            let more = right.into_iter().filter(|s| !here.contains(&signature(&s.labels, modifier)));
            left.into_iter().chain(more).collect()
        }
    }
}

fn vectors(
    op: &str,
    compare: bool,
    modifier: &BinModifier,
    left: Vec<Sample>,
    right: Vec<Sample>,
    at: i64,
) -> Result<Vec<Sample>, QueryError> {
    // With group_right the right side is the many.
    let swapped = matches!(modifier.card, VectorMatchCardinality::OneToMany(_));
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let grouped = modifier.card.labels();
    let mut index: HashMap<Labels, Sample> = HashMap::new();
    for sample in one {
        let key = signature(&sample.labels, modifier);
        if let Some(other) = index.get(&key) {
            let (a, b) = (other.labels.braces(), sample.labels.braces());
            let side = if swapped { "left" } else { "right" };
            return Err(QueryError::execution(format!(
                "found duplicate series for the match group {} on the {side} hand-side of the operation: [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side",
                key.braces()
            )));
        }
        index.insert(key, sample);
    }
    let mut seen: HashSet<Labels> = HashSet::new();
    let mut out = Vec::new();
    for sample in many {
        let key = signature(&sample.labels, modifier);
        let Some(other) = index.get(&key) else { continue };
        if grouped.is_none() && !seen.insert(key.clone()) {
            return Err(QueryError::execution(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            ));
        }
        let (a, b) = if swapped { (other.value, sample.value) } else { (sample.value, other.value) };
        let value = if compare {
            let yes = holds(op, a, b);
            match (modifier.return_bool, yes) {
                (true, _) => f64::from(yes),
                (false, true) => a,
                (false, false) => continue,
            }
        } else {
            arithmetic(op, a, b)
        };
        let keep_name = compare && !modifier.return_bool;
        let mut labels = if keep_name { sample.labels.clone() } else { sample.labels.without_name() };
        match grouped {
            Some(extra) => {
                for name in &extra.labels {
                    labels = labels.with(name, other.labels.get(name));
                }
            }
            None => {
                if modifier.matching.is_some() {
                    let name = if keep_name { labels.get(NAME).to_owned() } else { String::new() };
                    labels = signature(&labels, modifier).with(NAME, &name);
                }
            }
        }
        out.push(Sample { labels, value, at });
    }
    Ok(out)
}
