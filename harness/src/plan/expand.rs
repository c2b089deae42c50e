//! `cluster: all` and lists of clusters: one copy of a probe, check or fault per cluster.

use crate::format::ClusterChoice;

/// One copy of a kind, and the suffix of its id: empty where nothing was expanded.
pub(super) struct Copy<K> {
    pub kind: K,
    pub suffix: String,
}

/// Expands every choice of a kind among the clusters of the mesh.
pub(super) fn expand<K: Clone>(
    kind: &K,
    choices: fn(&mut K) -> Vec<&mut ClusterChoice>,
    all: &[String],
) -> Vec<Copy<K>> {
    let mut copies = vec![Copy { kind: kind.clone(), suffix: String::new() }];
    let count = choices(&mut kind.clone()).len();
    for index in 0..count {
        copies = copies.into_iter().flat_map(|copy| expand_one(copy, index, choices, all)).collect();
    }
    copies
}

fn expand_one<K: Clone>(
    copy: Copy<K>,
    index: usize,
    choices: fn(&mut K) -> Vec<&mut ClusterChoice>,
    all: &[String],
) -> Vec<Copy<K>> {
    let mut kind = copy.kind;
    let Some((keys, expanded)) = choices(&mut kind).get(index).map(|choice| choice.expand(all)) else {
        return Vec::new();
    };
    let one = |key: String| {
        let mut kind = kind.clone();
        if let Some(choice) = choices(&mut kind).into_iter().nth(index) {
            *choice = ClusterChoice::One(key.clone());
        }
        let suffix = match (expanded, copy.suffix.is_empty()) {
            (false, _) => copy.suffix.clone(),
            (true, true) => format!("@{key}"),
            (true, false) => format!("{}-{key}", copy.suffix),
        };
        Copy { kind, suffix }
    };
    keys.into_iter().map(one).collect()
}
