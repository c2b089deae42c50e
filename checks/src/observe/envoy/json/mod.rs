//! The JSON form of `/clusters?format=json`: half the size of the text and without its ambiguities.
//!
//! Proto3 leaves out what is zero, and writes 64-bit numbers as strings.

mod shape;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use self::shape::ClusterStatus;
pub(super) use self::shape::JsonAddress;
use super::{Cluster, Clusters, EnvoyError, Select};
use crate::observe::Excerpt;

/// Reads the JSON form, dropping every cluster that is not selected as soon as it is read.
///
/// `{}` is an answer without clusters. Another shape, or JSON that ends early, is an error.
pub fn parse_json(body: &[u8], select: Select<'_>) -> Result<Clusters, EnvoyError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    Answer(select)
        .deserialize(&mut json)
        .and_then(|clusters| json.end().map(|()| clusters))
        .map(|clusters| Clusters { clusters, unreadable: 0, truncated: false })
        .map_err(|source| EnvoyError::NotJson { path: "/clusters?format=json", came: Excerpt::of(body), source })
}

struct Answer<'s>(Select<'s>);

impl<'de> DeserializeSeed<'de> for Answer<'_> {
    type Value = Vec<Cluster>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Answer<'_> {
    type Value = Vec<Cluster>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with cluster_statuses")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut clusters, mut other) = (None, None);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == "cluster_statuses" {
                clusters = Some(map.next_value_seed(Statuses(self.0))?);
            } else {
                map.next_value::<IgnoredAny>()?;
                other = Some(key);
            }
        }
        match (clusters, other) {
            (Some(clusters), _) => Ok(clusters),
            (None, None) => Ok(Vec::new()),
            (None, Some(key)) => Err(serde::de::Error::custom(format!("`{key}` but no `cluster_statuses`"))),
        }
    }
}

struct Statuses<'s>(Select<'s>);

impl<'de> DeserializeSeed<'de> for Statuses<'_> {
    type Value = Vec<Cluster>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Statuses<'_> {
    type Value = Vec<Cluster>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of clusters")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut clusters = Vec::new();
        while let Some(status) = seq.next_element::<ClusterStatus<'de>>()? {
            let cluster = Cluster::named(status.name().to_owned());
            if self.0.keeps(cluster.service.as_ref()) {
                clusters.push(status.into_cluster(cluster));
            }
        }
        Ok(clusters)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observe::envoy::{HealthClass, parse, parse_text};

    const JSON: &[u8] = include_bytes!("../../../../tests/captures/envoy/clusters.json");
    const TEXT: &[u8] = include_bytes!("../../../../tests/captures/envoy/clusters.txt");
    const REAL_JSON: &[u8] = include_bytes!("../../../../tests/captures/envoy/clusters_real_istio_multinetwork.json");
    const REAL_TEXT: &[u8] = include_bytes!("../../../../tests/captures/envoy/clusters_real_istio_multinetwork.txt");

    /// Sorted, and without what only the text has.
    fn comparable(mut clusters: Clusters) -> Clusters {
        clusters.clusters.sort_by(|a, b| a.name.cmp(&b.name));
        for cluster in &mut clusters.clusters {
            cluster.outlier.success_rate_average = None;
            cluster.outlier.local_origin_success_rate_average = None;
            cluster.hosts.sort_by(|a, b| (&a.address, a.priority).cmp(&(&b.address, b.priority)));
            cluster.hosts.iter_mut().for_each(|host| host.canary = None);
        }
        clusters
    }

    #[test]
    fn text_and_json_agree() {
        for (json, text) in [(JSON, TEXT), (REAL_JSON, REAL_TEXT)] {
            let json = comparable(parse(json, Select::All).unwrap());
            let text = comparable(parse(text, Select::All).unwrap());
            for (json, text) in json.clusters.iter().zip(&text.clusters) {
                assert_eq!(json, text);
            }
            assert_eq!(json.clusters.len(), text.clusters.len());
        }
    }

    #[test]
    fn selecting_while_reading_is_selecting_afterwards() {
        let host = "reviews.bookinfo.svc.cluster.local";
        let selected = parse_json(REAL_JSON, Select::Host(host)).unwrap();
        assert_eq!(comparable(selected), comparable(parse_text(REAL_TEXT, Select::Host(host)).unwrap()));
    }

    #[test]
    fn nothing_is_not_the_same_as_something_else() {
        assert!(parse_json(b"{}", Select::All).unwrap().clusters.is_empty());
        for body in [&br#"{"message":"no"}"#[..], b"[]", b"", b"{\"cluster_statuses\":[{}]}", &JSON[..9_000]] {
            let error = parse_json(body, Select::All).unwrap_err();
            assert!(error.to_string().starts_with("not the JSON of /clusters?format=json but"), "{error}");
        }
    }

    #[test]
    fn health_that_is_not_reported_is_not_healthy() {
        let body = br#"{"cluster_statuses":[{"name":"c","host_statuses":[{"address":{"pipe":{"path":"p"}}},
            {"address":{},"health_status":{}},{"address":{},"health_status":{"eds_health_status":"PANIC"}}]}]}"#;
        let read = parse_json(body, Select::All).unwrap();
        assert!(read.clusters[0].hosts.iter().all(|h| h.health.class() == HealthClass::Unknown));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_json(&body, Select::All);
            let _ = parse(&body, Select::Host("reviews"));
        }

        #[test]
        fn a_capture_with_a_damaged_byte_is_survived(at in 0usize..10_737, byte in any::<u8>()) {
            let mut body = REAL_JSON.to_vec();
            body[at] = byte;
            let _ = parse_json(&body, Select::All);
        }
    }
}
