//! `/federate`: the latest samples of selected series, with timestamps and external labels.

use std::fmt::Write as _;

use promql_parser::parser::Expr;

use super::labels::{Labels, NAME};
use super::promql::{self, number};
use super::tsdb::Tsdb;
use crate::plane::call::{HttpAnswer, TEXT};
use crate::world::{Cluster, World};

/// The series that a federation job selects: metrics of the mesh and `up` of pods. Federated series are not federated again.
pub(crate) fn federated_series(db: &Tsdb, now: i64) -> impl Iterator<Item = (Labels, i64, f64)> {
    db.all()
        .filter(|s| s.labels.get("cluster").is_empty())
        .filter(|s| {
            let name = s.labels.get(NAME);
            name.starts_with("istio_") || name == "up" && s.labels.get("job") == "kubernetes-pods"
        })
        .filter_map(move |s| s.at(now).map(|(at, value)| (s.labels.clone(), at, value)))
}

/// The labels with the external labels added; labels of the series take precedence.
pub(crate) fn with_external_labels(labels: &Labels, cluster: &Cluster) -> Labels {
    let external = cluster.quirks.external_labels(&cluster.ident);
    let missing = external.into_iter().filter(|(name, _)| labels.get(name).is_empty());
    missing.fold(labels.clone(), |labels, (name, value)| labels.with(name, &value))
}

/// Answers a request for the given selectors.
pub(crate) fn answer(world: &World, cluster: usize, selectors: &[&str]) -> HttpAnswer {
    let now = world.dates.unix_ms(world.now);
    let cluster = &world.clusters[cluster];
    let mut found: Vec<(Labels, i64, f64)> = Vec::new();
    for text in selectors {
        match promql::parse(text) {
            Ok(Expr::VectorSelector(selector)) => {
                let series = cluster.prometheus.db.select(selector.name.as_deref(), &selector.matchers);
                found.extend(series.filter_map(|s| s.at(now).map(|(at, v)| (s.labels.clone(), at, v))));
            }
            Ok(_) => return HttpAnswer::new(400, TEXT, "parse error: unexpected expression, expected a selector\n"),
            Err(why) => return HttpAnswer::new(400, TEXT, format!("{}\n", why.message)),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|a, b| a.0 == b.0);
    let mut out = String::new();
    let mut last = String::new();
    for (labels, at, value) in found {
        let name = labels.get(NAME).to_owned();
        if name != last {
            let _ = writeln!(out, "# TYPE {name} untyped");
            last.clone_from(&name);
        }
        let labels = with_external_labels(&labels, cluster);
        let _ = writeln!(out, "{name}{} {} {at}", labels.braces(), number(value));
    }
    HttpAnswer::new(200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", out)
}
