//! The report page in a browser, as people open it: from disk, on a phone and on a desk, in light and dark, with and without its
//! script.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::browser::{Browser, chromium};
use crate::command::{meshdrill, root, run, scratch};

/// The fixed runs whose structure is compared with a file of `tests/pages`.
const FIXED: [&str; 5] = ["drill-pass", "drill-fail", "drill-inconclusive", "not-recovered", "validation-fail"];
/// The widths of a phone, a tablet and a desk.
pub const WIDTHS: [u32; 3] = [360, 768, 1280];

/// What a page is made of: headings, tables with their rows, lanes with their words.
const STRUCTURE: &str = r"[...document.querySelectorAll('h1, h2, table, svg[role=img], details > summary')].map((one) => {
    if (one.tagName === 'TABLE') return `table of ${one.rows.length} rows, ${one.rows[0].cells.length} columns`;
    if (one.tagName === 'svg') return `svg: ${one.getAttribute('aria-label')}`;
    return `${one.tagName.toLowerCase()}: ${one.innerText.replace(/\s+/g, ' ')}`;
}).join('\n')";

/// Texts whose contrast with the page is below 4.5 to 1 (WCAG AA), each with its ratio.
const FAINT: &str = r"(() => {
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const light = (colour) => numbers(colour).slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (one) => {
        for (let at = one; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (numbers(colour).length === 3 || numbers(colour)[3] === 1) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const found = new Set();
    for (const one of document.querySelectorAll('body *')) {
        const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || ['SCRIPT', 'STYLE'].includes(one.tagName) || one.closest('[hidden]')) continue;
        const style = getComputedStyle(one);
        const colour = one.namespaceURI.endsWith('svg') ? style.fill : style.color;
        const [a, b] = [light(colour), light(ground(one))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found.add(`${one.tagName} .${one.getAttribute('class')} ${ratio.toFixed(2)}`);
    }
    return [...found].join('; ');
})()";

pub fn trials() -> Vec<Trial> {
    let program = chromium();
    let required = std::env::var_os("MESHDRILL_BROWSER").is_some();
    let ignored = program.is_none() && !required;
    let name = |name: &str| {
        if ignored { format!("pages::{name} (chromium is not installed)") } else { format!("pages::{name}") }
    };
    let trial = |title: &str, body: fn(&Path) -> Result<(), Failed>| {
        let program = program.clone();
        let body = move || body(&program.ok_or("chromium is not installed, and MESHDRILL_BROWSER requires it")?);
        Trial::test(name(title), body).with_ignored_flag(ignored)
    };
    vec![
        trial("are quiet, fit and can be read", quiet),
        trial("have the structure of before", structure),
        trial("work without their script", scriptless),
        trial("zoom and tell", interactive),
        Trial::test("pages::hostile texts stay texts", hostile),
        Trial::test("pages::several runs link to their pages", several),
    ]
}

fn fixture(record: &str) -> PathBuf {
    root().join("checks/tests/fixtures/records").join(record)
}

/// The page of some runs.
fn page(runs: &[PathBuf], name: &str) -> Result<PathBuf, Failed> {
    let out = scratch("pages").join(format!("{name}.html"));
    let ran = run(meshdrill().args(["report", "--format", "html", "--out"]).arg(&out).args(runs));
    ran.expect_code(0)?;
    Ok(out)
}

fn fixed() -> impl Iterator<Item = Result<(&'static str, PathBuf), Failed>> {
    FIXED.into_iter().map(|record| Ok((record, page(&[fixture(record)], record)?)))
}

/// No complaint, no request, no scrolling sideways, nothing too faint: all recorded runs, and the page of all of them.
fn quiet(program: &Path) -> Result<(), Failed> {
    let mut browser = Browser::start(program)?;
    let records = std::fs::read_dir(root().join("checks/tests/fixtures/records"))?;
    let mut runs = records.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>, std::io::Error>>()?;
    runs.sort();
    let all = page(&runs, "all")?;
    for (index, run) in runs.iter().enumerate() {
        // Each width and colour scheme is seen with a third of the runs.
        let width = WIDTHS[index % WIDTHS.len()];
        looks_well(&mut browser, &page(std::slice::from_ref(run), "one")?, width, index % 2 == 0)
            .map_err(|error| format!("{}: {error}", run.display()))?;
    }
    for page in fixed().map(|one| one.map(|(_, page)| page)).chain([Ok(all)]) {
        let page = page?;
        for width in WIDTHS {
            for dark in [false, true] {
                looks_well(&mut browser, &page, width, dark).map_err(|error| format!("{}: {error}", page.display()))?;
            }
        }
    }
    Ok(())
}

pub fn looks_well(browser: &mut Browser, page: &Path, width: u32, dark: bool) -> Result<(), String> {
    let scheme = if dark { "dark" } else { "light" };
    browser.open(page, width, dark, true)?;
    let wide = browser.evaluate("document.documentElement.scrollWidth")?;
    let faint = browser.evaluate(FAINT)?;
    let complaints = browser.complaints();
    if wide.as_u64().is_none_or(|wide| wide > u64::from(width)) {
        return Err(format!("at {width} pixels it is {wide} wide"));
    }
    if !complaints.is_empty() {
        return Err(format!("at {width} pixels, {scheme}: {}", complaints.join("; ")));
    }
    if faint == "" { Ok(()) } else { Err(format!("in {scheme}, too faint: {faint}")) }
}

fn structure(program: &Path) -> Result<(), Failed> {
    let mut browser = Browser::start(program)?;
    for one in fixed() {
        let (name, page) = one?;
        browser.open(&page, 1280, false, true)?;
        let found = browser.evaluate(STRUCTURE)?;
        let found = found.as_str().unwrap_or_default();
        let path = root().join("tests/pages").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, format!("{found}\n"))?;
        }
        let known = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if known.trim_end() != found.trim_end() {
            return Err(format!("{name} has another structure (UPDATE_SNAPSHOTS=1 accepts it):\n{found}").into());
        }
    }
    Ok(())
}

fn scriptless(program: &Path) -> Result<(), Failed> {
    let mut browser = Browser::start(program)?;
    for one in fixed() {
        let (name, page) = one?;
        browser.open(&page, 1280, false, false)?;
        let complaints = browser.complaints();
        if !complaints.is_empty() {
            return Err(format!("{name} without its script: {}", complaints.join("; ")).into());
        }
        let words = browser.evaluate("document.body.innerText")?;
        let words = words.as_str().unwrap_or_default();
        if !words.contains("How it was measured") || words.contains("drag to zoom") {
            return Err(format!("{name} without its script shows: {words}").into());
        }
    }
    Ok(())
}

/// The buttons zoom, Escape shows everything again, and the pointer tells what failed.
fn interactive(program: &Path) -> Result<(), Failed> {
    let mut browser = Browser::start(program)?;
    let page = page(&[fixture("drill-pass")], "interactive")?;
    browser.open(&page, 1280, false, true)?;
    let view = "document.querySelector('svg.plot').getAttribute('viewBox')";
    let whole = browser.evaluate(view)?;
    let buttons = browser.evaluate("document.querySelectorAll('.tools button').length")?;
    if buttons.as_u64().is_none_or(|count| count < 2) {
        return Err(format!("{buttons} buttons").into());
    }
    browser.evaluate("document.querySelectorAll('.tools button')[1].click()")?;
    let zoomed = browser.evaluate(view)?;
    browser.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))")?;
    let again = browser.evaluate(view)?;
    if whole == zoomed || whole != again {
        return Err(format!("whole {whole}, zoomed {zoomed}, and after Escape {again}").into());
    }
    let told = browser.evaluate(
        "(() => { const bad = document.querySelector('path.bad, path.late'); if (!bad) return 'nothing is bad';
            const lane = bad.closest('svg.lane').getBoundingClientRect(), own = bad.getBoundingClientRect();
            bad.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: own.left + own.width / 2, clientY: lane.top + 5 }));
            return document.getElementById('readout').hidden ? '' : document.getElementById('readout').textContent; })()",
    )?;
    if told.as_str().is_none_or(str::is_empty) {
        return Err(format!("the pointer tells {told}").into());
    }
    Ok(())
}

/// A record may hold anything: names, messages and responders of a cluster.
fn hostile() -> Result<(), Failed> {
    const TEXTS: [&str; 5] = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "]]>",
        "[[ATTACHMENT|/etc/passwd]]",
        "\u{1b}[31mred",
    ];
    let dir = scratch("hostile");
    let record = std::fs::read_to_string(fixture("drill-fail").join("run.jsonl"))?;
    // Written without its hashes, since every text is another one.
    let mut chain = meshdrill_checks::record::Chain::default();
    let mut changed = String::new();
    for (index, line) in record.lines().enumerate() {
        let mut line: Value = serde_json::from_str(line)?;
        let text = TEXTS[index % TEXTS.len()];
        if index == 0 {
            line["mesh"] = text.into();
            line["tool"] = TEXTS[0].into();
        }
        for key in ["message", "responder", "proof", "text", "why"] {
            if line.get(key).is_some_and(Value::is_string) {
                line[key] = text.into();
            }
        }
        changed += &chain.link(&serde_json::from_value(line)?)?;
        changed.push('\n');
    }
    std::fs::write(dir.join("run.jsonl"), changed)?;
    for format in ["html", "md", "junit", "openmetrics", "text", "json"] {
        let ran = run(meshdrill().args(["report", "--format", format]).arg(&dir));
        ran.expect_code(0)?;
        let told = &ran.stdout;
        if told.contains('\u{1b}') || (format != "json" && told.contains("[[ATTACHMENT")) {
            return Err(format!("{format} has a control character or an attachment").into());
        }
        let scripts = told.matches("<script").count();
        let allowed = if format == "html" { 2 } else { 0 };
        if ["html", "md"].contains(&format) && (scripts != allowed || told.contains("<img")) {
            return Err(format!("{format} has {scripts} scripts, or an image").into());
        }
    }
    Ok(())
}

fn several() -> Result<(), Failed> {
    let dir = scratch("several");
    let ran = run(meshdrill()
        .current_dir(&dir)
        .args([
            "run",
            "--lab",
            "--yes",
            "gateways-addressed",
            "istio-version",
            "--html",
            "index.html",
            "--md",
            "index.md",
        ])
        .args(["--openmetrics", "nightly.prom"]));
    ran.expect_code(0)?;
    let page = std::fs::read_to_string(dir.join("index.html"))?;
    let links: Vec<&str> = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    if links.len() != 2 {
        return Err(format!("the page links to {links:?}").into());
    }
    for link in links {
        if !dir.join(link.replace("%40", "@")).is_file() {
            return Err(format!("`{link}` leads nowhere").into());
        }
    }
    let markdown = std::fs::read_to_string(dir.join("index.md"))?;
    let metrics = std::fs::read_to_string(dir.join("nightly.prom"))?;
    if !markdown.contains("2 of 2 runs pass")
        || !metrics.ends_with("# EOF\n")
        || !metrics.contains("meshdrill_run_verdict{")
    {
        return Err(format!("{markdown}\n{metrics}").into());
    }
    Ok(())
}
