//! Names that scenarios had before, across files: no two scenarios may have the same past.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use meshdrill_document::{Node, Path as Place, Problem, Problems};

use super::ScenarioSource;

/// The files whose aliases are names or aliases of other files, each with what is wrong. Two files of one name are not meant here.
pub fn alias_clashes(sources: &[ScenarioSource]) -> Vec<Problems> {
    let name = |source: &ScenarioSource| Some(source.node.get("metadata")?.get("name")?.text()?.to_owned());
    let names: BTreeMap<String, &Path> =
        sources.iter().filter_map(|source| Some((name(source)?, source.source.path.as_path()))).collect();
    let mut taken: BTreeMap<String, (&Path, Option<String>)> = BTreeMap::new();
    let mut clashes = Vec::new();
    for source in sources {
        let (path, own) = (source.source.path.as_path(), name(source));
        let mut problems = Vec::new();
        for (alias, span) in aliases(&source.node) {
            if let Some(other) = names.get(&alias).filter(|_| own.as_ref() != Some(&alias)) {
                let message = format!("`{alias}` is the name of another scenario, {}", other.display());
                problems.push(
                    Problem::at(span, message).help("remove the alias, or the old file if it was renamed to this one"),
                );
            } else if let Some((other, _)) = taken.get(&alias).filter(|(other, named)| *other != path && *named != own)
            {
                let message = format!("`{alias}` is an alias of another scenario too, {}", other.display());
                problems.push(Problem::at(span, message).help("leave it to the scenario that continues the old one"));
            } else {
                taken.insert(alias, (path, own.clone()));
            }
        }
        if !problems.is_empty() {
            clashes.push(Problems::new(source.source.clone(), problems));
        }
    }
    clashes
}

/// The aliases of a file as written, each with its place.
fn aliases(node: &Node) -> Vec<(String, Range<usize>)> {
    let list = Place::of(&["metadata", "aliases"]);
    let items = (0..).map_while(|index| node.at(&list.index(index)));
    items.filter_map(|item| Some((item.text()?.to_owned(), item.span.clone()))).collect()
}
