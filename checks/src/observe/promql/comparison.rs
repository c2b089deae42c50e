//! Mistakes about numbers that are not there: comparisons with zero, shares, and division by what is zero.

use promql_parser::label::MatchOp;
use promql_parser::parser::{BinaryExpr, Expr, VectorSelector};
use regex::Regex;

use super::{Finding, Mistake, walk};

/// Metrics whose value is 0 or 1.
fn is_flag(name: &str) -> bool {
    let pattern = Regex::new(
        r"^envoy_cluster_circuit_breakers_.+_open$|^(up|probe_success|envoy_server_live)$|_status_condition$",
    );
    pattern.is_ok_and(|pattern| pattern.is_match(name))
}

/// `x / envoy_cluster_circuit_breakers_default_cx_pool_open`.
pub(super) fn division_by_flag(expr: &Expr) -> Option<Finding> {
    let (division, flag) = walk::parts(expr).into_iter().find_map(|part| {
        let Expr::Binary(binary) = part else { return None };
        let divisor = walk::selector(walk::bare(&binary.rhs))?;
        (binary.op.to_string() == "/" && is_flag(walk::metric(divisor)?)).then_some((part, divisor))
    })?;
    let why = "divides by a gauge that is 0 or 1: where it is 0 the result is +Inf, which passes every threshold";
    Some(Finding::new(Mistake::DivisionByFlag, division, why, Some(format!("{flag} == 1"))))
}

/// Whether the query provides for series that are not there.
fn provides(expr: &Expr) -> bool {
    walk::parts(expr).into_iter().any(|part| match part {
        Expr::Call(call) => call.func.name.starts_with("absent"),
        Expr::Binary(binary) => binary.op.to_string() == "or",
        _ => false,
    })
}

/// Whether this compares a number of series with nothing, and holds only while they exist.
pub(super) fn needs_series(binary: &BinaryExpr) -> bool {
    let Some(limit) = walk::constant(&binary.rhs) else { return false };
    let zero = limit.abs() < f64::EPSILON;
    let nothing = match binary.op.to_string().as_str() {
        "==" | "<=" => zero,
        "<" => limit > 0.0 && limit <= 1.0,
        _ => false,
    };
    let selectors = walk::selectors(&binary.lhs);
    // Objects of the API keep their series at zero for as long as they exist.
    let kept = |s: &&VectorSelector| walk::metric(s).is_some_and(|name| name.starts_with("kube_"));
    nothing && !selectors.is_empty() && !selectors.iter().all(kept)
}

/// `up{app="istiod"} == 0`.
pub(super) fn absent_missing(expr: &Expr, repaired: &str) -> Option<Finding> {
    if provides(expr) {
        return None;
    }
    let part =
        walk::parts(expr).into_iter().find(|part| matches!(part, Expr::Binary(binary) if needs_series(binary)))?;
    let why = "compares series that exist; once they are gone, as after scaling to zero or before the first request, there is \
               nothing to compare and it gives nothing";
    Some(Finding::new(Mistake::AbsentMissing, part, why, Some(repaired.to_owned())))
}

/// Whether a selector matches only what failed.
fn only_failures(selector: &VectorSelector) -> bool {
    selector.matchers.matchers.iter().any(|m| match (&m.op, m.name.as_str()) {
        (MatchOp::Equal | MatchOp::Re(_), "response_code") => m.value.starts_with(['4', '5']),
        (MatchOp::Equal | MatchOp::Re(_), "response_flags") => m.value != "-",
        (MatchOp::NotEqual | MatchOp::NotRe(_), "response_code") => m.value.starts_with('2'),
        _ => false,
    })
}

/// Whether this is a share of failures whose upper part may be empty.
pub(super) fn is_empty_share(expr: &Expr) -> bool {
    let Expr::Binary(binary) = expr else { return false };
    binary.op.to_string() == "/" && !provides(&binary.lhs) && {
        let (failed, all) = (walk::selectors(&binary.lhs), walk::selectors(&binary.rhs));
        !failed.is_empty() && failed.into_iter().all(only_failures) && !all.into_iter().any(only_failures)
    }
}

/// `sum(rate(x{response_code=~"5.."}[5m])) / sum(rate(x[5m]))`.
pub(super) fn empty_share(expr: &Expr, repaired: &str) -> Option<Finding> {
    let part = walk::parts(expr).into_iter().find(|part| is_empty_share(part))?;
    let why = "until something fails there is no series of failures, and the share is empty instead of 0";
    Some(Finding::new(Mistake::EmptyShare, part, why, Some(repaired.to_owned())))
}
