//! The pages of `history` in a browser.

use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::hostile::{card, hostile_nights, put};
use crate::browser::{Browser, chromium};
use crate::command::{meshdrill, run, scratch};
use crate::pages::{WIDTHS, looks_well};

pub fn trials() -> Vec<Trial> {
    let program = chromium();
    let ignored = program.is_none() && std::env::var_os("MESHDRILL_BROWSER").is_none();
    let name = if ignored {
        "history::pages are quiet, fit and can be read (chromium is not installed)"
    } else {
        "history::pages are quiet, fit and can be read"
    };
    let body = move || quiet(&program.ok_or("chromium is not installed, and MESHDRILL_BROWSER requires it")?);
    vec![
        Trial::test(name, body).with_ignored_flag(ignored),
        Trial::test("history::pages link to the page of each night", links),
    ]
}

/// Nights with a change, failures, edits, and pages of some runs.
fn nights(folder: &Path) -> Result<(), Failed> {
    for night in 0..40_usize {
        for (index, scenario) in
            ["ingress-gateway-failover", "a-scenario-with-quite-a-long-name-that-has-to-fit-on-a-small-screen"]
                .iter()
                .enumerate()
        {
            let bytes = card(night, |card| {
                card["run"]["id"] = json!(format!("{night}-{index}"));
                card["run"]["scenario"] = json!(scenario);
                card["run"]["lab"] = json!(false);
                let value = 0.1 + (night * 7 % 11) as f64 * 0.003 + if night > 25 { 0.1 } else { 0.0 };
                card["criteria"][5]["value"] = json!(value);
                card["criteria"][5]["high"] = json!(value + 0.004);
                if night > 15 {
                    card["criteria"][5]["target"] = json!("< 3s");
                    card["criteria"][5]["limit"] = json!({ "below": 3.0 });
                }
                if night % 9 == 4 {
                    card["verdict"] = json!(["fail", "inconclusive", "error"][night / 9 % 3]);
                    card["exitCode"] = json!([10, 11, 13][night / 9 % 3]);
                }
            })?;
            let dir = put(folder, &format!("{night:02}/{index}"), &bytes)?;
            if night % 2 == 0 {
                fs::write(dir.join("report.html"), "<p>the page of the run")?;
            }
        }
    }
    Ok(())
}

fn quiet(program: &Path) -> Result<(), Failed> {
    let folder = scratch("history-pages");
    nights(&folder.join("nights"))?;
    hostile_nights(&folder.join("hostile"))?;
    let mut browser = Browser::start(program)?;
    for runs in ["nights", "hostile"] {
        let site = folder.join(format!("{runs}-site"));
        run(meshdrill().arg("history").arg(folder.join(runs)).arg("--html").arg(&site)).expect_code(0)?;
        for page in fs::read_dir(&site)?.filter_map(|one| Some(one.ok()?.path())) {
            for width in WIDTHS {
                for dark in [false, true] {
                    looks_well(&mut browser, &page, width, dark)
                        .map_err(|error| format!("{}: {error}", page.display()))?;
                }
            }
        }
    }
    Ok(())
}

fn links() -> Result<(), Failed> {
    let folder = scratch("history-links");
    nights(&folder.join("nights"))?;
    let site = folder.join("pages").join("site");
    run(meshdrill().arg("history").arg(folder.join("nights")).arg("--html").arg(&site)).expect_code(0)?;
    let index = fs::read_to_string(site.join("index.html"))?;
    let targets: Vec<&str> = index.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    if let Some(broken) = targets.iter().find(|target| !site.join(target).is_file()) {
        return Err(format!("{broken} leads nowhere").into());
    }
    if targets.iter().any(|target| target.ends_with("38/1/report.html")) {
        Ok(())
    } else {
        Err(format!("{targets:?}").into())
    }
}
