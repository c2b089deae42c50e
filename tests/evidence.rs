//! The evidence of runs, as an auditor gets it: a bundle of a run directory, verified offline, and what is found once anything of it
//! was altered.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::cli::served::Served;
use crate::command::{Ran, meshdrill, run, run_dirs, scratch};

pub fn trials() -> Vec<Trial> {
    let openssl = Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success());
    let name =
        if openssl { "evidence::keys of openssl" } else { "evidence::keys of openssl (openssl is not installed)" };
    vec![
        Trial::test("evidence::a bundle is intact, reproducible, and any alteration is named", bundled),
        Trial::test("evidence::people, clusters and clocks are recorded", recorded),
        Trial::test("evidence::the runner's clock, or why it is not known", runner_clock),
        Trial::test("evidence::a run directory that was altered or killed", run_directories),
        Trial::test("evidence::paths that cannot be written or read", paths),
        Trial::test("evidence::recover keeps a run directory intact", recovered),
        Trial::test("evidence::no secret reaches a file", secrets),
        Trial::test(name, interoperates).with_ignored_flag(!openssl),
    ]
}

/// A run on the lab below a folder, and its directory.
fn lab_run(folder: &Path, arguments: &[&str]) -> Result<PathBuf, Failed> {
    let runs = folder.join("runs");
    let ran = run(meshdrill().args(["run", "--lab", "week3/ingress-access", "--runs"]).arg(&runs).args(arguments));
    ran.expect_code(0)?;
    Ok(run_dirs(&runs).pop().ok_or("no run directory")?)
}

/// The binary in a folder.
fn in_folder(folder: &Path, arguments: &[&str]) -> Ran {
    run(meshdrill().current_dir(folder).args(arguments))
}

/// Fails unless a run ended with a code, and said all of some texts.
fn expect(ran: &Ran, code: i32, says: &[&str]) -> Result<(), Failed> {
    ran.expect_code(code)?;
    let text = format!("{}{}", ran.stdout, ran.stderr);
    match says.iter().find(|says| !text.contains(**says)) {
        Some(missing) => Err(format!("it does not say `{missing}`\n{}", ran.said()).into()),
        None => Ok(()),
    }
}

fn text(path: &Path) -> Result<&str, Failed> {
    path.to_str().ok_or_else(|| "the path is no text".into())
}

/// Changes the bytes of a bundle.
type Alteration<'a> = &'a dyn Fn(&mut Vec<u8>);

fn bundled() -> Result<(), Failed> {
    let folder = scratch("bundled");
    let dir = lab_run(&folder, &[])?;
    let dir = text(&dir)?;
    for key in ["operator.key", "approver.key"] {
        expect(&in_folder(&folder, &["keygen", key]), 0, &["key id "])?;
    }
    let bundle = |out: &str, keys: &[&str]| {
        let signed = keys.iter().flat_map(|key| ["--sign", key]);
        let arguments: Vec<&str> = ["bundle", dir, "--out", out].into_iter().chain(signed).collect();
        in_folder(&folder, &arguments)
    };
    expect(&bundle("a.tar.gz", &["operator.key", "approver.key"]), 0, &["a.tar.gz  1 run, ", "2 signatures"])?;
    expect(&bundle("b.tar.gz", &["approver.key", "operator.key", "operator.key"]), 0, &[])?;
    let bytes = std::fs::read(folder.join("a.tar.gz"))?;
    if bytes != std::fs::read(folder.join("b.tar.gz"))? {
        return Err("the same run and keys gave other bytes".into());
    }
    expect(&bundle("unsigned.tar.gz", &[]), 0, &["not signed"])?;
    // The default name has the time and the id of the run.
    expect(&in_folder(&folder, &["bundle", dir]), 0, &["_meshdrill_", ".tar.gz  1 run"])?;
    expect(&in_folder(&folder, &["bundle", dir]), 2, &["exists already"])?;

    let verify = |arguments: &[&str]| in_folder(&folder, &[&["verify"], arguments].concat());
    let both = ["a.tar.gz", "--key", "operator.key.pub", "--key", "approver.key.pub"];
    let good = verify(&both);
    expect(&good, 0, &["PASS by its record  (lab: no evidence about any cluster)"])?;
    if !good.stdout.lines().last().is_some_and(|last| last.starts_with("VERIFIED  1 run, ")) {
        return Err(good.said().into());
    }
    for unsigned in ["a.tar.gz", "unsigned.tar.gz"] {
        let ran = verify(&[unsigned]);
        expect(&ran, 0, &[])?;
        if !ran.stdout.lines().last().is_some_and(|last| last.ends_with("integrity only, signer unknown")) {
            return Err(ran.said().into());
        }
    }
    expect(
        &verify(&["unsigned.tar.gz", "--key", "operator.key.pub"]),
        10,
        &["no signature of key ", "ALTERED  1 problem"],
    )?;
    expect(&verify(&["a.tar.gz", "--key", "operator.key"]), 2, &["this is a private key"])?;

    let altered = |change: &dyn Fn(&mut Vec<u8>)| -> Result<(), Failed> {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        Ok(std::fs::write(folder.join("altered.tar.gz"), bytes)?)
    };
    let said: [(Alteration<'_>, &str); 4] = [
        (&|bytes| bytes[4] = 1, "gzip: header byte 4 (modification time) is 0x01"),
        (&|bytes| bytes.push(0), "gzip: 1 bytes were appended"),
        (&|bytes| bytes.truncate(bytes.len() / 2), "(truncated?)"),
        (&Vec::clear, "gzip: the file is empty"),
    ];
    for (change, says) in said {
        altered(change)?;
        expect(&verify(&["altered.tar.gz"]), 10, &[says, "ALTERED  "])?;
    }
    let before = std::fs::read_dir(&folder)?.count();
    verify(&both).expect_code(0)?;
    if before == std::fs::read_dir(&folder)?.count() { Ok(()) } else { Err("`verify` wrote something".into()) }
}

/// What the statement and the evidence document say of a lab run with people.
fn recorded() -> Result<(), Failed> {
    let folder = scratch("recorded");
    let people = folder.join("people.yaml");
    let file = "participants:\n  - { name: Jo Kim, role: halt owner }\napprover: { name: Ana Ruiz, at: 2026-11-23T16:00:00Z }\nticket: CHG-1\n";
    std::fs::write(&people, file)?;
    let people = text(&people)?;
    let dir = lab_run(
        &folder,
        &["--participants", people, "--participant", "Max=observer", "--by", "nightly", "--ticket", "CHG-2"],
    )?;
    let evidence: Value = serde_json::from_slice(&std::fs::read(dir.join("evidence.json"))?)?;
    let authority = serde_json::json!({ "requester": "nightly", "approver": "Ana Ruiz", "approvedAt": "2026-11-23T16:00:00Z",
        "ticket": "CHG-2", "window": "not recorded", "haltOwner": "Jo Kim" });
    if evidence["authority"] != authority || evidence["participants"][1]["name"] != "Max" {
        return Err(format!("{:#}\n{:#}", evidence["authority"], evidence["participants"]).into());
    }
    let identity = &evidence["identity"];
    let is_hash = |hash: &Value| hash.as_str().is_some_and(|hash| hash.len() == 64);
    if !is_hash(&identity["scenarioFile"]["sha256"]) || !is_hash(&evidence["files"][0]["sha256"]) {
        return Err(format!("{identity:#}").into());
    }
    if evidence["lab"] != true || evidence["clock"]["virtualTime"] != true || evidence["notice"].is_null() {
        return Err("a lab run is not marked".into());
    }
    // A lab run never passes for another tool either.
    in_folder(&folder, &["bundle", text(&dir)?, "--out", "lab.tar.gz"]).expect_code(0)?;
    let statement = statement(&folder.join("lab.tar.gz"))?;
    let predicate = &statement["predicate"];
    if predicate["result"] != "FAILED" || predicate["lab"] != true || predicate["passedTests"] != serde_json::json!([])
    {
        return Err(format!("{predicate:#}").into());
    }

    let served = Served::start_as_clusters("recorded")?;
    let runs = folder.join("live");
    served.meshdrill(&["run", "week3/ingress-access", "--runs", text(&runs)?]).expect_code(0)?;
    let dir = run_dirs(&runs).pop().ok_or("no run directory")?;
    let evidence: Value = serde_json::from_slice(&std::fs::read(dir.join("evidence.json"))?)?;
    let clusters = evidence["scope"]["clusters"].as_array().ok_or("no clusters")?;
    let known = |cluster: &Value| {
        cluster["uid"].as_str().is_some_and(|uid| uid.len() == 36)
            && cluster["kubernetes"] == "v1.34.1"
            && cluster["istio"] == "1.28.3"
    };
    if clusters.is_empty() || !clusters.iter().all(known) || evidence["lab"] != false {
        return Err(format!("{:#}", evidence["scope"]).into());
    }
    if !evidence["clock"]["moved"].is_number() || !is_hash(&evidence["identity"]["binarySha256"]) {
        return Err(format!("{:#}\n{:#}", evidence["clock"], evidence["identity"]).into());
    }
    in_folder(&folder, &["bundle", text(&dir)?, "--out", "live.tar.gz"]).expect_code(0)?;
    let predicate = &self::statement(&folder.join("live.tar.gz"))?["predicate"];
    if predicate["result"] != "PASSED" || predicate["passedTests"].as_array().is_none_or(Vec::is_empty) {
        return Err(format!("{predicate:#}").into());
    }

    for (arguments, says) in [
        (["--participant", "Jo"], "write NAME=ROLE"),
        (["--participant", "=role"], "write NAME=ROLE"),
        (["--participants", "no-such-file"], "no-such-file"),
    ] {
        let ran = in_folder(&folder, &[&["run", "--lab", "week3/ingress-access"], &arguments[..]].concat());
        expect(&ran, 2, &[says])?;
    }
    std::fs::write(folder.join("over.yaml"), "window: 2020-01-01T00:00:00Z/2020-01-01T02:00:00Z\n")?;
    let over = in_folder(&folder, &["run", "--lab", "drills/ingress-gateway-crash", "--participants", "over.yaml"]);
    expect(&over, 3, &["the change window closed at 2020-01-01T02:00:00Z"])?;
    for wrong in [
        "approver: { name: A, at: yesterday }\n",
        "window: tonight\n",
        "people: []\n",
        "participants: [Jo]\n",
        "ticket: [\n",
    ] {
        std::fs::write(folder.join("wrong.yaml"), wrong)?;
        let ran = in_folder(&folder, &["run", "--lab", "week3/ingress-access", "--participants", "wrong.yaml"]);
        expect(&ran, 2, &["the file of --participants is not valid; nothing was contacted"])?;
    }
    Ok(())
}

/// The statement of a bundle, read with other programs.
fn statement(bundle: &Path) -> Result<Value, Failed> {
    let envelope = Command::new("tar").arg("-xOzf").arg(bundle).arg("statement.dsse.json").output()?.stdout;
    let envelope: Value = serde_json::from_slice(&envelope)?;
    let folder = scratch("payload");
    let path = folder.join("payload");
    std::fs::write(&path, envelope["payload"].as_str().ok_or("no payload")?)?;
    let payload = Command::new("base64").arg("-d").arg(&path).output()?.stdout;
    Ok(serde_json::from_slice(&payload)?)
}

/// The time service of the machine, played by a program on the PATH.
fn runner_clock() -> Result<(), Failed> {
    let folder = scratch("runner-clock");
    let scenario = "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: { name: check }\nspec:\n  checks:\n    - command: { argv: [/bin/true] }\n";
    std::fs::write(folder.join("check.yaml"), scenario)?;
    let sync = |name: &str, programs: &[(&str, &str)]| -> Result<Value, Failed> {
        let bin = folder.join(name);
        std::fs::create_dir_all(&bin)?;
        for (program, script) in programs {
            let path = bin.join(program);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
        let runs = folder.join(format!("runs-{name}"));
        let mut command = meshdrill();
        command.current_dir(&folder).env("PATH", &bin).args(["run", "check.yaml", "--runs"]).arg(&runs);
        run(&mut command).expect_code(0)?;
        let dir = run_dirs(&runs).pop().ok_or("no run directory")?;
        in_folder(&folder, &["verify", text(&dir)?]).expect_code(0)?;
        let evidence: Value = serde_json::from_slice(&std::fs::read(dir.join("evidence.json"))?)?;
        Ok(evidence["clock"]["sync"].clone())
    };
    let tracking = "echo A29FC87B,162.159.200.123,4,1764359000.1,-0.001,0.0,0.0,-1.2,0.0,0.0,0.012,0.0005,64.2,Normal";
    let unsynchronised = "echo Timezone=Etc/UTC; echo NTPSynchronized=no";
    for (name, programs, expected) in [
        (
            "chrony",
            &[("chronyc", tracking), ("timedatectl", unsynchronised)][..],
            serde_json::json!({ "state": "synchronized", "by": "chronyc", "server": "162.159.200.123", "offset": 0.001, "error": 0.0075 }),
        ),
        (
            "systemd",
            &[("chronyc", "echo 506 Cannot talk to daemon; exit 1"), ("timedatectl", unsynchronised)],
            serde_json::json!({ "state": "not-synchronized", "by": "timedatectl" }),
        ),
        (
            "nothing",
            &[("chronyc", "exit 1")],
            serde_json::json!({ "state": "unknown", "reason": "chronyc: exit code 1; timedatectl: not installed; adjtimex: not installed" }),
        ),
    ] {
        let found = sync(name, programs)?;
        if found != expected {
            return Err(format!("{name}: {found:#}").into());
        }
    }
    Ok(())
}

fn run_directories() -> Result<(), Failed> {
    let folder = scratch("run-directories");
    let dir = lab_run(&folder, &[])?;
    let (name, dir) = (text(&dir)?.to_owned(), dir);
    expect(&in_folder(&folder, &["verify", &name]), 0, &["INTACT  1 run, "])?;
    expect(&in_folder(&dir, &["verify", "."]), 0, &["INTACT  1 run, "])?;
    expect(&in_folder(&folder, &["verify", &name, "--key", "x"]), 2, &["x: cannot be read"])?;
    let refused = |says: &str| -> Result<(), Failed> {
        expect(&in_folder(&folder, &["verify", &name]), 10, &[says, "ALTERED  "])?;
        expect(&in_folder(&folder, &["bundle", &name, "--out", "no.tar.gz"]), 2, &[says, "no bundle was written"])?;
        if folder.join("no.tar.gz").exists() { Err("a bundle was written".into()) } else { Ok(()) }
    };
    for file in ["report.md", "manifest.json", "evidence.json", "scorecard.json", "plan.yaml"] {
        let path = dir.join(file);
        let content = std::fs::read(&path)?;
        let mut appended = content.clone();
        appended.push(b'\n');
        std::fs::write(&path, appended)?;
        refused(&format!("  {file}: was altered"))?;
        std::fs::write(&path, &content[..content.len() / 2])?;
        refused(&format!("  {file}: was altered"))?;
        std::fs::remove_file(&path)?;
        refused(&format!("  {file}: is missing"))?;
        std::fs::write(&path, content)?;
    }
    std::fs::write(dir.join("added.txt"), "x")?;
    refused("  added.txt: was added: manifest.json does not list it")?;
    std::fs::remove_file(dir.join("added.txt"))?;
    expect(&in_folder(&folder, &["verify", &name]), 0, &["INTACT  1 run, "])?;
    std::os::unix::fs::symlink("/etc/hostname", dir.join("link"))?;
    expect(&in_folder(&folder, &["bundle", &name]), 2, &["a link; a run directory has regular files only"])?;
    std::fs::remove_file(dir.join("link"))?;
    std::fs::create_dir(dir.join("folder"))?;
    expect(&in_folder(&folder, &["verify", &name]), 2, &["a folder; a run directory has regular files only"])?;
    std::fs::remove_dir(dir.join("folder"))?;
    expect(&in_folder(&folder, &["bundle", &name, &name]), 2, &["name each once"])?;
    let foreign = folder.join("foreign");
    std::fs::create_dir(&foreign)?;
    expect(&in_folder(&folder, &["bundle", "foreign"]), 2, &["manifest.json: is missing"])
}

fn paths() -> Result<(), Failed> {
    let folder = scratch("paths");
    let dir = lab_run(&folder, &[])?;
    let dir = text(&dir)?;
    std::fs::write(folder.join("there"), "mine")?;
    std::fs::write(folder.join("none.key"), "no key")?;
    let cases: [(&[&str], &str); 11] = [
        (&["bundle", dir, "--out", "there"], "there exists already"),
        (&["bundle", dir, "--out", "."], ". exists already"),
        (&["bundle", dir, "--out", "no/such/folder.tar.gz"], "make its folder first"),
        (&["bundle", dir, "--out", "/dev/full"], "free space"),
        (&["bundle", "no-such-run"], "name a run directory"),
        (&["bundle", dir, "--sign", "none.key"], "not a PEM file"),
        (&["bundle", dir, "--sign", "no-such.key"], "no-such.key: cannot be read"),
        (&["verify", "no-such-bundle"], "no-such-bundle: cannot be read"),
        (&["verify", dir, "--key", "none.key"], "not a PEM file"),
        (&["keygen", "there"], "a key is never overwritten"),
        (&["keygen", "no/such/folder.key"], "make its folder first"),
    ];
    for (arguments, says) in cases {
        expect(&in_folder(&folder, arguments), 2, &[says])?;
    }
    std::fs::write(folder.join("half.pub"), "mine")?;
    expect(&in_folder(&folder, &["keygen", "half"]), 2, &["half.pub exists already"])?;
    if folder.join("half").exists() || std::fs::read_to_string(folder.join("there"))? != "mine" {
        return Err("a file was written or replaced".into());
    }
    expect(&in_folder(&folder, &["keygen", "new.key"]), 0, &[])?;
    let mode = std::fs::metadata(folder.join("new.key"))?.permissions().mode() & 0o777;
    if mode != 0o600 {
        return Err(format!("the private key has the mode {mode:o}").into());
    }
    let left: Vec<String> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()?;
    match left.iter().find(|name| name.contains(".part") || name.contains("tar.gz")) {
        Some(left) => Err(format!("{left} was left behind").into()),
        None => Ok(()),
    }
}

/// `recover` adds a line to the journal of a run that left something behind on this machine.
fn recovered() -> Result<(), Failed> {
    let folder = scratch("recovered");
    let (at, runs) = (folder.display(), folder.join("runs"));
    let scenario = format!(
        "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: left }}\nspec:\n  baseline: 1s\n  observe: 2s\n  probes:\n    nothing: {{ command: {{ argv: [\"true\"] }}, every: 200ms }}\n  faults:\n    - command: {{ argv: [touch, {at}/broken], undo: [test, -e, {at}/may-be-undone] }}\n      for: 1s\n      effect: [{{ command: {{ argv: [test, -e, {at}/broken] }} }}]\n  recovered:\n    - command: {{ argv: [\"true\"] }}\n  sla:\n    - {{ probe: nothing, errorRate: 90% }}\n"
    );
    std::fs::write(folder.join("left.yaml"), scenario)?;
    let ran = in_folder(&folder, &["run", "--lab", "left.yaml"]);
    ran.expect_code(12)?;
    let dir = run_dirs(&runs).pop().ok_or("no run directory")?;
    expect(&in_folder(&folder, &["verify", text(&dir)?]), 0, &["ERROR by its record", "INTACT"])?;
    std::fs::write(folder.join("may-be-undone"), "")?;
    let before = std::fs::read(dir.join("journal.jsonl"))?;
    expect(&in_folder(&folder, &["recover"]), 0, &["this machine: "])?;
    if std::fs::read(dir.join("journal.jsonl"))? == before {
        return Err("the journal did not change".into());
    }
    expect(&in_folder(&folder, &["verify", text(&dir)?]), 0, &["ERROR by its record", "INTACT"])?;
    // What was altered before stays so.
    std::fs::write(dir.join("report.md"), "# better\n")?;
    std::fs::write(dir.join("journal.jsonl"), before)?;
    expect(&in_folder(&folder, &["recover"]), 0, &["this machine: "])?;
    expect(&in_folder(&folder, &["verify", text(&dir)?]), 10, &["report.md: was altered"])
}

/// Tokens and passwords of kubeconfig, mesh file and signing keys are in no file of a run directory or bundle.
fn secrets() -> Result<(), Failed> {
    const SECRETS: [&str; 3] = ["PLANTEDbearer7f3a", "PLANTEDpassword9c1d", "PLANTEDtoken5e2b"];
    let served = Served::start("secrets")?;
    let folder = &served.folder;
    let kubeconfig = std::fs::read_to_string(&served.kubeconfig)?;
    let mut config: Value = serde_saphyr_value(&kubeconfig)?;
    for user in config["users"].as_array_mut().ok_or("no users")? {
        user["user"] = serde_json::json!({ "token": SECRETS[0] });
    }
    std::fs::write(&served.kubeconfig, config.to_string())?;
    let mut mesh: Value = serde_saphyr_value(&std::fs::read_to_string(&served.mesh)?)?;
    std::fs::write(folder.join("token"), SECRETS[2])?;
    let token = folder.join("token");
    let clusters = mesh["spec"]["clusters"].as_object_mut().ok_or("no clusters")?;
    let mut planted = 0;
    for (number, cluster) in clusters.values_mut().enumerate() {
        let Some(url) = cluster["prometheus"][0].as_str().map(str::to_owned) else { continue };
        planted += 1;
        cluster["prometheus"][0] = if number == 0 {
            url.replacen("://", &format!("://admin:{}@", SECRETS[1]), 1).into()
        } else {
            serde_json::json!({ "url": url, "token": { "file": token } })
        };
    }
    if planted < 2 {
        return Err("the mesh file of the lab names no Prometheus".into());
    }
    std::fs::write(&served.mesh, mesh.to_string())?;
    let runs = folder.join("runs");
    // One that uses Prometheus, and a drill with a journal. Whatever their verdict is, nothing of the secrets may be in their files.
    for scenario in ["week4/prometheus-both-clusters", "week4/cross-cluster-metrics", "drills/ingress-gateway-crash"] {
        let arguments = ["run", scenario, "--yes", "--verbose", "--runs", text(&runs)?];
        let ran = served.meshdrill(&arguments);
        no_secret(&SECRETS, "the output", format!("{}{}", ran.stdout, ran.stderr).as_bytes())?;
    }
    let dirs = run_dirs(&runs);
    // One of them runs once per pair of clusters.
    if dirs.len() < 3 {
        return Err(format!("{} runs of 3 scenarios", dirs.len()).into());
    }
    in_folder(folder, &["keygen", "op.key"]).expect_code(0)?;
    let private = std::fs::read_to_string(folder.join("op.key"))?;
    let private = private.lines().nth(1).ok_or("no key")?;
    for (number, dir) in dirs.iter().enumerate() {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            no_secret(&SECRETS, &path.display().to_string(), &std::fs::read(&path)?)?;
        }
        let out = format!("{number}.tar.gz");
        in_folder(folder, &["bundle", text(dir)?, "--sign", "op.key", "--out", &out]).expect_code(0)?;
        let expanded = Command::new("gzip").arg("-dc").arg(folder.join(&out)).output()?.stdout;
        no_secret(&[&SECRETS[..], &[private]].concat(), &out, &expanded)?;
        let payload = statement(&folder.join(&out))?.to_string();
        no_secret(&[&SECRETS[..], &[private]].concat(), "the statement", payload.as_bytes())?;
    }
    Ok(())
}

fn serde_saphyr_value(text: &str) -> Result<Value, Failed> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string().into())
}

fn no_secret(secrets: &[&str], place: &str, content: &[u8]) -> Result<(), Failed> {
    let text = String::from_utf8_lossy(content);
    match secrets.iter().find(|secret| text.contains(**secret)) {
        Some(secret) => Err(format!("{place} has the secret {secret}").into()),
        None => Ok(()),
    }
}

/// A key of openssl signs here, and a signature made here is verified by openssl.
fn interoperates() -> Result<(), Failed> {
    let folder = scratch("openssl");
    let dir = lab_run(&folder, &[])?;
    let openssl = |arguments: &[&str]| -> Result<(), Failed> {
        let output = Command::new("openssl").current_dir(&folder).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("openssl {arguments:?}: {said}").into()) }
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs.key"])?;
    openssl(&["pkey", "-in", "theirs.key", "-pubout", "-out", "theirs.pub"])?;
    in_folder(&folder, &["keygen", "ours.key"]).expect_code(0)?;
    openssl(&["pkey", "-in", "ours.key", "-pubout", "-out", "again.pub"])?;
    if std::fs::read(folder.join("again.pub"))? != std::fs::read(folder.join("ours.key.pub"))? {
        return Err("openssl derives another public key".into());
    }
    let bundle = ["bundle", text(&dir)?, "--out", "b.tar.gz", "--sign", "theirs.key", "--sign", "ours.key"];
    in_folder(&folder, &bundle).expect_code(0)?;
    let keys = ["verify", "b.tar.gz", "--key", "theirs.pub", "--key", "ours.key.pub"];
    expect(&in_folder(&folder, &keys), 0, &["VERIFIED  "])?;

    let envelope = Command::new("tar").arg("-xOzf").arg(folder.join("b.tar.gz")).arg("statement.dsse.json").output()?;
    let envelope: Value = serde_json::from_slice(&envelope.stdout)?;
    let decode = |name: &str, value: &Value| -> Result<Vec<u8>, Failed> {
        let path = folder.join(name);
        std::fs::write(&path, value.as_str().ok_or("no text")?)?;
        Ok(Command::new("base64").arg("-d").arg(&path).output()?.stdout)
    };
    let payload = decode("payload", &envelope["payload"])?;
    let kind = envelope["payloadType"].as_str().ok_or("no type")?;
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    std::fs::write(folder.join("message"), [head.as_bytes(), &payload].concat())?;
    for (number, signature) in envelope["signatures"].as_array().ok_or("no signatures")?.iter().enumerate() {
        let name = format!("{number}.sig");
        std::fs::write(folder.join(&name), decode("sig", &signature["sig"])?)?;
        let verified = ["theirs.pub", "ours.key.pub"].iter().any(|key| {
            openssl(&["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-in", "message", "-sigfile", &name])
                .is_ok()
        });
        if !verified {
            return Err(format!("openssl does not verify {signature}").into());
        }
    }
    let ecdsa = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec.key"];
    openssl(&ecdsa)?;
    let refused = ["bundle", text(&dir)?, "--out", "ec.tar.gz", "--sign", "ec.key"];
    expect(&in_folder(&folder, &refused), 2, &["ec.key: not an Ed25519 key"])?;
    openssl(&["pkey", "-in", "theirs.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"])?;
    let refused = ["bundle", text(&dir)?, "--out", "locked.tar.gz", "--sign", "locked.key"];
    expect(&in_folder(&folder, &refused), 2, &["the key is encrypted"])
}
