//! Annotations in Grafana: what is sent, and that no Grafana can fail, delay or leak anything.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::command::{Ran, meshdrill, run, run_dirs};
use crate::stand_in::{Answer, Folder, Server, expect, record};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("annotations::phases and fault windows of a drill", bodies),
        Trial::test("annotations::a Grafana that refuses, hangs or is gone fails and delays nothing", failures),
        Trial::test("annotations::a Grafana that comes back gets all of them", comes_back),
        Trial::test("annotations::checked and explained", checked),
    ]
}

const TOKEN: &str = "glsa_s3cr3t";
const DRILL: &str = r#"apiVersion: meshdrill.io/v1
kind: Scenario
metadata: { name: annotated }
spec:
  objective: It holds.
  baseline: 1s
  observe: 1s
  probes:
    self: { tcp: { to: "ADDRESS" }, every: 50ms }
  faults:
    - command: { argv: ["true"], undo: ["true"] }
      for: 2s
      effect: [{ command: { argv: ["true"] } }]
  sla:
    - { probe: self, errorRate: 5% }
"#;

/// A folder with a drill of four seconds and a mesh file with this `annotate:`.
fn folder(name: &str, annotate: &str) -> Result<Folder, Failed> {
    let target = Server::start(|_| Answer::text(200, ""))?;
    let folder = Folder::new(name, &target.url, "")?;
    let mesh = std::fs::read_to_string(folder.0.join("mesh.yaml"))?;
    let annotate = if annotate.is_empty() { String::new() } else { format!("  annotate: {annotate}\n") };
    folder.write("mesh.yaml", &(mesh + &annotate))?;
    folder.write("drill.yaml", &DRILL.replace("ADDRESS", target.url.trim_start_matches("http://")))?;
    folder.write("token", &format!("{TOKEN}\n"))?;
    Ok(folder)
}

/// Runs the drill, which passes, and how long that took.
fn drill(folder: &Folder) -> Result<(Ran, Duration), Failed> {
    let begun = Instant::now();
    let ran = folder.run(&["drill.yaml"]);
    let took = begun.elapsed();
    expect(&ran, 0, &[])?;
    let hidden = !ran.said().contains(TOKEN)
        && run_dirs(&folder.runs()).iter().all(|dir| {
            let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
            files
                .into_iter()
                .all(|file| !String::from_utf8_lossy(&std::fs::read(file.path()).unwrap_or_default()).contains(TOKEN))
        });
    let kept = record(&folder.runs())?;
    if !hidden || kept.contains(TOKEN) { Err("the token is shown".into()) } else { Ok((ran, took)) }
}

/// A Grafana that keeps what it gets.
fn grafana(bodies: &Arc<Mutex<Vec<Value>>>) -> Result<Server, Failed> {
    let kept = Arc::clone(bodies);
    Server::start(move |asked| {
        let known = asked.headers.get("authorization").is_some_and(|given| *given == format!("Bearer {TOKEN}"));
        if !known || asked.method != "POST" || asked.path != "/grafana/api/annotations" {
            return Answer::text(401, "Unauthorized");
        }
        if let (Ok(mut kept), Ok(body)) = (kept.lock(), serde_json::from_str(&asked.body)) {
            kept.push(body);
        }
        Answer::json(200, &json!({ "message": "Annotation added", "id": 1 }))
    })
}

fn taken(bodies: &Mutex<Vec<Value>>) -> Vec<Value> {
    bodies.lock().map(|bodies| bodies.clone()).unwrap_or_default()
}

/// Fails unless these are the annotations of one run of the drill.
fn is_whole(bodies: &[Value], runs: &std::path::Path) -> Result<(), Failed> {
    let text = |body: &Value| body["text"].as_str().unwrap_or_default().to_owned();
    let phases: Vec<String> =
        bodies.iter().filter(|body| body["tags"].to_string().contains("\"phase\"")).map(text).collect();
    let wanted =
        ["baseline", "inject", "hold", "undo", "observe", "verify"].map(|phase| format!("annotated: phase {phase}"));
    if phases != wanted {
        return Err(format!("phases: {phases:?}").into());
    }
    let dir = run_dirs(runs).pop().ok_or("no run directory")?;
    let card: Value = serde_json::from_slice(&std::fs::read(dir.join("scorecard.json"))?)?;
    let start: jiff::Timestamp = card["run"]["started"].as_str().unwrap_or_default().parse()?;
    let at = |seconds: &Value| start.as_millisecond() + (seconds.as_f64().unwrap_or_default() * 1e3).round() as i64;
    let near = |one: &Value, other: i64| one.as_i64().is_some_and(|one| (one - other).abs() <= 1);
    let timeline: Vec<&Value> = card["timeline"].as_array().into_iter().flatten().skip(1).collect();
    let of_phases: Vec<&Value> = bodies.iter().filter(|body| body["tags"].to_string().contains("\"phase\"")).collect();
    for (index, (body, phase)) in of_phases.iter().zip(&timeline).enumerate() {
        let end = timeline.get(index + 1).is_none_or(|next| near(&body["timeEnd"], at(&next["at"])));
        if !near(&body["time"], at(&phase["at"])) || !end || body["timeEnd"].as_i64() < body["time"].as_i64() {
            return Err(format!("{body} is not the phase {phase}").into());
        }
    }
    let faults: Vec<&Value> = bodies.iter().filter(|body| body["tags"].to_string().contains("\"fault\"")).collect();
    let [fault] = faults.as_slice() else { return Err(format!("{} fault windows", faults.len()).into()) };
    let held = fault["timeEnd"].as_i64().unwrap_or_default() - fault["time"].as_i64().unwrap_or_default();
    if !text(fault).starts_with("annotated: f1 command: ") || !(2_000..2_800).contains(&held) {
        return Err(format!("{fault}").into());
    }
    let dressed = |body: &&Value| {
        body["dashboardUID"] == "mesh-1"
            && body["tags"].to_string().starts_with(r#"["meshdrill","annotated","nightly""#)
    };
    match bodies.iter().find(|body| !dressed(body)) {
        Some(body) => Err(body.to_string().into()),
        None => Ok(()),
    }
}

fn bodies() -> Result<(), Failed> {
    let bodies = Arc::default();
    let server = grafana(&bodies)?;
    let annotate =
        format!("{{ url: {}/grafana/, token: {{ file: token }}, dashboardUID: mesh-1, tags: [nightly] }}", server.url);
    let folder = folder("annotated", &annotate)?;
    drill(&folder)?;
    is_whole(&taken(&bodies), &folder.runs())?;
    if record(&folder.runs())?.contains("annotations reached") {
        return Err("a note of annotations that all arrived".into());
    }
    // The time of the embedded mesh is its own, and a validation breaks nothing.
    let before = taken(&bodies).len();
    run(meshdrill().current_dir(&folder.0).args(["run", "drill.yaml", "--mesh", "mesh.yaml", "--dry-run"]))
        .expect_code(0)?;
    folder.check("command: { argv: [\"true\"] }")?;
    if taken(&bodies).len() == before { Ok(()) } else { Err("more was annotated than a drill".into()) }
}

fn failures() -> Result<(), Failed> {
    let plain = folder("annotate-not", "")?;
    let (_, usual) = drill(&plain)?;
    let refusing = Server::start(|_| Answer::text(401, &format!("who is {TOKEN}?")))?;
    let failing = Server::start(|_| Answer::text(500, &format!("<b>{TOKEN}\u{1b}[31m is nobody</b>")))?;
    let hanging = Server::start(|_| {
        std::thread::sleep(Duration::from_mins(1));
        Answer::text(200, "")
    })?;
    let place = |url: &str| format!("{{ url: \"{url}\", token: {{ file: token }} }}");
    for (name, annotate, says) in [
        (
            "annotate-401",
            place(&refusing.url),
            "answered 401; it does not accept the token of token (0 annotations did)",
        ),
        ("annotate-500", place(&failing.url), "answered 500: <b>*** is nobody</b> (0 annotations did)"),
        ("annotate-hang", place(&hanging.url), "no answer within 2s"),
        ("annotate-refused", place("http://127.0.0.1:9"), "refused"),
        ("annotate-no-host", place("http://grafana.invalid"), "grafana.invalid"),
        (
            "annotate-no-token",
            format!("{{ url: \"{}\", token: {{ env: MESHDRILL_NO_TOKEN }} }}", refusing.url),
            "MESHDRILL_NO_TOKEN is not set",
        ),
    ] {
        let folder = folder(name, &annotate)?;
        let (_, took) = drill(&folder)?;
        let record = record(&folder.runs())?;
        let note = record.lines().find(|line| line.contains("not all annotations reached Grafana at http://"));
        if !note.is_some_and(|note| note.contains(says)) {
            return Err(format!("{name}: the note is {note:?}").into());
        }
        // A hanging one is known as such long before the end.
        if took > usual + Duration::from_millis(800) {
            return Err(format!("{name}: {took:?} instead of {usual:?}").into());
        }
    }
    Ok(())
}

/// A Grafana in the mesh may be gone while the fault lasts.
fn comes_back() -> Result<(), Failed> {
    let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (kept, begun) = (Arc::clone(&bodies), Instant::now());
    let server = Server::start(move |asked| {
        if begun.elapsed() < Duration::from_secs(3) {
            return Answer::text(503, "no healthy upstream");
        }
        if let (Ok(mut kept), Ok(body)) = (kept.lock(), serde_json::from_str(&asked.body)) {
            kept.push(body);
        }
        Answer::json(200, &json!({}))
    })?;
    let folder =
        folder("annotate-late", &format!("{{ url: \"{}\", dashboardUID: mesh-1, tags: [nightly] }}", server.url))?;
    drill(&folder)?;
    is_whole(&taken(&bodies), &folder.runs())?;
    if record(&folder.runs())?.contains("annotations reached") {
        Err("a note though all arrived".into())
    } else {
        Ok(())
    }
}

fn checked() -> Result<(), Failed> {
    let folder = folder("annotate-checked", "{ url: grafana.example, token: {}, dashboard: x }")?;
    let ran = run(meshdrill().current_dir(&folder.0).args(["check", "drill.yaml", "--mesh", "mesh.yaml"]));
    expect(&ran, 2, &["dashboard", "dashboardUID"])?;
    let mesh = std::fs::read_to_string(folder.0.join("mesh.yaml"))?;
    folder.write("mesh.yaml", &mesh.replace(", dashboard: x", ""))?;
    let ran = run(meshdrill().current_dir(&folder.0).args(["check", "drill.yaml", "--mesh", "mesh.yaml"]));
    expect(&ran, 2, &["this is not the URL of Grafana", "`token` needs exactly one of `env` and `file`"])?;
    let ran = run(meshdrill().args(["explain", "mesh.annotate"]));
    expect(&ran, 0, &["url <", "dashboardUID <", "tags <", "token <", "never fails or delays a run"])
}
