//! The same thing in several clusters as one entry.

use indexmap::IndexMap;

use crate::format::ClusterChoice;

/// An entry that was seen in one cluster.
#[derive(Debug)]
pub(super) struct Sighting<T> {
    pub cluster: String,
    /// The preferred name.
    pub name: String,
    pub value: T,
}

/// One entry per value: the clusters in which it was seen, under its name; where values of one name differ, further ones are
/// named `NAME-CLUSTER`.
pub(super) fn merged<T: PartialEq>(
    sightings: Vec<Sighting<T>>,
    all: &[String],
    mut with: impl FnMut(T, ClusterChoice) -> T,
) -> IndexMap<String, T> {
    let mut groups: Vec<(String, T, Vec<String>)> = Vec::new();
    for Sighting { cluster, name, value } in sightings {
        match groups.iter_mut().find(|(known, same, _)| *known == name && *same == value) {
            Some((.., clusters)) => clusters.push(cluster),
            None => groups.push((name, value, vec![cluster])),
        }
    }
    let mut entries = IndexMap::new();
    for (name, value, clusters) in groups {
        let key = if entries.contains_key(&name) {
            format!("{name}-{}", clusters.first().map_or("", String::as_str))
        } else {
            name
        };
        entries.insert(key, with(value, choice(&clusters, all)));
    }
    entries
}

/// `all`, one key, or a list.
pub(super) fn choice(clusters: &[String], all: &[String]) -> ClusterChoice {
    match clusters {
        clusters if clusters.len() == all.len() => ClusterChoice::all(),
        [one] => ClusterChoice::One(one.clone()),
        several => ClusterChoice::Many(several.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_everywhere_is_one_entry_for_all() {
        let all = ["a", "b", "c"].map(str::to_owned);
        let seen = |cluster: &str, name: &str, value: u8| Sighting {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            value: (value, None),
        };
        let sightings = vec![
            seen("a", "x", 1),
            seen("b", "x", 1),
            seen("c", "x", 1),
            seen("a", "y", 1),
            seen("b", "y", 2),
            seen("c", "y", 2),
        ];
        let entries = merged(sightings, &all, |(value, _), clusters| (value, Some(clusters)));
        let of = |name: &str| entries[name].clone();
        assert_eq!(of("x"), (1, Some(ClusterChoice::all())));
        assert_eq!(of("y"), (1, Some(ClusterChoice::One("a".to_owned()))));
        assert_eq!(of("y-b"), (2, Some(ClusterChoice::Many(vec!["b".to_owned(), "c".to_owned()]))));
    }
}
