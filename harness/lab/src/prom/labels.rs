//! Label sets.

use std::sync::Arc;

/// Sorted names and values, the metric name under `__name__`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Labels(Arc<Vec<(String, String)>>);

pub(crate) const NAME: &str = "__name__";

impl Labels {
    /// Of pairs in any order; empty values are as good as absent.
    pub(crate) fn new<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut list: Vec<(String, String)> =
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).filter(|(_, v)| !v.is_empty()).collect();
        list.sort();
        list.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(Arc::new(list))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The value of a label, empty when absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v)
    }

    pub(crate) fn only(&self, names: &[String]) -> Self {
        Self(Arc::new(self.0.iter().filter(|(k, _)| names.contains(k)).cloned().collect()))
    }

    /// Without the given names and without the metric name.
    pub(crate) fn without(&self, names: &[String]) -> Self {
        Self(Arc::new(self.0.iter().filter(|(k, _)| k != NAME && !names.contains(k)).cloned().collect()))
    }

    pub(crate) fn without_name(&self) -> Self {
        self.without(&[])
    }

    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let rest = self.0.iter().filter(|(k, _)| k != name).cloned();
        Self::new(rest.chain(std::iter::once((name.to_owned(), value.to_owned()))))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::Value::Object(self.0.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect())
    }

    /// `{a="b",c="d"}` without the metric name.
    pub(crate) fn braces(&self) -> String {
        let inner: Vec<String> = self.iter().filter(|(k, _)| *k != NAME).map(|(k, v)| format!("{k}={v:?}")).collect();
        if inner.is_empty() { String::new() } else { format!("{{{}}}", inner.join(",")) }
    }
}
