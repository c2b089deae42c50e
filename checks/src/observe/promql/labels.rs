//! The labels that the result of a query can have.

use std::collections::BTreeSet;

use promql_parser::label::MatchOp;
use promql_parser::parser::{Expr, LabelModifier, token};

use super::{read, walk};

/// The labels that series of a query's result can have at most; `None` if they can have any.
pub fn result_labels(query: &str) -> Option<BTreeSet<String>> {
    labels(&read(query).ok()?)
}

fn labels(expr: &Expr) -> Option<BTreeSet<String>> {
    match expr {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Some(BTreeSet::new()),
        Expr::Paren(paren) => labels(&paren.expr),
        Expr::Unary(unary) => labels(&unary.expr),
        Expr::Aggregate(aggregate) => {
            let keeps = [token::T_TOPK, token::T_BOTTOMK, token::T_COUNT_VALUES].contains(&aggregate.op.id());
            match &aggregate.modifier {
                _ if keeps => None,
                None => Some(BTreeSet::new()),
                Some(LabelModifier::Include(names)) => Some(names.labels.iter().cloned().collect()),
                Some(LabelModifier::Exclude(names)) => {
                    let mut left = labels(&aggregate.expr)?;
                    left.retain(|label| !names.labels.contains(label));
                    Some(left)
                }
            }
        }
        Expr::Binary(binary) => {
            let mut both = labels(&binary.lhs)?;
            both.extend(labels(&binary.rhs)?);
            Some(both)
        }
        Expr::Call(call) if call.func.name.starts_with("absent") => {
            let selector = call.args.args.first().and_then(|argument| walk::selector(walk::bare(argument)));
            let named = selector.iter().flat_map(|selector| &selector.matchers.matchers);
            let equal = named.filter(|one| matches!(one.op, MatchOp::Equal) && one.name != "__name__");
            Some(equal.map(|one| one.name.clone()).collect())
        }
        Expr::Call(call) if call.func.name.starts_with("label_") => None,
        Expr::Call(call) => {
            let mut all = BTreeSet::new();
            for argument in &call.args.args {
                all.extend(labels(argument)?);
            }
            Some(all)
        }
        Expr::Subquery(subquery) => labels(&subquery.expr),
        Expr::VectorSelector(_) | Expr::MatrixSelector(_) | Expr::Extension(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_what_the_aggregation_keeps() {
        let of = |query: &str| result_labels(query).map(|names| names.into_iter().collect::<Vec<_>>().join(","));
        assert_eq!(of("up == 0"), None);
        assert_eq!(of("sum(rate(a[5m])) > 1").as_deref(), Some(""));
        assert_eq!(of("sum by (job, zone) (a) / sum by (job) (b) > 1").as_deref(), Some("job,zone"));
        assert_eq!(of("sum without (job) (sum by (job, zone) (a))").as_deref(), Some("zone"));
        assert_eq!(of("absent(up{app=\"istiod\", job=~\".+\"})").as_deref(), Some("app"));
        assert_eq!(of("absent(up) or up == 0"), None);
        assert_eq!(of("topk(3, sum by (a) (b))"), None);
        assert_eq!(of("label_replace(vector(1), \"team\", \"x\", \"\", \"\")"), None);
        assert_eq!(of("vector(1)").as_deref(), Some(""));
    }
}
