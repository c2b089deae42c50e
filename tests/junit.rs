//! `JUnit` as CI servers read it: every kind of outcome, parsed and held against the schema that Jenkins publishes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::command::{meshdrill, root, run, scratch};

/// An element with its attributes, text and children.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

/// What an element may have: attributes, those it must have, and children.
struct Rule {
    element: &'static str,
    attributes: &'static [&'static str],
    required: &'static [&'static str],
    children: &'static [&'static str],
}

/// Jenkins' schema of `JUnit` files; also the `skipped` of all suites and the `timestamp` of cases, which other servers read and
/// Jenkins ignores.
const SCHEMA: [Rule; 10] = [
    Rule {
        element: "testsuites",
        attributes: &["name", "time", "tests", "failures", "errors", "skipped", "timestamp"],
        required: &["name"],
        children: &["testsuite"],
    },
    Rule {
        element: "testsuite",
        attributes: &["name", "tests", "failures", "errors", "disabled", "skipped", "time", "timestamp"],
        required: &["name", "tests", "failures", "errors", "time", "timestamp"],
        children: &["properties", "testcase", "system-out", "system-err"],
    },
    Rule { element: "properties", attributes: &[], required: &[], children: &["property"] },
    Rule { element: "property", attributes: &["name", "value"], required: &["name", "value"], children: &[] },
    Rule {
        element: "testcase",
        attributes: &["name", "classname", "time", "timestamp"],
        required: &["name", "classname", "time", "timestamp"],
        children: &["skipped", "error", "failure", "system-out", "system-err"],
    },
    Rule { element: "skipped", attributes: &["message", "type"], required: &["message"], children: &[] },
    Rule { element: "error", attributes: &["message", "type"], required: &["message", "type"], children: &[] },
    Rule { element: "failure", attributes: &["message", "type"], required: &["message", "type"], children: &[] },
    Rule { element: "system-out", attributes: &[], required: &[], children: &[] },
    Rule { element: "system-err", attributes: &[], required: &[], children: &[] },
];

/// Records of the past, each with the outcome of at least one of its cases.
const OUTCOMES: [(&str, &str); 15] = [
    ("drill-pass", "pass"),
    ("drill-fail", "failure"),
    ("drill-inconclusive", "error"),
    ("fault-without-effect", "error"),
    ("interrupted", "error"),
    ("refused", "error"),
    ("no-steady-state", "error"),
    ("undo-failed", "error"),
    ("aborted", "failure"),
    ("cut-short", "error"),
    ("not-recovered", "error"),
    ("validation-pass", "pass"),
    ("validation-fail", "failure"),
    ("waived", "skipped"),
    ("partly-not-run", "skipped"),
];

pub fn trials() -> Vec<Trial> {
    let of_record = |(record, outcome): (&'static str, &'static str)| {
        Trial::test(format!("junit::{record}"), move || {
            let dir = root().join("checks/tests/fixtures/records").join(record);
            let cases = valid(&report(&dir)?, 1)?;
            if !cases.iter().any(|case| case.outcome() == outcome) {
                return Err(format!("no case of {record} is {outcome}").into());
            }
            Ok(())
        })
    };
    let mut trials: Vec<Trial> = OUTCOMES.into_iter().map(of_record).collect();
    trials.push(Trial::test("junit::a suite of several runs", a_suite));
    trials.push(Trial::test("junit::two scenarios of one name", namesakes));
    trials.push(Trial::test("junit::standing cases of drills and validations", standing_cases));
    trials
}

/// The `JUnit` report of a recorded run.
fn report(dir: &PathBuf) -> Result<String, Failed> {
    let ran = run(meshdrill().args(["report", "--format", "junit"]).arg(dir));
    ran.expect_code(0)?;
    Ok(ran.stdout)
}

/// Parses a file, holds it against the schema, and gives its cases.
fn valid(xml: &str, suites: usize) -> Result<Vec<Element>, Failed> {
    let file = parse(xml)?;
    conforms(&file)?;
    if file.name != "testsuites" || file.children.len() != suites {
        return Err(format!("{} suites: {xml}", file.children.len()).into());
    }
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for suite in file.children {
        let count = |outcome: &str| {
            suite.children.iter().filter(|one| one.name == "testcase" && one.outcome() == outcome).count()
        };
        let counted = [("failures", count("failure")), ("errors", count("error"))];
        let cases = suite.children.iter().filter(|one| one.name == "testcase").count();
        for (attribute, count) in counted.into_iter().chain([("tests", cases)]) {
            if suite.attribute(attribute) != count.to_string() {
                return Err(format!("{attribute} is {}, and there are {count}", suite.attribute(attribute)).into());
            }
        }
        if cases == 0 {
            return Err("a suite without cases".into());
        }
        for one in suite.children.into_iter().filter(|one| one.name == "testcase") {
            if !names.insert((one.attribute("classname").to_owned(), one.attribute("name").to_owned())) {
                return Err(format!("two cases are called {}", one.attribute("name")).into());
            }
            let outcome = one.children.iter().find(|child| child.name != "system-out");
            if outcome.is_some_and(|outcome| outcome.text.trim().is_empty() || outcome.attribute("message").is_empty())
            {
                return Err(format!("{} does not pass and has no message or text", one.attribute("name")).into());
            }
            all.push(one);
        }
    }
    Ok(all)
}

fn conforms(element: &Element) -> Result<(), Failed> {
    let rule = SCHEMA.iter().find(|rule| rule.element == element.name);
    let rule = rule.ok_or_else(|| format!("the schema has no element {}", element.name))?;
    for (name, value) in &element.attributes {
        if !rule.attributes.contains(&name.as_str()) {
            return Err(format!("{} has no attribute {name} in the schema", element.name).into());
        }
        match name.as_str() {
            "time" => drop(value.parse::<f64>().map_err(|error| format!("time {value}: {error}"))?),
            "timestamp" => drop(value.parse::<jiff::Timestamp>().map_err(|error| format!("{value}: {error}"))?),
            _ => {}
        }
    }
    if let Some(missing) = rule.required.iter().find(|name| element.attributes.iter().all(|(own, _)| own != *name)) {
        return Err(format!("{} has no {missing}", element.name).into());
    }
    for child in &element.children {
        if !rule.children.contains(&child.name.as_str()) {
            return Err(format!("{} must not be in {}", child.name, element.name).into());
        }
        conforms(child)?;
    }
    Ok(())
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Result<Self, Failed> {
        let mut element = Self { name: text(start.name().as_ref()), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|error| error.to_string())?
                .into_owned();
            element.attributes.push((text(attribute.key.as_ref()), value));
        }
        Ok(element)
    }

    fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// What a case ended with.
    fn outcome(&self) -> &str {
        let mut names = self.children.iter().map(|child| child.name.as_str());
        names.find(|name| ["failure", "error", "skipped"].contains(name)).unwrap_or("pass")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parse(xml: &str) -> Result<Element, Failed> {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| format!("{error} in {xml}"))? {
            Event::Start(start) => open.push(Element::of(&start)?),
            Event::Empty(start) => {
                let element = Element::of(&start)?;
                open.last_mut().ok_or("nothing is open")?.children.push(element);
            }
            Event::End(_) => {
                let element = open.pop().ok_or("nothing is open")?;
                open.last_mut().ok_or("nothing is open")?.children.push(element);
            }
            Event::Text(text) => {
                let decoded = text.decode().map_err(|error| error.to_string())?;
                open.last_mut().ok_or("nothing is open")?.text.push_str(&decoded);
            }
            Event::CData(data) => {
                let decoded = data.decode().map_err(|error| error.to_string())?;
                open.last_mut().ok_or("nothing is open")?.text.push_str(&decoded);
            }
            Event::GeneralRef(_) => open.last_mut().ok_or("nothing is open")?.text.push('&'),
            Event::Eof => break,
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    open.pop().and_then(|mut outer| outer.children.pop()).ok_or_else(|| "no element".into())
}

/// One file for several runs on the lab: each has its suite, marked as the lab's.
fn a_suite() -> Result<(), Failed> {
    let folder = scratch("junit");
    let path = folder.join("junit.xml");
    let mut command = meshdrill();
    command.args([
        "run",
        "--lab",
        "week1/nodes-ready",
        "week1/remote-peering",
        "drills/ingress-gateway-crash",
        "--junit",
    ]);
    run(command.arg(&path).arg("--runs").arg(folder.join("runs")).args(["--ticket", "CHG-7"])).expect_code(0)?;
    let xml = std::fs::read_to_string(&path)?;
    // One of them runs once per pair of clusters.
    valid(&xml, 4)?;
    for suite in parse(&xml)?.children {
        let properties = suite.children.iter().find(|one| one.name == "properties").ok_or("no properties")?;
        let value = |name: &str| {
            let found = properties.children.iter().find(|one| one.attribute("name") == name);
            found.map_or("", |one| one.attribute("value")).to_owned()
        };
        let name = suite.attribute("name");
        if !name.ends_with(" (lab)") || value("lab") != "true" || value("ticket") != "CHG-7" {
            return Err(format!("suite {name} has lab `{}`, ticket `{}`", value("lab"), value("ticket")).into());
        }
        if name.starts_with("ingress") && (value("mesh"), value("clusters")) != ("lab".to_owned(), "primary".to_owned())
        {
            return Err(format!("suite {name} has mesh `{}`, clusters `{}`", value("mesh"), value("clusters")).into());
        }
    }
    Ok(())
}

/// Two files whose scenarios have one name are refused before anything runs; the bindings of one scenario are distinguished.
fn namesakes() -> Result<(), Failed> {
    let folder = scratch("namesakes");
    let scenario = |for_each: &str| {
        format!(
            "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: smoke, labels: {{ suite: shop }} }}\nspec:\n{for_each}  checks:\n    - command: {{ argv: [\"true\"] }}\n"
        )
    };
    let files = ["team-a", "team-b"].map(|team| folder.join(team).join("smoke.yaml"));
    for file in &files {
        std::fs::create_dir_all(file.parent().ok_or("no folder")?)?;
        std::fs::write(file, scenario(""))?;
    }
    let (runs, junit) = (folder.join("runs"), folder.join("junit.xml"));
    let ran = run(meshdrill().args(["run", "--lab", "--runs"]).arg(&runs).arg("--junit").arg(&junit).args(&files));
    ran.expect_code(2)?;
    if !["team-a/smoke.yaml", "team-b/smoke.yaml", "smoke"].iter().all(|word| ran.stderr.contains(word)) {
        return Err(ran.said().into());
    }
    if !crate::command::run_dirs(&runs).is_empty() {
        return Err("something ran".into());
    }
    std::fs::write(&files[0], scenario("  forEach: cluster\n"))?;
    let mut command = meshdrill();
    run(command.args(["run", "--lab", "--runs"]).arg(&runs).arg("--junit").arg(&junit).arg(&files[0]))
        .expect_code(0)?;
    valid(&std::fs::read_to_string(&junit)?, 2)?;
    Ok(())
}

/// Four standing cases in every drill; in a validation only what does not pass.
fn standing_cases() -> Result<(), Failed> {
    let standing = ["preflight", "fault-took-effect", "measurement-valid", "recovery-verified"];
    for (record, expected) in [("drill-pass", 4), ("drill-fail", 4), ("validation-pass", 0)] {
        let dir = root().join("checks/tests/fixtures/records").join(record);
        let cases = valid(&report(&dir)?, 1)?;
        let count = cases.iter().filter(|case| standing.contains(&case.attribute("name"))).count();
        if count != expected {
            return Err(format!("{record} has {count} standing cases, not {expected}").into());
        }
    }
    Ok(())
}
