//! Queries that a Prometheus refuses.

use promql_parser::parser::Expr;
use regex::Regex;

use super::{Finding, Mistake, PromqlError, read, repair, walk};

/// Reports what is wrong with a query that does not parse.
pub(super) fn explain(query: &str, error: &PromqlError) -> Finding {
    if let Some((inner, clause, correct)) = misplaced_clause(query) {
        let why = "only an aggregation such as sum takes a grouping clause";
        return Finding::new(Mistake::AggregationClause, &format!("{inner} {clause}"), why, Some(correct));
    }
    Finding::new(Mistake::Syntax, &query, &error.to_string(), None)
}

/// `rate(…) by (label)`: the expression, the clause, and the sum that was meant.
fn misplaced_clause(query: &str) -> Option<(String, String, String)> {
    let pattern =
        Regex::new(r"(?is)^(?P<inner>.*\))\s*(?P<clause>(?P<how>by|without)\s*\((?P<labels>[^()]*)\))\s*$").ok()?;
    let found = pattern.captures(query.trim())?;
    let inner = found["inner"].trim();
    read(inner).ok()?;
    let sum = format!("sum {} ({}) ({inner})", found["how"].to_ascii_lowercase(), found["labels"].trim());
    let correct = repair::repair(&read(&sum).ok()?);
    Some((inner.to_owned(), found["clause"].to_owned(), correct))
}

/// What the parser takes and Prometheus does not.
pub(super) fn unsupported(expr: &Expr) -> Option<Finding> {
    let selector = walk::selectors(expr).into_iter().find(|s| !s.matchers.or_matchers.is_empty())?;
    let why = "Prometheus knows no `or` between conditions on labels";
    Some(Finding::new(Mistake::Syntax, selector, why, None))
}
