//! The words of the field: phrases that readers stumble over stay out of what people read.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use regex::Regex;

use crate::command::{meshdrill, root, run};

/// What nobody has to read twice: each with what to write instead.
const BANNED: [(&str, &str); 27] = [
    ("in vain", "failed; did not respond"),
    ("the whole of", "all of"),
    ("whole again", "recovered, healthy again"),
    ("kept back", "queued, delayed by the runner"),
    ("held back", "queued, delayed by the runner"),
    ("amiss", "wrong, unhealthy"),
    ("failure of the way", "access problem"),
    ("at the least", "at least"),
    ("besides", "also"),
    ("anew", "again"),
    ("afresh", "again"),
    ("it rests on", "sample count, evidence"),
    ("they rest on", "sample count, evidence"),
    ("laid out otherwise", "with non-default names"),
    ("observe on", "keep sampling"),
    ("observes on", "keeps sampling"),
    ("what is held", "extends the hold"),
    ("prolonged", "extended by"),
    ("all that was done", "all faults"),
    ("what was not answered", "unanswered checks"),
    ("seen, confirm", "detected; confirm"),
    ("it could not be measured", "measurement error"),
    ("is not claimed", "is not counted as evidence"),
    ("unsure", "inconclusive"),
    ("told", "reported, shown"),
    ("tells? of", "reports, shows"),
    ("is wanted", "must be"),
];

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("words::README and docs", documents),
        Trial::test("words::what --help, explain and list print", printed),
        Trial::test("words::messages in the sources", messages),
        Trial::test("words::comments in the sources", comments),
        Trial::test("words::no message of a probe or check is JSON", sentences),
    ]
}

/// Every kind of probe and check has rows in the detection matrix, with the message that it gives for a defect.
fn sentences() -> Result<(), Failed> {
    let matrix = std::fs::read_to_string(root().join("docs/detection-matrix.md"))?;
    let json = Regex::new(r#"(^|last: |observed: |expected: )\s*[{\[]""#)?;
    let rows = matrix.lines().map(|line| line.splitn(5, " | ").collect::<Vec<_>>());
    let messages: Vec<&str> =
        rows.filter(|row| row.len() == 5 && row[2].parse::<u8>().is_ok()).map(|row| row[4]).collect();
    let wrong: Vec<&&str> = messages.iter().filter(|message| json.is_match(message)).collect();
    if messages.len() < 100 {
        return Err(format!("only {} messages were found", messages.len()).into());
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("JSON instead of a sentence: {wrong:#?}").into()) }
}

/// The banned phrases in a text, each with its line and what to write instead.
fn found(place: &str, text: &str) -> Vec<String> {
    let patterns = BANNED
        .map(|(phrase, instead)| (Regex::new(&format!(r"(?i)\b{phrase}\b")).expect("a phrase is a pattern"), instead));
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (pattern, instead) in &patterns {
            if let Some(hit) = pattern.find(line) {
                found.push(format!("{place}:{}: `{}`: write: {instead}", number + 1, hit.as_str()));
            }
        }
    }
    found
}

fn none(found: &[String]) -> Result<(), Failed> {
    if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
}

/// Every file below a folder with an ending.
fn files(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, ending, into);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            into.push(path);
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn documents() -> Result<(), Failed> {
    let mut paths = vec![root().join("README.md"), root().join("CHANGELOG.md"), root().join("CONTRIBUTING.md")];
    files(&root().join("docs"), "md", &mut paths);
    let mut all = Vec::new();
    for path in paths {
        all.extend(found(&relative(&path), &std::fs::read_to_string(&path)?));
    }
    none(&all)
}

fn printed() -> Result<(), Failed> {
    let help = run(meshdrill().arg("--help")).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    let mut all = found("--help", &help);
    for command in commands.into_iter().filter(|command| *command != "help") {
        all.extend(found(&format!("{command} --help"), &run(meshdrill().args([command, "--help"])).stdout));
    }
    all.extend(found("mesh init --help", &run(meshdrill().args(["mesh", "init", "--help"])).stdout));
    all.extend(found("lab --list-defects", &run(meshdrill().args(["lab", "--list-defects"])).stdout));
    let kinds = run(meshdrill().arg("explain")).stdout;
    for kind in kinds.lines().filter_map(|line| line.split_whitespace().next()) {
        let explained = run(meshdrill().args(["explain", kind, "--recursive"])).stdout;
        all.extend(found(&format!("explain {kind}"), &explained));
    }
    none(&all)
}

/// The literals of the sources, test modules and comments left out.
fn messages() -> Result<(), Failed> {
    let paths = sources();
    let mut all = Vec::new();
    for path in paths.iter().filter(|path| !path.components().any(|part| part.as_os_str() == "tests")) {
        let text = std::fs::read_to_string(path)?;
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        all.extend(found(&relative(path), &literals(code)));
    }
    none(&all)
}

/// What comments say, of tests as well.
fn comments() -> Result<(), Failed> {
    let mut paths = sources();
    files(&root().join("tests"), "rs", &mut paths);
    let mut all = Vec::new();
    for path in paths.iter().filter(|path| !path.ends_with("tests/words.rs")) {
        let text = std::fs::read_to_string(path)?;
        let comments: Vec<&str> = text.lines().map(|line| line.split_once("//").map_or("", |(_, said)| said)).collect();
        all.extend(found(&relative(path), &comments.join("\n")));
    }
    none(&all)
}

/// The source files of every crate.
fn sources() -> Vec<PathBuf> {
    let crates = ["checks", "evidence", "history", "reports", "signoff", "harness", "harness/document", "harness/lab"];
    let mut paths = Vec::new();
    for folder in crates {
        files(&root().join(folder).join("src"), "rs", &mut paths);
    }
    paths
}

/// The string literals of a source, each on its line; everything else is blank. Keys of records that exist already
/// (`#[serde(rename = "…")]` and `alias`) are no messages.
fn literals(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let (mut inside, mut escaped, mut comment) = (false, false, false);
    let mut before = ' ';
    let lines = code.split_inclusive('\n');
    for c in lines.flat_map(|line| if line.trim_start().starts_with("#[serde(") { "\n" } else { line }.chars()) {
        let shown = inside && c != '"';
        match c {
            '\n' => comment = false,
            '/' if !inside && before == '/' => comment = true,
            '"' if comment || escaped || (!inside && before == '\'') => {}
            '"' => inside = !inside,
            _ => {}
        }
        escaped = inside && c == '\\' && !escaped;
        out.push(if c == '\n' || shown { c } else { ' ' });
        before = c;
    }
    out
}
