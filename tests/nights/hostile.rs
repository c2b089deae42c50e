//! Files that are not what they should be among scorecards, names that mean harm, and paths that cannot be written.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::command::{Ran, meshdrill, root, run, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("history::files that are no scorecards are named and left out", foreign),
        Trial::test("history::hostile names stay names", names),
        Trial::test("history::a path that cannot be written is an error", unwritable),
        Trial::test("history::ten thousand runs", many),
        Trial::test("compare::a broken run is an error, and among others a warning", broken),
    ]
}

/// A scorecard of a night.
pub fn card(night: usize, change: impl Fn(&mut Value)) -> Result<Vec<u8>, Failed> {
    let text = fs::read(root().join("checks/tests/fixtures/records/drill-pass/scorecard.json"))?;
    let mut card: Value = serde_json::from_slice(&text)?;
    card["run"]["id"] = json!(format!("run-{night}"));
    card["run"]["started"] = json!(format!("2026-{:02}-{:02}T02:00:00.000Z", night / 28 % 12 + 1, night % 28 + 1));
    change(&mut card);
    Ok(serde_json::to_vec(&card)?)
}

/// Writes a scorecard into a run directory.
pub fn put(folder: &Path, run: &str, bytes: &[u8]) -> Result<PathBuf, Failed> {
    let dir = folder.join(run);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("scorecard.json"), bytes)?;
    Ok(dir)
}

fn history(arguments: &[&Path], more: &[&str]) -> Ran {
    run(meshdrill().arg("history").args(arguments).args(more))
}

fn expect(ran: &Ran, text: &str) -> Result<(), Failed> {
    if ran.said().contains(text) { Ok(()) } else { Err(format!("no `{text}`\n{}", ran.said()).into()) }
}

fn foreign() -> Result<(), Failed> {
    let folder = scratch("foreign");
    let good = card(1, |_| {})?;
    put(&folder, "good", &good)?;
    put(&folder, "good-2", &card(2, |_| {})?)?;
    put(&folder, "copy", &good)?;
    put(&folder, "empty", b"")?;
    put(&folder, "truncated", &good[..good.len() / 2])?;
    put(&folder, "foreign", br#"{ "schema": "other/v3", "items": [] }"#)?;
    put(&folder, "binary", &[0xff, 0xfe, 0x00, 0x1b])?;
    put(&folder, "altered", &card(3, |card| card["criteria"][0]["verdict"] = json!("fail"))?)?;
    put(&folder, "time", &card(4, |card| card["run"]["started"] = json!("yesterday"))?)?;
    put(&folder, "huge", &card(5, |card| card["criteria"][0]["value"] = json!("1e999"))?)?;
    let killed = folder.join("killed");
    fs::create_dir_all(&killed)?;
    fs::copy(root().join("checks/tests/fixtures/records/cut-short/run.jsonl"), killed.join("run.jsonl"))?;
    let ran = history(&[&folder], &[]);
    ran.expect_code(0)?;
    for name in ["copy", "empty", "truncated", "foreign", "binary", "altered", "time", "huge", "killed"] {
        let named = ran.stderr.lines().any(|line| line.contains("is left out") && line.contains(name));
        let good = name == "copy" && ran.stderr.contains("is among the files already");
        if !named && !good {
            return Err(format!("{name} is not named\n{}", ran.said()).into());
        }
    }
    expect(&ran, "2 nights")?;
    let none = history(&[&folder.join("empty")], &[]);
    none.expect_code(2)?;
    expect(&none, "no scorecard that can be read")?;
    history(&[&folder.join("nowhere")], &[]).expect_code(2)?;
    Ok(())
}

/// What a name may hold: an end of a script, an escape sequence, a way out of the folder.
pub const HOSTILE: &str = "</script><script>alert(1)</script>\u{1b}[31m\u{0}../../../etc/passwd\" onload=\"x";

/// Nights of a scenario whose every name means harm.
pub fn hostile_nights(folder: &Path) -> Result<(), Failed> {
    for night in 0..12 {
        let bytes = card(night, |card| {
            card["run"]["scenario"] = json!(format!("../{HOSTILE}"));
            card["run"]["suite"] = json!(HOSTILE);
            card["run"]["binding"] = json!(HOSTILE);
            card["run"]["mesh"] = json!(HOSTILE);
            card["message"] = json!(HOSTILE);
            card["criteria"][0]["id"] = json!(format!("{HOSTILE}/x"));
            card["criteria"][0]["target"] = json!(format!("{HOSTILE}{}", night / 6));
            card["probes"][0]["name"] = json!(HOSTILE);
            card["run"]["identity"] = json!({ "version": format!("{HOSTILE}{}", night / 6) });
            if night > 3 {
                card["probes"][0]["outages"] = json!([{ "start": 0, "end": 1, "low": 1, "high": 1, "down": 1, "longest": 1, "bad": 1,
                                                        "classes": { HOSTILE: 1 } }]);
            }
        })?;
        put(folder, &format!("{night:02}-</script>"), &bytes)?;
    }
    Ok(())
}

fn names() -> Result<(), Failed> {
    let folder = scratch("hostile");
    let (runs, site) = (folder.join("in").join("runs"), folder.join("out").join("site"));
    hostile_nights(&runs)?;
    let ran = run(meshdrill().arg("history").arg(&runs).arg("--html").arg(&site));
    ran.expect_code(0)?;
    if ran.said().contains('\u{1b}') || ran.said().contains('\u{0}') {
        return Err(format!("control characters\n{:?}", ran.said()).into());
    }
    let written: Vec<String> =
        fs::read_dir(&site)?.filter_map(|one| one.ok()?.file_name().into_string().ok()).collect();
    let outside: Vec<_> = fs::read_dir(folder.join("out"))?.filter_map(Result::ok).collect();
    if written.len() != 2 || outside.len() != 1 {
        return Err(format!("{written:?}, {outside:?}").into());
    }
    for file in written {
        let page = fs::read_to_string(site.join(&file))?;
        if page.contains("<script") || page.contains("onload=\"x") || page.contains('\u{1b}') {
            return Err(format!("{file} has a script or a control character").into());
        }
    }
    Ok(())
}

fn unwritable() -> Result<(), Failed> {
    let folder = scratch("unwritable");
    put(&folder, "runs/a", &card(1, |_| {})?)?;
    let runs = folder.join("runs");
    let file = folder.join("file");
    fs::write(&file, "mine")?;
    for path in [file.clone(), PathBuf::from("/proc/nowhere"), PathBuf::from("/dev/full/site")] {
        let ran = run(meshdrill().arg("history").arg(&runs).arg("--html").arg(&path));
        ran.expect_code(2)?;
        expect(&ran, "cannot be written")?;
    }
    if fs::read_to_string(&file)? != "mine" {
        return Err("a file was overwritten".into());
    }
    // A folder that is there keeps what else is in it, and nothing half-written stays.
    let site = folder.join("site");
    fs::create_dir_all(&site)?;
    fs::write(site.join("other.txt"), "mine")?;
    run(meshdrill().arg("history").arg(&runs).arg("--html").arg(&site)).expect_code(0)?;
    run(meshdrill().arg("history").arg(&runs).arg("--html").arg(&site)).expect_code(0)?;
    let mut left: Vec<String> =
        fs::read_dir(&site)?.filter_map(|one| one.ok()?.file_name().into_string().ok()).collect();
    left.sort();
    if left != ["index.html", "other.txt", "scenario-lab-lab-drill-pass.html"] {
        return Err(format!("{left:?}").into());
    }
    Ok(())
}

fn many() -> Result<(), Failed> {
    let folder = scratch("many");
    let bytes = String::from_utf8(card(0, |card| card["run"]["id"] = json!("@ID"))?)?;
    for run in 0..10_000 {
        let date = format!("20{:02}-{:02}-{:02}T02", 10 + run / 336, run / 28 % 12 + 1, run % 28 + 1);
        let text = bytes.replace("@ID", &run.to_string()).replace("2026-01-01T02", &date);
        put(&folder, &run.to_string(), text.as_bytes())?;
    }
    let ran = history(&[&folder], &[]);
    fs::remove_dir_all(&folder)?;
    ran.expect_code(0)?;
    expect(&ran, "10,000 runs")
}

fn broken() -> Result<(), Failed> {
    let folder = scratch("broken");
    let fixture = root().join("checks/tests/fixtures/records");
    let copy = |from: &str, to: &str| -> Result<PathBuf, Failed> {
        let dir = folder.join(to);
        fs::create_dir_all(&dir)?;
        for file in ["run.jsonl", "scorecard.json"] {
            fs::copy(fixture.join(from).join(file), dir.join(file))?;
        }
        Ok(dir)
    };
    let (good, bad) = (copy("drill-pass", "a/good")?, copy("validation-pass", "a/bad")?);
    copy("drill-pass", "b/good")?;
    copy("validation-pass", "b/bad")?;
    let text = fs::read_to_string(bad.join("run.jsonl"))?;
    fs::write(bad.join("run.jsonl"), text.replacen("\"at\":", "\"at\": ", 1).replacen("good", "late", 1))?;
    let ran = run(meshdrill().arg("compare").arg(&bad).arg(&good));
    ran.expect_code(2)?;
    expect(&ran, "run.jsonl")?;
    let ran = run(meshdrill().arg("compare").arg(folder.join("a")).arg(folder.join("b")));
    ran.expect_code(0)?;
    expect(&ran, "warning: validation-pass is not compared")?;
    // A scorecard that is not what the record gives: the record is right.
    let card = fs::read_to_string(good.join("scorecard.json"))?;
    fs::write(good.join("scorecard.json"), card.replacen("\"n\": 131", "\"n\": 900000", 1))?;
    let ran = run(meshdrill().arg("compare").arg(&good).arg(folder.join("b/good")));
    ran.expect_code(0)?;
    expect(&ran, "not what its record gives")?;
    let empty = folder.join("empty");
    fs::create_dir_all(&empty)?;
    let ran = run(meshdrill().arg("compare").arg(&empty).arg(folder.join("b")));
    ran.expect_code(2)?;
    expect(&ran, "no run directory that can be read")
}
