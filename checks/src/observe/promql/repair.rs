//! The query as it should be, for the mistakes that leave no doubt about what was meant.

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, LabelModifier, VectorSelector, parse};

use super::aggregation::{Buckets, quantile_over};
use super::{comparison, istio, walk};

/// Writes the query with everything mechanical put right. A query without such mistakes comes out as it is, up to layout.
pub(super) fn repair(expr: &Expr) -> String {
    let mut expr = expr.clone();
    let grouped = keeps_reporter(&expr);
    fix(&mut expr, grouped);
    expr.to_string()
}

fn keeps_reporter(expr: &Expr) -> bool {
    walk::parts(expr).into_iter().any(|part| match part {
        Expr::Aggregate(aggregate) => {
            matches!(&aggregate.modifier, Some(LabelModifier::Include(l)) if l.labels.iter().any(|l| l == "reporter"))
        }
        _ => false,
    })
}

fn fix(expr: &mut Expr, reporter_kept: bool) {
    for child in walk::children_mut(expr) {
        fix(child, reporter_kept);
    }
    match expr {
        Expr::VectorSelector(selector) => fix_selector(selector, reporter_kept),
        Expr::MatrixSelector(matrix) => fix_selector(&mut matrix.vs, reporter_kept),
        _ => {}
    }
    if istio::is_foreign_grouping(expr) {
        regroup(expr);
    }
    if let Some(text) = regrouped_buckets(expr).or_else(|| provided(expr))
        && let Ok(better) = parse(&text)
    {
        *expr = better;
    }
}

fn fix_selector(selector: &mut VectorSelector, reporter_kept: bool) {
    for matcher in &mut selector.matchers.matchers {
        if let Some(strict) = istio::loose_flag(matcher).map(|flag| format!("(.*,)?{flag}(,.*)?")) {
            matcher.value = strict;
        }
    }
    if istio::is_standard(selector) && !istio::has_reporter(selector) && !reporter_kept {
        selector.matchers.matchers.insert(0, Matcher::new(MatchOp::Equal, "reporter", "source"));
    }
}

fn regroup(expr: &mut Expr) {
    if let Expr::Aggregate(aggregate) = expr
        && let Some(LabelModifier::Include(labels)) = &mut aggregate.modifier
    {
        for label in labels.labels.iter_mut().filter(|label| *label == "cluster") {
            istio::CLUSTER.clone_into(label);
        }
    }
}

/// A quantile over buckets that are summed up by `le`, and by service where the metric has one.
fn regrouped_buckets(expr: &Expr) -> Option<String> {
    let (over, buckets) = quantile_over(expr)?;
    let Expr::Call(call) = expr else { return None };
    let quantile = call.args.args.first()?;
    let summed = match (over, buckets) {
        (over, Buckets::Ungrouped) => {
            let service = walk::selectors(over).into_iter().any(istio::is_standard);
            let labels = if service { "le, destination_service" } else { "le" };
            format!("sum by ({labels}) ({over})")
        }
        (Expr::Aggregate(aggregate), Buckets::Lost) => {
            let inner = &aggregate.expr;
            match &aggregate.modifier {
                Some(LabelModifier::Exclude(labels)) => {
                    let kept: Vec<&str> = labels.labels.iter().map(String::as_str).filter(|l| *l != "le").collect();
                    format!("sum without ({}) ({inner})", kept.join(", "))
                }
                Some(LabelModifier::Include(labels)) if !labels.is_empty() => {
                    format!("sum by (le, {}) ({inner})", labels.labels.join(", "))
                }
                Some(LabelModifier::Include(_)) | None => format!("sum by (le) ({inner})"),
            }
        }
        _ => return None,
    };
    Some(format!("histogram_quantile({quantile}, {summed})"))
}

/// The expression with provision for series that are not there.
fn provided(expr: &Expr) -> Option<String> {
    let Expr::Binary(binary) = expr else { return None };
    let (lhs, rhs) = (&binary.lhs, &binary.rhs);
    if comparison::is_empty_share(expr) {
        // A plain sum has no labels, like vector(0); grouped ones take a zero for every group of the whole.
        let plain = matches!(walk::bare(lhs), Expr::Aggregate(a) if a.modifier.is_none());
        return Some(if plain {
            format!("({lhs} or vector(0)) / {rhs}")
        } else {
            format!("({lhs} or {rhs} * 0) / {rhs}")
        });
    }
    if !comparison::needs_series(binary) {
        return None;
    }
    match walk::bare(lhs) {
        Expr::VectorSelector(selector)
            if walk::metric(selector) == Some("up") && selector.matchers.matchers.is_empty() =>
        {
            // Which target is missed is not said, so no absence can be asked for.
            None
        }
        Expr::VectorSelector(selector) if walk::metric(selector) == Some("up") => {
            Some(format!("absent({selector} == 1)"))
        }
        Expr::VectorSelector(selector) => Some(format!("{selector} {} {rhs} or absent({selector})", binary.op)),
        Expr::Aggregate(aggregate) if aggregate.modifier.is_none() => {
            Some(format!("({lhs} or vector(0)) {} {rhs}", binary.op))
        }
        // With groups, each of them would have to be named to be missed.
        _ => None,
    }
}
