//! A plan in the making: what is laid out so far, and every problem that was found.

use std::collections::BTreeSet;
use std::ops::Range;

use meshdrill_checks::units::TimeSpan;

use super::expand::{Copy, expand};
use super::types::{PlannedFault, PlannedProbe};
use crate::format::{ClusterChoice, MeshFile};
use crate::probe::{ProbeKind, SpecError};
use crate::spec::Loaded;
use meshdrill_document::{Path, Problem, nearest};

/// How long the probes of a validation run.
pub(super) const OBSERVE_VALIDATION: TimeSpan = TimeSpan::secs(10);

/// A plan in the making.
pub(super) struct Building<'a> {
    pub loaded: &'a Loaded,
    pub mesh: Option<&'a MeshFile>,
    pub probes: Vec<PlannedProbe>,
    pub faults: Vec<PlannedFault>,
    pub fixed: Vec<bool>,
    pub clusters: BTreeSet<String>,
    pub problems: Vec<Problem>,
    pub defaults: Vec<String>,
}

impl Building<'_> {
    pub fn is_drill(&self) -> bool {
        !self.loaded.file.spec.faults.is_empty()
    }

    /// Whether there is neither a probe nor a fault for a criterion to judge.
    pub fn judges_nothing(&self) -> bool {
        self.loaded.file.spec.probes.is_empty() && !self.is_drill()
    }

    /// What is asked at once of a probe that is asked in batches. Where nothing is broken there is no instant that the end of
    /// a batch would keep back, and an exec costs the cluster as much as some hundred echoes.
    pub fn batch(&self, length: TimeSpan) -> TimeSpan {
        if self.is_drill() {
            return length;
        }
        let observe = self.loaded.file.spec.observe.unwrap_or(OBSERVE_VALIDATION);
        TimeSpan(length.0 * 5).min(observe).max(length)
    }

    /// Whether something that the author wrote at a key of `spec` was wrong and left out.
    pub fn lacks(&self, key: &str) -> bool {
        self.loaded.lacks(&Path::of(&["spec", key]))
    }

    /// A problem at a key, unless something else is wrong there already.
    pub fn problem(&mut self, place: &Path, message: impl Into<String>, help: impl Into<String>) {
        let span = self.loaded.node.key_span_at(place);
        self.problem_at(span, place, message, help);
    }

    /// A problem somewhere in what stands at a key, unless something else is wrong there already.
    pub fn problem_at(
        &mut self,
        span: Range<usize>,
        place: &Path,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if !self.loaded.lost.contains(place) {
            self.problems.push(Problem::at(span, message).help(help));
        }
    }

    /// The keys of the clusters that `all` stands for.
    pub fn keys(&self) -> Vec<String> {
        self.mesh.map_or_else(|| vec!["all".to_owned()], |mesh| mesh.spec.keys())
    }

    /// The copies of a probe or check, one per cluster that it is for.
    pub fn copies(&mut self, kind: &ProbeKind, place: &Path) -> Vec<Copy<ProbeKind>> {
        let keys = self.mesh.map_or_else(|| self.keys(), |mesh| kind.as_observation().clusters(&mesh.spec));
        let mut copies = self.expand(kind, ProbeKind::choices, &keys, place);
        for copy in &mut copies {
            self.know(copy.kind.choices(), place);
            self.know_mentioned(&copy.kind, place);
        }
        copies.retain(|copy| !copy.kind.as_observation().is_vacuous() || copy.suffix.is_empty());
        copies
    }

    /// One copy per cluster. None, and a `!KEY` that the mesh file does not have, are problems.
    pub fn expand<K: Clone>(
        &mut self,
        kind: &K,
        choices: fn(&mut K) -> Vec<&mut ClusterChoice>,
        keys: &[String],
        place: &Path,
    ) -> Vec<Copy<K>> {
        let copies = expand(kind, choices, keys);
        let mut kind = kind.clone();
        let excluded = choices(&mut kind).into_iter().filter_map(|choice| choice.excluded().map(str::to_owned));
        let known = self.mesh.map(|mesh| mesh.spec.keys());
        let is_unknown = |key: &String| known.as_ref().is_some_and(|known| !known.contains(key));
        let mut unknown: Vec<ClusterChoice> = excluded.filter(is_unknown).map(ClusterChoice::One).collect();
        self.know(unknown.iter_mut().collect(), place);
        if copies.is_empty() && unknown.is_empty() {
            let span = self.loaded.node.key_span_at(place);
            let help = "`!KEY` means all clusters but one, and an entry point those that serve it";
            self.problem_at(span, place, "this is for no cluster of the mesh file", help);
        }
        copies
    }

    /// Reports cluster keys that the mesh file does not have, and remembers those it has.
    pub fn know(&mut self, choices: Vec<&mut ClusterChoice>, place: &Path) {
        let known = self.mesh.map(|mesh| mesh.spec.keys());
        for choice in choices {
            let key = choice.key().to_owned();
            if let Some(known) = known.as_ref().filter(|known| !known.contains(&key)) {
                let list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                let meant = nearest(&key, known.iter().map(String::as_str));
                let begin = meant.map_or_else(|| "it".to_owned(), |meant| format!("did you mean `{meant}`? It"));
                let (node, at) = (&self.loaded.node, place.key("cluster"));
                // Wherever in its kind it is named.
                let word = node.at(place).and_then(|kind| kind.span_of_word(&key));
                self.problem_at(
                    word.unwrap_or_else(|| node.key_span_at(&at)),
                    &at,
                    format!("the mesh file has no cluster `{key}`"),
                    format!("{begin} has {list}; `all` means every cluster"),
                );
            }
            self.clusters.insert(key);
        }
    }

    /// Reports other clusters that a probe or check names and the mesh file does not have.
    pub fn know_mentioned(&mut self, kind: &ProbeKind, place: &Path) {
        let keys = self.keys();
        let mut named: Vec<ClusterChoice> = kind
            .as_observation()
            .mentioned()
            .iter()
            .flat_map(|choice| choice.expand(&keys).0)
            .map(ClusterChoice::One)
            .collect();
        self.know(named.iter_mut().collect(), place);
    }

    /// Problems with the keys of a kind.
    pub fn complain(&mut self, spec_errors: Vec<SpecError>, place: &Path) {
        let node = &self.loaded.node;
        for error in spec_errors {
            let key = error.key.split('.').fold(place.clone(), |place, key| match key.parse() {
                Ok(index) if node.at(&place.index(index)).is_some() => place.index(index),
                _ => place.key(key),
            });
            // What is said to be absent may be what was wrong and left out.
            let gone = node.at(&key).is_none() && self.loaded.lost.iter().any(|lost| lost.is_child_of(place));
            let wrong = self.loaded.lost.iter().any(|lost| lost == place || *lost == key);
            if !gone && !wrong {
                self.problems.push(Problem::at(node.span_at(&key), error.message).help(error.help));
            }
        }
    }
}
