//! Queries read before they are asked: the mistakes that make a query fail, always give the same, or stay silent when it
//! matters; and which series a rule needs in order to fire.
//!
//! The grammar is that of Prometheus 2.45. What it refuses a newer server may accept, so ask the server as well; that a
//! query is free of these mistakes says nothing about its data.

mod aggregation;
mod comparison;
mod finding;
mod istio;
mod labels;
mod repair;
mod selectors;
mod syntax;
mod threshold;
mod walk;

pub use finding::{Finding, Mistake, Severity};
pub use labels::result_labels;
pub use selectors::{LabelMatch, MatchKind, Selector, selectors};
pub use threshold::threshold;

use promql_parser::parser::{Expr, parse};

/// A query that cannot be read. Fits "failed to check …: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromqlError {
    /// Longer or deeper than any query people write.
    #[error("the query is too long or too deeply nested")]
    TooLarge,
    /// Refused by the grammar.
    #[error("parse error: {0}")]
    Syntax(String),
}

/// Longest query that is read, in bytes.
const LONGEST: usize = 4096;
/// Deepest nesting of brackets that is followed.
const DEEPEST: usize = 32;

/// Every known mistake in a query, worst first. Each comes with the correct form of the whole query.
pub fn check(query: &str) -> Vec<Finding> {
    let expr = match read(query) {
        Ok(expr) => expr,
        Err(error) => return vec![syntax::explain(query, &error)],
    };
    let repaired = repair::repair(&expr);
    let mut findings: Vec<Finding> = [
        syntax::unsupported(&expr),
        istio::literal_labels(&expr),
        aggregation::lost_buckets(&expr, &repaired),
        aggregation::ungrouped_buckets(&expr, &repaired),
        comparison::division_by_flag(&expr),
        comparison::absent_missing(&expr, &repaired),
        comparison::empty_share(&expr, &repaired),
        istio::foreign_grouping(&expr, &repaired),
        istio::reporter_missing(&expr, &repaired),
        istio::loose_flags(&expr, &repaired),
    ]
    .into_iter()
    .flatten()
    .collect();
    // A remedy that is the query itself helps nobody.
    let as_written = expr.to_string();
    for finding in &mut findings {
        finding.correct.take_if(|correct| *correct == as_written);
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Whether an alert holds only while it compares the very targets that it names, as `up{app="istiod"} == 0` does. An alert for
/// groups of targets, or for all of them, fires for those that exist and fail.
pub fn names_its_targets(query: &str) -> bool {
    let Ok(expr) = read(query) else { return false };
    let Expr::Binary(binary) = walk::bare(&expr) else { return false };
    let compared = match walk::bare(&binary.lhs) {
        Expr::Aggregate(aggregate) if aggregate.modifier.is_none() => &aggregate.expr,
        Expr::Aggregate(_) => return false,
        _ => &binary.lhs,
    };
    let Expr::VectorSelector(selector) = walk::bare(compared) else { return false };
    comparison::needs_series(binary) && selector.matchers.matchers.iter().any(|one| one.name != "__name__")
}

/// Parses a query within bounds that keep the parser's recursion shallow.
fn read(query: &str) -> Result<Expr, PromqlError> {
    if query.len() > LONGEST || depth(query) > DEEPEST || query.matches(['-', '+']).count() > 512 {
        return Err(PromqlError::TooLarge);
    }
    parse(query).map_err(PromqlError::Syntax)
}

fn depth(query: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in query.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests;
