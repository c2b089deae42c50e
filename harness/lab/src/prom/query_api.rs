//! Queries over HTTP: instants, ranges, series and labels.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::parser::Expr;
use serde_json::json;

use super::labels::Labels;
use super::promql::{self, QueryError, Value, number};
use super::response::{error, success};
use crate::api::query::Query;
use crate::clock;
use crate::plane::call::HttpAnswer;
use crate::world::World;

fn failed(why: &QueryError) -> HttpAnswer {
    error(if why.kind == "execution" { 422 } else { 400 }, why.kind, &why.message)
}

fn invalid(parameter: &str, why: &str) -> HttpAnswer {
    error(400, "bad_data", &format!("invalid parameter {parameter:?}: {why}"))
}

/// A Unix time in seconds or a date, as milliseconds.
fn time(world: &World, text: &str) -> Option<i64> {
    text.parse::<f64>()
        .ok()
        .filter(|s| s.is_finite())
        .map(|s| (s * 1000.0).round() as i64)
        .or_else(|| world.dates.parse(text).map(|at| world.dates.unix_ms(at)))
}

fn duration(text: &str) -> Option<i64> {
    text.parse::<f64>().ok().filter(|s| s.is_finite()).map(|s| (s * 1000.0) as i64).or_else(|| clock::duration(text))
}

pub(super) fn instant(world: &World, cluster: usize, query: &Query) -> HttpAnswer {
    let text = query.get("query").unwrap_or("");
    let at = match query.get("time") {
        Some(given) => match time(world, given) {
            Some(at) => at,
            None => return invalid("time", &format!("cannot parse {given:?} to a valid timestamp")),
        },
        None => world.dates.unix_ms(world.now),
    };
    if let Some(limit) = query.get("timeout") {
        match duration(limit) {
            Some(0) => return error(503, "timeout", "query timed out in expression evaluation"),
            Some(_) => {}
            None => return invalid("timeout", &format!("cannot parse {limit:?} to a valid duration")),
        }
    }
    let expr = match promql::parse(text) {
        Ok(expr) => expr,
        Err(why) => return invalid("query", &why.message),
    };
    match promql::eval(&world.clusters[cluster].prometheus.db, &expr, at) {
        Ok(value) => success(&value.json(at)),
        Err(why) => failed(&why),
    }
}

pub(super) fn range(world: &World, cluster: usize, query: &Query) -> HttpAnswer {
    let point = |key: &str| query.get(key).and_then(|t| time(world, t));
    let Some(start) = point("start") else { return invalid("start", "cannot parse \"\" to a valid timestamp") };
    let Some(end) = point("end") else { return invalid("end", "cannot parse \"\" to a valid timestamp") };
    let Some(step) = query.get("step").and_then(duration) else {
        return invalid("step", "cannot parse \"\" to a valid duration");
    };
    if end < start {
        return invalid("end", "end timestamp must not be before start time");
    }
    if step <= 0 {
        return invalid(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        );
    }
    if (end - start) / step > 11_000 {
        return error(
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        );
    }
    let expr = match promql::parse(query.get("query").unwrap_or("")) {
        Ok(expr) => expr,
        Err(why) => return invalid("query", &why.message),
    };
    let mut series: BTreeMap<Labels, Vec<serde_json::Value>> = BTreeMap::new();
    let mut at = start;
    while at <= end {
        let pair = |v: f64| json!([clock::seconds(at), number(v)]);
        match promql::eval(&world.clusters[cluster].prometheus.db, &expr, at) {
            Ok(Value::Scalar(n)) => series.entry(Labels::default()).or_default().push(pair(n)),
            Ok(Value::Vector(list)) => {
                for sample in list {
                    series.entry(sample.labels).or_default().push(pair(sample.value));
                }
            }
            Ok(_) => {
                return invalid(
                    "query",
                    "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector",
                );
            }
            Err(why) => return failed(&why),
        }
        at += step;
    }
    let result: Vec<_> =
        series.into_iter().map(|(labels, values)| json!({"metric": labels.json(), "values": values})).collect();
    success(&json!({"resultType": "matrix", "result": result}))
}

pub(super) fn series(world: &World, cluster: usize, query: &Query) -> HttpAnswer {
    let mut found = BTreeSet::new();
    let mut any = false;
    for text in query.all("match[]") {
        any = true;
        match promql::parse(text) {
            Ok(Expr::VectorSelector(s)) => {
                found.extend(
                    world.clusters[cluster]
                        .prometheus
                        .db
                        .select(s.name.as_deref(), &s.matchers)
                        .map(|s| s.labels.clone()),
                );
            }
            Ok(_) => return invalid("match[]", "parse error: unexpected expression"),
            Err(why) => return invalid("match[]", &why.message),
        }
    }
    if !any {
        return error(400, "bad_data", "no match[] parameter provided");
    }
    success(&json!(found.iter().map(Labels::json).collect::<Vec<_>>()))
}

pub(super) fn labels(world: &World, cluster: usize) -> HttpAnswer {
    let all = world.clusters[cluster].prometheus.db.all();
    let names: BTreeSet<String> =
        all.flat_map(|s| s.labels.iter().map(|(k, _)| k.to_owned()).collect::<Vec<_>>()).collect();
    success(&json!(names))
}

pub(super) fn values(world: &World, cluster: usize, name: &str) -> HttpAnswer {
    let all = world.clusters[cluster].prometheus.db.all();
    let found: BTreeSet<String> = all.map(|s| s.labels.get(name).to_owned()).filter(|v| !v.is_empty()).collect();
    success(&json!(found))
}
