//! Finds scenarios: files and folders, suites, names and labels, in a folder or in the catalogue built into the binary.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::spec::{API_VERSION, ScenarioSource};
use meshdrill_document::{Node, Problems, Source, nearest, read};

/// The catalogue as it was when the binary was built.
static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../scenarios");
/// Folders whose scenarios are proof that something is refused; no suite contains them.
const NOT_IN_SUITES: [&str; 2] = ["must-fail", "invalid"];

/// The suite of a sign-off, and those that it consists of.
pub(crate) const SIGN_OFF: (&str, [&str; 3]) = ("sign-off", ["readiness", "drills", GUIDE]);
/// The suite with the quick-start guide's own values. A sign-off contains it where the guide's application is.
pub(crate) const GUIDE: &str = "guide";

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// Nothing has that name.
    #[error("no scenario, file, folder, suite or label `{word}`; `meshdrill list` shows all{}", did_you_mean(.nearest.as_deref()))]
    Nothing {
        /// The name.
        word: String,
        /// A name that exists.
        nearest: Option<String>,
    },
    /// The same, and `./scenarios` hides a built-in scenario or suite of that name.
    #[error("no scenario, file, folder, suite or label `{0}` in ./scenarios; {HIDES}")]
    Hidden(String),
    /// A folder of `--scenarios` that cannot be read.
    #[error("{folder}: cannot be read: {source}; name a folder with scenarios, or `{BUILT_IN_WORD}`")]
    NoFolder {
        /// The folder.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The word of `--scenarios` for what is built in.
const BUILT_IN_WORD: &str = "builtin";
/// What is said of a local folder of scenarios.
pub(crate) const HIDES: &str = "./scenarios hides the built-in suites: give --scenarios builtin for those";
/// The local folder that is taken where none is named.
const LOCAL: &str = "scenarios";

/// What some words select.
#[derive(Debug, Default)]
pub struct Selection {
    /// The scenarios.
    pub scenarios: Vec<ScenarioSource>,
    /// Files among which there may be more of them, but which cannot be read.
    pub unreadable: Vec<Problems>,
}

impl Selection {
    fn read(&mut self, file: &Path) {
        match crate::spec::read_scenario(file) {
            Ok(scenario) => self.scenarios.push(scenario),
            Err(problems) => self.unreadable.push(problems),
        }
    }

    /// Adds another selection; a file that both have is there once.
    fn merge(&mut self, other: Self) {
        for scenario in other.scenarios {
            if !self.scenarios.iter().any(|known| known.source.path == scenario.source.path) {
                self.scenarios.push(scenario);
            }
        }
        for problems in other.unreadable {
            if !self.unreadable.iter().any(|known| known.source.path == problems.source.path) {
                self.unreadable.push(problems);
            }
        }
    }
}

/// The end of a message about an unknown name.
pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Where scenarios are looked for.
#[derive(Debug, Clone)]
pub enum Catalogue {
    /// A folder that was named.
    Folder(PathBuf),
    /// `./scenarios`, because nothing else was named.
    Local,
    /// What is built into the binary.
    BuiltIn,
}

impl Catalogue {
    /// The folder that was named, else `./scenarios`, else what is built in. An error if the folder cannot be read.
    pub fn choose(named: Option<&Path>) -> Result<Self, NotFound> {
        match named {
            Some(word) if word == Path::new(BUILT_IN_WORD) => Ok(Self::BuiltIn),
            Some(folder) => match std::fs::read_dir(folder) {
                Ok(_) => Ok(Self::Folder(folder.to_owned())),
                Err(source) => Err(NotFound::NoFolder { folder: folder.display().to_string(), source }),
            },
            None if Path::new(LOCAL).is_dir() => Ok(Self::Local),
            None => Ok(Self::BuiltIn),
        }
    }

    /// Whether it is a local folder that was taken unasked, in place of what is built in.
    pub fn hides(&self) -> bool {
        matches!(self, Self::Local)
    }

    /// The folder; none for what is built in.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Local => Some(Path::new(LOCAL)),
            Self::BuiltIn => None,
        }
    }

    /// The scenarios that some words select; all of the catalogue's without any.
    pub fn select(&self, words: &[String]) -> Result<Selection, NotFound> {
        if words.is_empty() {
            let mut all = self.all();
            all.scenarios.retain(in_suites);
            return Ok(all);
        }
        let mut found = Selection::default();
        for word in words {
            found.merge(self.select_one(word)?);
        }
        Ok(found)
    }

    /// Every scenario of the catalogue but those that are wrong on purpose.
    pub(crate) fn all_valid(&self) -> Selection {
        let wrong = |one: &ScenarioSource| one.source.path.components().any(|part| part.as_os_str() == "invalid");
        let mut all = self.all();
        all.scenarios.retain(|one| !wrong(one));
        all
    }

    fn select_one(&self, word: &str) -> Result<Selection, NotFound> {
        let path = Path::new(word);
        let mut selection = Selection::default();
        if path.is_file() {
            selection.read(path);
            return Ok(selection);
        }
        if path.is_dir() {
            let OwnFiles { scenarios, foreign, .. } = own_files(path);
            if foreign > 0 {
                eprintln!("{word}: skipped {foreign} YAML files that are not meshdrill's");
            }
            if scenarios.is_empty() {
                return Err(NotFound::Nothing { word: word.to_owned(), nearest: None });
            }
            scenarios.iter().for_each(|file| selection.read(file));
            return Ok(selection);
        }
        let Selection { scenarios: all, unreadable } = self.all();
        let found = by_word(&all, word);
        if found.is_empty() && unreadable.is_empty() {
            if matches!(self, Self::Local) && !by_word(&Self::BuiltIn.all().scenarios, word).is_empty() {
                return Err(NotFound::Hidden(word.to_owned()));
            }
            let suites = all.iter().filter_map(|one| label(&one.node, "suite")).chain([SIGN_OFF.0]);
            let names = all.iter().filter(|one| in_suites(one)).filter_map(|one| name(&one.node));
            let last = word.rsplit('/').next().unwrap_or(word);
            let nearest = nearest(last, names.chain(suites)).map(str::to_owned);
            return Err(NotFound::Nothing { word: word.to_owned(), nearest });
        }
        Ok(Selection { scenarios: found, unreadable })
    }

    /// Every scenario file of the catalogue, in the order of the folders.
    fn all(&self) -> Selection {
        let mut found = Selection::default();
        match self.folder() {
            Some(folder) => {
                for file in own_files_with_invalid(folder).scenarios {
                    match crate::spec::read_scenario(&file) {
                        Ok(scenario) => found.scenarios.push(scenario),
                        // What is meant to be refused is not looked for by name.
                        Err(_) if file.components().any(|part| part.as_os_str() == "invalid") => {}
                        Err(problems) => found.unreadable.push(problems),
                    }
                }
            }
            None => built_in(&BUILT_IN, &mut found.scenarios),
        }
        found
    }
}

/// The scenarios that a word selects: a suite, a path, a name or a label.
fn by_word(all: &[ScenarioSource], word: &str) -> Vec<ScenarioSource> {
    let suites: &[&str] = if word == SIGN_OFF.0 { &SIGN_OFF.1 } else { &[word] };
    let in_one = |one: &&ScenarioSource| {
        in_suites(one) && label(&one.node, "suite").is_some_and(|suite| suites.contains(&suite))
    };
    let by_suite: Vec<_> = all.iter().filter(in_one).cloned().collect();
    if !by_suite.is_empty() {
        return by_suite;
    }
    let stem = |scenario: &ScenarioSource| scenario.source.path.with_extension("").to_string_lossy().into_owned();
    let by_path: Vec<_> = all
        .iter()
        .filter(|one| stem(one).ends_with(&format!("/{}", word.trim_end_matches(".yaml"))))
        .cloned()
        .collect();
    if word.contains('/') && !by_path.is_empty() {
        return by_path;
    }
    let by_name: Vec<_> = all.iter().filter(|one| in_suites(one) && name(&one.node) == Some(word)).cloned().collect();
    if !by_name.is_empty() {
        return by_name;
    }
    if !by_path.is_empty() {
        return by_path;
    }
    if let Some((key, value)) = word.split_once('=') {
        let labelled: Vec<_> =
            all.iter().filter(|one| in_suites(one) && label(&one.node, key) == Some(value)).cloned().collect();
        return labelled;
    }
    Vec::new()
}

/// The folders and the name of a file, below a folder.
fn below<'a>(folder: &Path, file: &'a Path) -> impl Iterator<Item = &'a std::ffi::OsStr> {
    file.strip_prefix(folder).unwrap_or(file).iter()
}

fn built_in(dir: &Dir<'_>, found: &mut Vec<ScenarioSource>) {
    for file in dir.files() {
        let is_yaml = file.path().extension().is_some_and(|extension| extension == "yaml");
        if let (true, Some(text)) = (is_yaml, file.contents_utf8()) {
            let source = Source::new(&Path::new("built-in").join(file.path()), text);
            found.extend(read(source).ok().map(|(source, node)| ScenarioSource { source, node }));
        }
    }
    dir.dirs().for_each(|dir| built_in(dir, found));
}

/// The files of a folder that are meshdrill's, and how many others there are.
#[derive(Debug, Default)]
pub(crate) struct OwnFiles {
    /// Scenario files, and files that are nearly one: their mistakes are to be reported.
    pub scenarios: Vec<PathBuf>,
    /// Mesh files.
    pub meshes: Vec<PathBuf>,
    /// Files of a sign-off.
    pub signing: Vec<PathBuf>,
    /// How many YAML files belong to something else, such as the `plan.yaml` of run directories or a Kubernetes manifest.
    pub foreign: usize,
}

/// The files below a folder without those that are wrong on purpose, unless their folder is the one named.
pub(crate) fn own_files(folder: &Path) -> OwnFiles {
    sorted(
        yaml_files(folder)
            .into_iter()
            .filter(|file| folder.ends_with("invalid") || !below(folder, file).any(|part| part == "invalid")),
    )
}

fn own_files_with_invalid(folder: &Path) -> OwnFiles {
    sorted(yaml_files(folder).into_iter())
}

fn sorted(files: impl Iterator<Item = PathBuf>) -> OwnFiles {
    let mut own = OwnFiles::default();
    for file in files {
        match owner(&file) {
            Owner::Scenario => own.scenarios.push(file),
            Owner::Mesh => own.meshes.push(file),
            Owner::Signing => own.signing.push(file),
            Owner::Other => own.foreign += 1,
        }
    }
    own
}

enum Owner {
    Scenario,
    Mesh,
    Signing,
    Other,
}

/// Whose a YAML file is. A file that cannot be read is ours if it names our API, and so is a version that is nearly right.
fn owner(path: &Path) -> Owner {
    let Ok((_, node)) = meshdrill_document::read_file(path) else {
        let ours = std::fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("meshdrill"));
        return if ours { Owner::Scenario } else { Owner::Other };
    };
    let kind = node.get("kind").and_then(Node::text);
    let version = node.get("apiVersion").and_then(Node::text);
    let ours = match version {
        Some(version) => nearest(version, std::iter::once(API_VERSION)).is_some() || version.starts_with("meshdrill"),
        None => matches!(kind, Some("Scenario" | "Mesh" | "SignOff" | "Attestations" | "Findings")),
    };
    match (ours, kind) {
        (false, _) => Owner::Other,
        (true, Some("Mesh")) => Owner::Mesh,
        (true, Some("SignOff" | "Attestations" | "Findings")) => Owner::Signing,
        (true, _) => Owner::Scenario,
    }
}

/// Every YAML file below a folder, in the order of their names.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(folder, &mut files);
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
}

fn in_suites(scenario: &ScenarioSource) -> bool {
    let mut parts = scenario.source.path.components();
    !parts.any(|part| NOT_IN_SUITES.iter().any(|folder| part.as_os_str() == *folder))
}

/// The scenario's name as written.
pub fn name(node: &Node) -> Option<&str> {
    node.get("metadata")?.get("name")?.text()
}

fn label<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get("metadata")?.get("labels")?.get(key)?.text()
}
