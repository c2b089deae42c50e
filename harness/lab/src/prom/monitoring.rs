//! How a cluster is monitored, as the seed of its mesh sets it up.

/// One alerting rule of the rule file.
#[derive(Debug, Clone)]
pub(crate) struct RuleSource {
    pub(crate) name: &'static str,
    pub(crate) query: String,
    /// `for`, seconds.
    pub(crate) wait_s: i64,
    pub(crate) severity: &'static str,
    pub(crate) summary: &'static str,
}

/// How a cluster is monitored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Monitoring {
    /// The rule group.
    pub(crate) group: &'static str,
    /// The path of the rule file.
    pub(crate) file: &'static str,
    pub(crate) rules: Vec<RuleSource>,
    /// `HOST:PORT` of the Alertmanager in Prometheus' configuration; none if there is none.
    pub(crate) alertmanager: Option<String>,
    /// Whether the Prometheus of the first cluster federates those of the others.
    pub(crate) federates: bool,
}
