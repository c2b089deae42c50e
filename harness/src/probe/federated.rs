//! Finds the original of a federated series. A copy has the labels of its original, the external labels of its source, and
//! the labels that the federating Prometheus adds to its targets.

use std::collections::BTreeMap;

use meshdrill_checks::observe::prometheus::Series;

/// Labels by name.
pub(super) type Labels = BTreeMap<String, String>;

/// The labels that a copy may have in addition to those of its original.
#[derive(Debug, Clone, Default)]
pub(super) struct Added {
    /// The label with the cluster; it is not compared.
    pub(super) cluster: String,
    /// External labels of the source.
    pub(super) external: Labels,
    /// Labels of the federating Prometheus' targets.
    pub(super) targets: Vec<Labels>,
}

/// The original of a copy.
#[derive(Debug, PartialEq)]
pub(super) enum Original<'a> {
    /// This series.
    This(&'a Series),
    /// A series with the same labels, from another replica of the source; the replica label has this value.
    OfAnotherReplica(String),
    /// None.
    Nowhere,
}

impl Added {
    /// The labels of a series that are compared.
    pub(super) fn own(&self, series: &Series) -> Labels {
        let own = series.labels.iter().filter(|(name, _)| *name != "__name__" && **name != self.cluster);
        own.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The series of a source, indexed for the search by copies.
    pub(super) fn originals<'a>(&'a self, source: &'a [Series]) -> Originals<'a> {
        let mut index: BTreeMap<Labels, Vec<&Series>> = BTreeMap::new();
        for one in source {
            index.entry(self.without_external(self.own(one))).or_default().push(one);
        }
        Originals { added: self, source, index }
    }

    fn without_external(&self, mut labels: Labels) -> Labels {
        labels.retain(|name, _| !self.external.contains_key(name));
        labels
    }

    /// The possible labels of the original: those of the copy, and those from before labels of the target replaced them.
    fn as_scraped(&self, copy: &Series) -> Vec<Labels> {
        let plain = self.own(copy);
        let mut restored = plain.clone();
        for (name, value) in &plain {
            if let Some(name) = name.strip_prefix("exported_") {
                restored.insert(name.to_owned(), value.clone());
                restored.remove(&format!("exported_{name}"));
            }
        }
        if restored == plain { vec![plain] } else { vec![plain, restored] }
    }

    /// The labels in which a copy differs from an original, if these are only values of external labels; else `None`.
    /// differs otherwise.
    fn differences(&self, copy: &Labels, own: &Labels) -> Option<Vec<String>> {
        let mut replicas = Vec::new();
        if own.keys().any(|name| !copy.contains_key(name)) {
            return None;
        }
        for (name, value) in copy {
            let by_target = || self.targets.iter().any(|target| target.get(name) == Some(value));
            match (own.get(name), self.external.get(name)) {
                (Some(own), _) if own == value => {}
                (_, Some(external)) if external == value => {}
                (None, _) if by_target() => {}
                (None, Some(_)) => replicas.push(format!("{name}={value}")),
                _ => return None,
            }
        }
        Some(replicas)
    }
}

/// The series of a source.
#[derive(Debug)]
pub(super) struct Originals<'a> {
    added: &'a Added,
    source: &'a [Series],
    /// Indexed by their labels without external ones: a large mesh has tens of thousands of series.
    index: BTreeMap<Labels, Vec<&'a Series>>,
}

impl<'a> Originals<'a> {
    /// The original of a copy.
    pub(super) fn of(&self, copy: &Series) -> Original<'a> {
        let copies = self.added.as_scraped(copy);
        let indexed = copies.iter().filter_map(|copy| self.index.get(&self.added.without_external(copy.clone())));
        match self.among(&copies, indexed.flatten().copied()) {
            // The index does not contain labels of targets.
            Original::Nowhere => self.among(&copies, self.source.iter()),
            found => found,
        }
    }

    fn among(&self, copies: &[Labels], candidates: impl Iterator<Item = &'a Series>) -> Original<'a> {
        let mut found = Original::Nowhere;
        for one in candidates {
            let own = self.added.own(one);
            for copy in copies {
                match self.added.differences(copy, &own).as_deref() {
                    Some([]) => return Original::This(one),
                    Some([only]) => found = Original::OfAnotherReplica(only.clone()),
                    _ => {}
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshdrill_checks::observe::prometheus::SeriesValue;

    fn labels(text: &str) -> Labels {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn series(text: &str) -> Series {
        Series { labels: labels(text), at: jiff::Timestamp::UNIX_EPOCH, value: SeriesValue::Number(1.0) }
    }

    fn added(external: &str) -> Added {
        let targets = vec![labels("job=federate,instance=hub:9090,tier=far")];
        Added { cluster: "cluster".to_owned(), external: labels(external), targets }
    }

    #[test]
    fn what_the_source_adds_to_all_it_hands_on_is_allowed_for() {
        let source = [series("__name__=up,pod=a,job=pods"), series("__name__=up,pod=b,job=pods")];
        let copy = series("__name__=up,pod=b,job=pods,cluster=two,replica=r0,tier=far");
        assert_eq!(added("cluster=two,replica=r0").originals(&source).of(&copy), Original::This(&source[1]));
        assert_eq!(added("cluster=two").originals(&source).of(&copy), Original::Nowhere, "no replica label is added");
        let overridden = series("__name__=up,pod=b,job=all,cluster=two");
        assert_eq!(added("job=all").originals(&source[1..]).of(&overridden), Original::This(&source[1]));
    }

    #[test]
    fn labels_that_gave_way_to_those_of_the_target_are_found_again() {
        let source = [series("pod=a,job=pods,instance=a:1")];
        let copy = series("pod=a,job=federate,instance=hub:9090,exported_job=pods,exported_instance=a:1,cluster=two");
        assert_eq!(added("").originals(&source).of(&copy), Original::This(&source[0]));
    }

    #[test]
    fn a_scrape_of_itself_has_no_original_there() {
        let source = [series("pod=a,job=pods")];
        let hubs = series("pod=hub-a,job=pods,cluster=two,replica=r0");
        assert_eq!(added("replica=r0").originals(&source).of(&hubs), Original::Nowhere);
        let fewer = series("job=pods,cluster=two,replica=r0");
        assert_eq!(
            added("replica=r0").originals(&source).of(&fewer),
            Original::Nowhere,
            "a label of the original is missing"
        );
        let other = series("pod=a,job=pods,cluster=two,replica=r1");
        assert_eq!(
            added("replica=r0").originals(&source).of(&other),
            Original::OfAnotherReplica("replica=r1".to_owned())
        );
    }
}
