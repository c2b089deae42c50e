//! Which series a query needs: can this rule fire at all?

use std::collections::BTreeSet;

use promql_parser::label::MatchOp;
use promql_parser::parser::{Expr, VectorSelector};
use serde::{Deserialize, Serialize};

use super::{PromqlError, walk};

/// Labels whose values may be seen only once something fails.
const FAILURE_LABELS: [&str; 3] = ["response_code", "response_flags", "grpc_response_status"];

/// One selector of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// The metric; `None` where it is chosen by labels alone.
    pub metric: Option<String>,
    /// Conditions on labels, `__name__` left out.
    pub matches: Vec<LabelMatch>,
    /// Whether the query asks for its absence, so that it need not exist for the rule to fire.
    pub absent: bool,
}

/// One condition on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelMatch {
    /// The label.
    pub label: String,
    /// How it is compared.
    pub kind: MatchKind,
    /// With what.
    pub value: String,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchKind {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
}

impl MatchKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

impl Selector {
    /// The labels it uses.
    pub fn labels(&self) -> BTreeSet<&str> {
        self.matches.iter().map(|m| m.label.as_str()).collect()
    }

    /// A selector for the series this one could ever match: as it is, but conditions on labels that take their value only
    /// under failure ask no more than that the label is there.
    pub fn potential(&self) -> String {
        let conditions: Vec<String> = self
            .matches
            .iter()
            .map(|m| {
                if FAILURE_LABELS.contains(&m.label.as_str()) {
                    format!("{}!=\"\"", m.label)
                } else {
                    let value = m.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                    format!("{}{}\"{value}\"", m.label, m.kind.as_str())
                }
            })
            .collect();
        let metric = self.metric.as_deref().unwrap_or_default();
        if conditions.is_empty() { metric.to_owned() } else { format!("{metric}{{{}}}", conditions.join(",")) }
    }
}

/// All selectors of a query, in their order.
pub fn selectors(query: &str) -> Result<Vec<Selector>, PromqlError> {
    let expr = super::read(query)?;
    let mut found = Vec::new();
    collect(&expr, false, &mut found);
    Ok(found)
}

fn collect(expr: &Expr, absent: bool, found: &mut Vec<Selector>) {
    if let Some(selector) = walk::selector(expr) {
        found.push(read(selector, absent));
    }
    let absent = absent || matches!(expr, Expr::Call(call) if call.func.name.starts_with("absent"));
    for child in walk::children(expr) {
        collect(child, absent, found);
    }
}

fn read(selector: &VectorSelector, absent: bool) -> Selector {
    let matchers = selector.matchers.matchers.iter().chain(selector.matchers.or_matchers.iter().flatten());
    Selector {
        metric: walk::metric(selector).map(str::to_owned),
        matches: matchers
            .filter(|m| m.name != "__name__")
            .map(|m| LabelMatch {
                label: m.name.clone(),
                kind: match m.op {
                    MatchOp::Equal => MatchKind::Equal,
                    MatchOp::NotEqual => MatchKind::NotEqual,
                    MatchOp::Re(_) => MatchKind::Matches,
                    MatchOp::NotRe(_) => MatchKind::MatchesNot,
                },
                value: m.value.clone(),
            })
            .collect(),
        absent,
    }
}
