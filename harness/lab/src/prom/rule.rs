//! One alerting rule with its alerts.

use std::collections::BTreeMap;

use promql_parser::parser::Expr;

use super::labels::Labels;
use crate::clock::Ms;

/// One alert of a rule.
#[derive(Debug, Clone)]
pub(crate) struct ActiveAlert {
    pub(crate) since: Ms,
    pub(crate) fired: Option<Ms>,
    pub(crate) resolved: Option<Ms>,
    pub(crate) value: f64,
    pub(super) sent: Option<Ms>,
}

/// One rule with its state.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) query: String,
    pub(crate) wait: Ms,
    pub(crate) severity: &'static str,
    pub(crate) summary: &'static str,
    pub(super) expr: Option<Expr>,
    pub(crate) error: Option<String>,
    pub(crate) evaluated: Ms,
    pub(crate) active: BTreeMap<Labels, ActiveAlert>,
}
