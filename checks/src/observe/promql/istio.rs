//! Mistakes about Istio's standard metrics and their labels.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, LabelModifier, VectorSelector};

use super::{Finding, Mistake, walk};

/// Labels of Istio's standard metrics that begin with neither `source_` nor `destination_`.
const OTHER_LABELS: [&str; 6] = [
    "reporter",
    "request_protocol",
    "response_code",
    "response_flags",
    "connection_security_policy",
    "grpc_response_status",
];
/// Standard metrics that both sides of a connection report, without the endings of a histogram.
const METRICS: [&str; 10] = [
    "istio_requests_total",
    "istio_request_duration_milliseconds",
    "istio_request_bytes",
    "istio_response_bytes",
    "istio_request_messages_total",
    "istio_response_messages_total",
    "istio_tcp_sent_bytes_total",
    "istio_tcp_received_bytes_total",
    "istio_tcp_connections_opened_total",
    "istio_tcp_connections_closed_total",
];
/// The label by which Istio names clusters, where people write `cluster`.
pub(super) const CLUSTER: &str = "source_cluster";

/// Whether both sides of a connection report the metric of a selector.
pub(super) fn is_standard(selector: &VectorSelector) -> bool {
    let Some(name) = walk::metric(selector) else { return false };
    let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    METRICS.contains(&base)
}

pub(super) fn has_reporter(selector: &VectorSelector) -> bool {
    selector
        .matchers
        .matchers
        .iter()
        .chain(selector.matchers.or_matchers.iter().flatten())
        .any(|m| m.name == "reporter")
}

fn names_a_label(value: &str) -> bool {
    let sided = value.strip_prefix("source_").or_else(|| value.strip_prefix("destination_"));
    sided.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        || OTHER_LABELS.contains(&value)
}

fn against_literal(matcher: &Matcher) -> bool {
    matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual) && names_a_label(&matcher.value)
}

/// `{source_cluster!="destination_cluster"}`.
pub(super) fn literal_labels(expr: &Expr) -> Option<Finding> {
    let (selector, matcher) = walk::selectors(expr)
        .into_iter()
        .find_map(|s| Some((s, s.matchers.matchers.iter().find(|m| against_literal(m))?)))?;
    let why = match matcher.op {
        MatchOp::NotEqual => "compares with the text itself, not with the other label: every series passes",
        _ => "compares with the text itself, not with the other label: no series passes",
    };
    let metric = walk::metric(selector).unwrap_or("istio_requests_total");
    let (left, right) = (&matcher.name, &matcher.value);
    let correct = format!(
        "sum by ({left}, {right}) (rate({metric}{{reporter=\"source\"}}[5m])), compared outside of the query; or one selector \
         for each ordered pair: {metric}{{reporter=\"source\",{left}=\"A\",{right}=\"B\"}}"
    );
    Some(Finding::new(Mistake::LabelAgainstLiteral, matcher, why, Some(correct)))
}

/// Whether an aggregation keeps a label.
fn groups_by(expr: &Expr, label: &str) -> bool {
    walk::parts(expr).into_iter().any(|part| match part {
        Expr::Aggregate(aggregate) => match &aggregate.modifier {
            Some(LabelModifier::Include(labels)) => labels.labels.iter().any(|l| l == label),
            Some(LabelModifier::Exclude(_)) | None => false,
        },
        _ => false,
    })
}

/// `sum by (cluster) (rate(istio_requests_total…))`.
pub(super) fn foreign_grouping(expr: &Expr, repaired: &str) -> Option<Finding> {
    let part = walk::parts(expr).into_iter().find(|part| is_foreign_grouping(part))?;
    let why = "Istio's metrics have no label `cluster`, so everything falls into one group without a name; only federated \
               series may carry one";
    Some(Finding::new(Mistake::ForeignGrouping, part, why, Some(repaired.to_owned())))
}

/// Whether this is an aggregation of Istio's metrics by `cluster`.
pub(super) fn is_foreign_grouping(expr: &Expr) -> bool {
    let Expr::Aggregate(aggregate) = expr else { return false };
    let by_cluster =
        matches!(&aggregate.modifier, Some(LabelModifier::Include(l)) if l.labels.iter().any(|l| l == "cluster"));
    by_cluster && walk::selectors(expr).into_iter().any(is_standard)
}

/// `istio_requests_total` without `reporter`.
pub(super) fn reporter_missing(expr: &Expr, repaired: &str) -> Option<Finding> {
    if groups_by(expr, "reporter") {
        return None;
    }
    let selector = walk::selectors(expr).into_iter().find(|s| is_standard(s) && !has_reporter(s))?;
    let why = "source and destination both report a request, so each counts twice; a request that never arrives is only \
               reported by its source";
    Some(Finding::new(Mistake::ReporterMissing, selector, why, Some(repaired.to_owned())))
}

/// The flag in `.*UO.*`.
pub(super) fn loose_flag(matcher: &Matcher) -> Option<&str> {
    if matcher.name != "response_flags" || !matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_)) {
        return None;
    }
    let flag = matcher.value.strip_prefix(".*")?.strip_suffix(".*")?;
    (!flag.is_empty() && flag.chars().all(|c| c.is_ascii_alphanumeric())).then_some(flag)
}

/// `response_flags=~".*UO.*"`.
pub(super) fn loose_flags(expr: &Expr, repaired: &str) -> Option<Finding> {
    let selectors = walk::selectors(expr);
    let matcher = selectors.iter().flat_map(|s| &s.matchers.matchers).find(|m| loose_flag(m).is_some())?;
    let why = "flags are separated by commas; this also matches parts of other flags";
    Some(Finding::new(Mistake::LooseFlags, matcher, why, Some(repaired.to_owned())))
}
