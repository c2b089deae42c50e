//! Mistakes about quantiles of classic histograms.

use promql_parser::parser::{Expr, LabelModifier};

use super::{Finding, Mistake, walk};

/// How the buckets under a `histogram_quantile` are put together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Buckets {
    /// By `le`, as they must be.
    Kept,
    /// Without `le`: they are no buckets any more.
    Lost,
    /// Not at all.
    Ungrouped,
    /// They are no classic buckets, or it is unknown.
    Other,
}

/// What a `histogram_quantile` is computed over.
pub(super) fn quantile_over(expr: &Expr) -> Option<(&Expr, Buckets)> {
    let Expr::Call(call) = expr else { return None };
    if call.func.name != "histogram_quantile" {
        return None;
    }
    let over = walk::bare(call.args.args.get(1)?);
    let classic =
        walk::selectors(over).into_iter().any(|s| walk::metric(s).is_some_and(|name| name.ends_with("_bucket")));
    let buckets = match over {
        _ if !classic => Buckets::Other,
        Expr::Aggregate(aggregate) => {
            let le = |labels: &promql_parser::label::Labels| labels.labels.iter().any(|l| l == "le");
            match &aggregate.modifier {
                Some(LabelModifier::Include(labels)) if le(labels) => Buckets::Kept,
                Some(LabelModifier::Exclude(labels)) if !le(labels) => Buckets::Kept,
                Some(LabelModifier::Include(_) | LabelModifier::Exclude(_)) | None => Buckets::Lost,
            }
        }
        Expr::Call(inner) if matches!(inner.func.name, "rate" | "irate" | "increase") => Buckets::Ungrouped,
        Expr::VectorSelector(_) => Buckets::Ungrouped,
        _ => Buckets::Other,
    };
    Some((over, buckets))
}

fn find(expr: &Expr, buckets: &Buckets) -> Option<String> {
    let mut parts = walk::parts(expr).into_iter();
    parts.find(|part| quantile_over(part).is_some_and(|(_, found)| found == *buckets)).map(ToString::to_string)
}

/// `histogram_quantile(0.99, sum by (app) (rate(x_bucket[5m])))`.
pub(super) fn lost_buckets(expr: &Expr, repaired: &str) -> Option<Finding> {
    let why = "the aggregation drops `le`, and without it there are no buckets to take a quantile of";
    Some(Finding::new(Mistake::QuantileLostBuckets, &find(expr, &Buckets::Lost)?, why, Some(repaired.to_owned())))
}

/// `histogram_quantile(0.99, rate(x_bucket[5m]))`.
pub(super) fn ungrouped_buckets(expr: &Expr, repaired: &str) -> Option<Finding> {
    let why = "gives one quantile for every series, of every pod and response code, and none for the service";
    Some(Finding::new(Mistake::QuantilePerSeries, &find(expr, &Buckets::Ungrouped)?, why, Some(repaired.to_owned())))
}
