//! From the bytes of a file to a tree of values with their places.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::node::{Entry, Node, Origin, Spelled, Value};
use super::problem::{Problem, Problems, Source};
use super::template::{invisible_in, is_conflict_mark, left_unfilled, template_in};

/// The largest file that is read: a scenario has about 20 lines.
pub const MAX_BYTES: usize = 1024 * 1024;
/// The most values a document may hold once its aliases are followed.
const MAX_NODES: usize = 50_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 64;

/// Reads a file: its text and its tree.
pub fn read_file(path: &Path) -> Result<(Source, Node), Problems> {
    let refuse = |problem| Problems::new(Source::new(path, ""), vec![problem]);
    let file =
        fs::File::open(path).map_err(|error| refuse(Problem::of_file(format!("the file cannot be read: {error}"))))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(Problem::of_file(format!("the file cannot be read: {error}"))))?;
    if bytes.len() > MAX_BYTES {
        let problem = Problem::of_file("the file is larger than 1 MiB, so it is not a scenario or mesh file");
        return Err(refuse(problem.help("a scenario has about 20 lines; was another file named by mistake?")));
    }
    let text = String::from_utf8(bytes).map_err(|error| refuse(not_text(&error)))?;
    read(Source::new(path, text))
}

fn not_text(error: &std::string::FromUtf8Error) -> Problem {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = String::from_utf8_lossy(valid).matches('\n').count() + 1;
    if error.as_bytes().iter().take(1024).any(|byte| *byte == 0) {
        Problem::of_file("this is a binary file, not YAML").help("name a scenario or mesh file")
    } else {
        Problem::of_file(format!("line {line} is not UTF-8 text")).help("save the file as UTF-8")
    }
}

/// Reads a text that holds exactly one document.
pub fn read(source: Source) -> Result<(Source, Node), Problems> {
    let text = source.text.trim_start_matches('\u{feff}');
    if text.contains('\0') {
        let problem = Problem::of_file("this is a binary file, not YAML").help("name a scenario or mesh file");
        return Err(Problems::new(source, vec![problem]));
    }
    let offset = source.text.len() - text.len();
    let mut builder = Builder { text: source.text.clone(), starts: char_starts(text, offset), ..Builder::default() };
    let mut failure = None;
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(builder.syntax(&error, &source.text)),
        };
        if let Err(problem) = step {
            failure = Some(problem);
            break;
        }
    }
    let mut problems = std::mem::take(&mut builder.problems);
    problems.extend(failure);
    match (builder.root, problems.is_empty()) {
        (Some(root), true) if root.value != Value::Null => Ok((source, root)),
        (_, true) => {
            let problem = Problem::of_file("the file is empty");
            Err(Problems::new(source, vec![problem.help("`meshdrill new` prints a scaffold to begin with")]))
        }
        (_, false) => Err(Problems::new(source, problems)),
    }
}

/// The byte at which every character begins, and the end of the text.
fn char_starts(text: &str, offset: usize) -> Vec<usize> {
    text.char_indices().map(|(byte, _)| byte + offset).chain([text.len() + offset]).collect()
}

#[derive(Default)]
struct Builder {
    text: String,
    starts: Vec<usize>,
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Where a second document starts, until it is known whether there is anything in it.
    second: Option<Range<usize>>,
    problems: Vec<Problem>,
}

/// A collection whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<(String, Range<usize>)>,
}

impl Builder {
    fn span(&self, span: Span) -> Range<usize> {
        let byte = |index: usize| self.starts.get(index).or(self.starts.last()).copied().unwrap_or(0);
        byte(span.start.index())..byte(span.end.index())
    }

    /// Whether a key comes next.
    fn takes_key(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.node.value, Value::Map(_)) && open.key.is_none())
    }

    fn syntax(&self, error: &granit_parser::ScanError, text: &str) -> Problem {
        let at = self.span(Span::empty(*error.marker()));
        if let Some(problem) = left_behind(text, at.start) {
            return problem;
        }
        let info = error.info();
        if info.contains('%')
            && text.get(at.start + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            let number: String = text[at.start + 1..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            return Problem::at(at, format!("not valid YAML: {info}"))
                .help(format!("write the sign behind the number: `{number}%`"));
        }
        let help = self.unclosed(text).unwrap_or_else(|| remedy(&info).to_owned());
        Problem::at(at, format!("not valid YAML: {info}")).help(help)
    }

    /// A bracket that is still open explains what the parser stumbles over later.
    fn unclosed(&self, text: &str) -> Option<String> {
        let start = self.open.last()?.node.span.start;
        let bracket = text.get(start..)?.chars().next().filter(|c| matches!(c, '[' | '{'))?;
        let line = text.get(..start)?.matches('\n').count() + 1;
        Some(format!("close the `{bracket}` of line {line}"))
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let place = self.span(span);
        match event {
            Event::DocumentStart(..) => {
                let empty = self.root.as_ref().is_none_or(|root| root.value == Value::Null);
                self.second = (!empty).then_some(place);
            }
            // A marker without a document behind it, as a file that ends in `---`.
            Event::Scalar(text, ScalarStyle::Plain, 0, None)
                if self.second.is_some() && core_schema(&text) == Value::Null =>
            {
                self.second = None;
            }
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(..)
                if self.second.is_some() =>
            {
                let place = self.second.take().unwrap_or(place);
                return Err(Problem::at(place, "a second document in one file").help("write one file per document"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let key = self.takes_key() && core_schema(&text) != Value::Null;
                let value = if plain && !key { in_place(&text) } else { Value::Text(text.into_owned()) };
                self.add(Node { value, span: place }, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Value::List(Vec::new()), place, anchor)?,
            Event::MappingStart(_, anchor, _) => self.begin(Value::Map(Vec::new()), place, anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(mut open) = self.open.pop() {
                    open.node.span.end = place.end.max(open.node.span.end);
                    merge(&mut open.node)?;
                    self.add(open.node, open.anchor)?;
                }
            }
            Event::Alias(id) => {
                let Some(target) = self.anchors.get(&id) else {
                    return Err(Problem::at(place, "an alias refers to a value that contains the alias")
                        .help("write the value out"));
                };
                let copy = Node { span: place.clone(), ..target.clone() };
                self.nodes += size(&copy);
                self.add(copy, 0)?;
            }
            _ => {}
        }
        if self.nodes > MAX_NODES {
            let problem = Problem::at(self.span(span), format!("the document holds more than {MAX_NODES} values"));
            return Err(problem.help("aliases that repeat aliases grow without bound; write the values out"));
        }
        Ok(())
    }

    fn begin(&mut self, value: Value, span: Range<usize>, anchor: usize) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Problem::at(span, format!("nested more than {MAX_DEPTH} deep"))
                .help("no scenario or mesh file needs this depth"));
        }
        self.open.push(Open { node: Node { value, span }, anchor, key: None });
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                None => open.key = Some((key_text(&node, &self.text)?, node.span)),
                Some((key, key_span)) => match entries.iter().find(|entry| entry.key == key) {
                    Some(_) => {
                        let problem = Problem::at(key_span, format!("duplicate key `{key}`"));
                        self.problems.push(problem.help("remove one of the two"));
                    }
                    None => entries.push(Entry { key, key_span, value: node }),
                },
            },
            _ => {}
        }
        Ok(())
    }
}

/// What to do about what the parser complains of, by its words.
fn remedy(info: &str) -> &'static str {
    let known = [
        ("tab", "indent with spaces"),
        ("quote", "write the closing quote, or put the whole text in quotes"),
        ("simple key", "write a space after the colon: `key: value`"),
        ("anchor", "write the value out, or name it above with `&NAME`"),
        ("unexpected character", "remove it, or put the text in quotes"),
        (
            "mapping values are not allowed",
            "put text with `: ` in quotes, or align the keys of a mapping in one column",
        ),
    ];
    let found = known.iter().find(|(words, _)| info.contains(words));
    found.map_or(
        "align the keys of a mapping in one column; put text with `: `, `#`, quotes or brackets in quotes",
        |(_, help)| help,
    )
}

fn key_text(node: &Node, text: &str) -> Result<String, Problem> {
    match &node.value {
        Value::Text(text) => Ok(text.clone()),
        _ => Err(left_behind(text, node.span.start)
            .unwrap_or_else(|| Problem::at(node.span.clone(), "a key must be text").help("put it in quotes"))),
    }
}

/// The placeholder, conflict mark or invisible character that makes a text unreadable: on the line of an error or above it.
fn left_behind(text: &str, at: usize) -> Option<Problem> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if is_conflict_mark(line.trim_end()) {
            let problem = Problem::at(start..start + line.trim_end().len(), "this is a conflict mark of git");
            return Some(problem.help(
                "resolve the conflict: keep one side and remove the lines with `<<<<<<<`, `=======` and `>>>>>>>`",
            ));
        }
        if start <= at {
            lines.push((start, line));
        }
        start += line.len();
    }
    let (start, line) = *lines.last()?;
    if let Some(found) = template_in(line) {
        return Some(left_unfilled(start + found.start..start + found.end, &line[found]));
    }
    // A space that is none is taken for text, so the parser stumbles over a later line.
    lines.into_iter().rev().take(3).find_map(|(start, line)| {
        let (found, name) = invisible_in(line, true)?;
        let at = start + found.start..start + found.end;
        Some(Problem::at(at, format!("an invisible character: {name}")).help("replace it with a space, or remove it"))
    })
}

/// Puts the keys of `<<` into their mapping; keys that are written there win.
fn merge(node: &mut Node) -> Result<(), Problem> {
    let Value::Map(entries) = &mut node.value else { return Ok(()) };
    let Some(at) = entries.iter().position(|entry| entry.key == "<<") else { return Ok(()) };
    let from = entries.remove(at);
    let sources = match from.value.value {
        Value::List(items) => items,
        _ => vec![from.value],
    };
    for source in sources {
        let Value::Map(more) = source.value else {
            return Err(Problem::at(from.key_span, "`<<` takes a mapping")
                .help("name one with `<<: *NAME`, or write the keys out"));
        };
        for entry in more {
            if !entries.iter().any(|known| known.key == entry.key) {
                entries.push(entry);
            }
        }
    }
    Ok(())
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
        _ => 0,
    }
}

/// The one way to write a number or truth value; none for other values.
pub(super) fn canonical(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A plain scalar of a document: what it is by the core schema, with its spelling where another would be the same value.
fn in_place(text: &str) -> Value {
    let value = core_schema(text);
    match canonical(&value) {
        Some(canonical) if canonical != text => {
            Value::Spelled(Spelled { text: text.to_owned(), origin: Origin::InPlace })
        }
        _ => value,
    }
}

/// The type of a plain scalar by YAML 1.2's core schema. A number with leading zeros is text: it is octal to some readers
/// of YAML and decimal to others.
pub fn core_schema(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.trim_start_matches(['+', '-']);
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        if digits.len() > 1 && digits.starts_with('0') && digits.chars().all(|c| c.is_ascii_digit()) {
            return Value::Text(text.to_owned());
        }
        let radix =
            |prefix: &str, radix| digits.strip_prefix(prefix).and_then(|rest| i64::from_str_radix(rest, radix).ok());
        if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
            return Value::Int(number);
        }
        if let Ok(number) = text.parse() {
            return Value::Int(number);
        }
        if digits.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c))
            && let Ok(number) = text.parse()
        {
            return Value::Float(number);
        }
    }
    Value::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Node, Vec<String>> {
        let read = read(Source::new(Path::new("x.yaml"), text));
        read.map(|(_, node)| node)
            .map_err(|problems| problems.problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn a_marker_at_the_end_is_harmless() {
        for end in ["---\n", "...\n", "---\n# the end\n", "---\n...\n---\n"] {
            assert!(tree(&format!("a: 1\n{end}")).is_ok(), "{end:?}");
        }
        assert!(tree("---\n# nothing\n---\na: 1\n").is_ok());
        assert_eq!(tree("a: 1\n---\nb: 1\n"), Err(vec!["a second document in one file".to_owned()]));
        assert_eq!(tree("a: 1\n---\n- 1\n"), Err(vec!["a second document in one file".to_owned()]));
    }

    #[test]
    fn merge_keys_are_merged_and_own_keys_win() {
        let node =
            tree("a: &a { x: 1, y: 2 }\nb: &b { z: 4 }\nc: { <<: *a, y: 3 }\nd: { y: 3, <<: [*b, *a] }\n").unwrap();
        let value = |map: &str, key: &str| node.get(map).and_then(|map| map.get(key)).map(|node| node.value.clone());
        assert_eq!((value("c", "x"), value("c", "y")), (Some(Value::Int(1)), Some(Value::Int(3))));
        assert_eq!(
            (value("d", "x"), value("d", "y"), value("d", "z")),
            (Some(Value::Int(1)), Some(Value::Int(3)), Some(Value::Int(4)))
        );
        assert_eq!(value("c", "<<"), None);
        assert_eq!(tree("a: { <<: 3 }\n"), Err(vec!["`<<` takes a mapping".to_owned()]));
    }

    #[test]
    fn a_spelling_that_says_more_than_the_value_is_kept() {
        let spelled = |text: &str| tree(&format!("a: {text}\n")).unwrap().get("a").and_then(Node::spelling);
        for text in ["1.30", "0x1F", "1e3", "010", "True", "12e3", "2026-11-28", "+5", "3", "1.5"] {
            assert_eq!(spelled(text).as_deref(), Some(text));
        }
        let keys = tree("1.30: a\n010: b\ntrue: c\n").unwrap();
        assert!(keys.get("1.30").is_some() && keys.get("010").is_some() && keys.get("true").is_some());
    }
}
