//! From a tree of values to a type with `serde::Deserialize`, reporting all problems of the document at once.
//!
//! serde stops at the first error. So what an error points at is mended or taken out of the tree and decoding starts
//! again, until nothing is left to complain about; errors that follow from that are not reported.
//!
//! A struct with a field named `$kind` reads `{ http: {…}, every: 1s }`: the keys that are not fields of the struct are
//! handed to that field as a mapping of their own, so an enum can stand beside common keys.

use serde::de::DeserializeOwned;

use super::failure::{Failure, Kind, names, nearest};
use super::node::{Node, Path, Value};
use super::problem::Problem;
use super::tree::At;

/// A document with more problems than this is not looked at further.
const MAX_PROBLEMS: usize = 100;

/// What came of decoding a document.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The value, decoded from what was right in the document; none if too little was.
    pub value: Option<T>,
    /// What was wrong.
    pub problems: Vec<Problem>,
    /// The document without what was wrong; paths into `value` are paths into this.
    pub node: Node,
    /// The paths where something was wrong: taken out, or replaced by a value that says nothing.
    pub lost: Vec<Path>,
}

/// Decodes a document.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Decoded<T> {
    let mut mending = Mending { node: node.clone(), ..Mending::default() };
    loop {
        let failure = match T::deserialize(At(&mending.node)) {
            Ok(value) => return mending.decoded(Some(value)),
            Err(failure) => failure,
        };
        if !mending.mend(failure) || mending.problems.len() > MAX_PROBLEMS {
            return mending.decoded(None);
        }
    }
}

/// A document from which errors are taken one after the other.
struct Mending {
    node: Node,
    problems: Vec<Problem>,
    /// What was taken out.
    removed: Vec<Path>,
    /// What stands for a value that was wrong or missing.
    stopgaps: Vec<Path>,
    /// Keys that are read as those that were probably meant.
    renamed: Vec<Path>,
}

impl Default for Mending {
    fn default() -> Self {
        let node = Node { value: Value::Null, span: 0..0 };
        Self { node, problems: Vec::new(), removed: Vec::new(), stopgaps: Vec::new(), renamed: Vec::new() }
    }
}

impl Mending {
    /// Notes a problem and mends the document with as little loss as possible, so that decoding gets further: a key is
    /// read as the one that was probably meant, and a value that may be any stands where one is wrong or missing. What
    /// cannot be mended so is taken out. False if it cannot be mended at all.
    fn mend(&mut self, failure: Failure) -> bool {
        if let Some(stopgap) = self.stopgaps.iter().find(|path| failure.path.0.starts_with(&path.0)) {
            let stopgap = stopgap.clone();
            return self.take_out(stopgap);
        }
        if !self.follows(&failure) {
            self.problems.push(failure.problem(&self.node));
        }
        let mended = match &failure.kind {
            Kind::UnknownKey { key, expected } => {
                nearest(key, names(expected)).is_some_and(|near| self.rename(&failure.path, near))
            }
            Kind::MissingField(field) => self.stand_in(failure.path.key(field)),
            Kind::Value(_) | Kind::NotMapping { .. } => {
                self.node.at(&failure.path).is_some_and(Node::is_scalar) && self.stand_in(failure.path.clone())
            }
            Kind::NothingGiven { .. } | Kind::Second { .. } => false,
        };
        mended || self.take_out(failure.path)
    }

    /// Whether it is there only because of what was taken out before.
    fn follows(&self, failure: &Failure) -> bool {
        let lost_a_child = || self.removed.iter().any(|gone| gone.is_child_of(&failure.path));
        match &failure.kind {
            Kind::MissingField(field) => self.removed.contains(&failure.path.key(field)),
            Kind::NothingGiven { .. } => lost_a_child(),
            Kind::Value(_) | Kind::NotMapping { .. } => {
                self.node.at(&failure.path).is_some_and(Node::is_hollow) && lost_a_child()
            }
            Kind::Second { .. } => self.renamed.contains(&failure.path),
            Kind::UnknownKey { .. } => false,
        }
    }

    fn rename(&mut self, path: &Path, near: &str) -> bool {
        let renamed = self.node.rename(path, near);
        if let Some((_, above)) = path.0.split_last().filter(|_| renamed) {
            self.renamed.push(Path(above.to_vec()).key(near));
        }
        renamed
    }

    /// Puts a value that may be any at a path; once only.
    fn stand_in(&mut self, path: Path) -> bool {
        let fresh = !self.stopgaps.contains(&path) && !self.removed.contains(&path);
        let put = fresh && self.node.put(&path, Value::Unknown("${?}".to_owned()));
        if put {
            self.stopgaps.push(path);
        }
        put
    }

    fn take_out(&mut self, path: Path) -> bool {
        let gone = self.node.remove(&path);
        // What comes after it in a list takes its place.
        self.stopgaps.retain(|stopgap| !stopgap.0.starts_with(&path.0));
        self.removed.push(path);
        gone
    }

    fn decoded<T>(self, value: Option<T>) -> Decoded<T> {
        let lost = [self.removed, self.stopgaps].concat();
        Decoded { value, problems: self.problems, node: self.node, lost }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, read};
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct File {
        name: String,
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Item {
        #[serde(rename = "$kind")]
        kind: Which,
        every: Option<u32>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Which {
        One(Inner),
        None,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        path: String,
    }

    fn decoded(text: &str) -> Decoded<File> {
        let (_, node) = read(Source::new(std::path::Path::new("x.yaml"), text)).unwrap();
        decode(&node)
    }

    fn messages(text: &str) -> Vec<String> {
        decoded(text).problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn a_kind_stands_beside_common_keys() {
        let file = decoded("name: n\nitems:\n- { one: { path: /x }, every: 3 }\n- none:\n").value.unwrap();
        assert_eq!(file.items[0], Item { kind: Which::One(Inner { path: "/x".into() }), every: Some(3) });
        assert_eq!(file.items[1], Item { kind: Which::None, every: None });
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let found = messages(
            "nam: n\nitems:\n- { one: { pth: /x }, every: often }\n- { two: {} }\n- { one: { path: 3 }, none: {} }\n- { every: 1 }\n",
        );
        let expected = [
            "unknown key `nam`",
            "this is the text `often`, but it must be a whole number of at least 0",
            "unknown key `pth`",
            "unknown key `two`",
            "`one` and `none` in one entry: only one kind is allowed",
            "this is the number 3, but it must be text; put it in quotes",
            "no kind is given in this entry of `items`",
        ];
        assert_eq!(found, expected, "each once, and nothing that follows from another");
    }

    #[test]
    fn what_is_wrong_does_not_hide_what_stands_beside_it() {
        let decoded = decoded("name: 3\nitems:\n- { one: {} }\n- { one: { path: [] }, every: 1 }\n");
        let found: Vec<&str> = decoded.problems.iter().map(|problem| problem.message.as_str()).collect();
        let expected = [
            "this is the number 3, but it must be text; put it in quotes",
            "`path` is missing in `one`",
            "this is a list, but it must be text",
        ];
        assert_eq!(found, expected);
        let file = decoded.value.expect("a value that says nothing stands for what is missing");
        assert_eq!(file.items.len(), 1, "a list that stands for text cannot be mended");
        assert!(decoded.lost.contains(&Path::of(&["name"])));
    }

    #[test]
    fn the_remedy_names_the_key_that_was_meant() {
        let problems = decoded("name: n\nitems: []\nitmes: []\n").problems;
        assert_eq!(problems[0].help.as_deref(), Some("did you mean `items`? Known here: `name`, `items`"));
    }
}
