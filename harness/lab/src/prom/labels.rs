//! Label sets.

use std::sync::Arc;

/// Sorted names and values, with the metric name as `__name__`. The texts are shared: most scrapes repeat them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Labels(Arc<[Pair]>);

type Pair = (Arc<str>, Arc<str>);

pub(crate) const NAME: &str = "__name__";

impl Labels {
    /// Label sets from pairs in any order; empty values are dropped.
    pub(crate) fn new<K: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut list: Vec<Pair> =
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).filter(|(_, v)| !v.is_empty()).collect();
        list.sort();
        list.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(list.into())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }

    /// The value of a label, empty when absent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.iter().find(|(k, _)| *k == name).map_or("", |(_, v)| v)
    }

    pub(crate) fn only(&self, names: &[String]) -> Self {
        self.filtered(|k| names.iter().any(|name| name == k))
    }

    /// Without the given names and without the metric name.
    pub(crate) fn without(&self, names: &[String]) -> Self {
        self.filtered(|k| k != NAME && !names.iter().any(|name| name == k))
    }

    pub(crate) fn without_name(&self) -> Self {
        self.without(&[])
    }

    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(k, _)| keep(k)).cloned().collect())
    }

    /// With a label set; an empty value removes it.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self.filtered(|k| k != name);
        }
        self.set_all(&[(name.into(), value.into())])
    }

    /// With the labels of another set that this one does not have.
    pub(crate) fn or_from(&self, other: &Self) -> Self {
        other.set_all(&self.0)
    }

    /// With pairs set.
    fn set_all(&self, pairs: &[Pair]) -> Self {
        let mut list = self.0.to_vec();
        for pair in pairs {
            match list.binary_search_by(|(k, _)| k.cmp(&pair.0)) {
                Ok(at) => list[at].1 = Arc::clone(&pair.1),
                Err(at) => list.insert(at, pair.clone()),
            }
        }
        Self(list.into())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::Value::Object(self.iter().map(|(k, v)| (k.to_owned(), v.into())).collect())
    }

    /// `{a="b",c="d"}` without the metric name.
    pub(crate) fn braces(&self) -> String {
        let inner: Vec<String> = self.iter().filter(|(k, _)| *k != NAME).map(|(k, v)| format!("{k}={v:?}")).collect();
        if inner.is_empty() { String::new() } else { format!("{{{}}}", inner.join(",")) }
    }
}
