//! `mesh init`, `mesh diff` and what runs over the inventory, against the served lab.

use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};

use super::served::Served;
use crate::command::{Ran, meshdrill, run};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("inventory::what mesh init finds is ready, and a change is named", found_and_changed),
        Trial::test("inventory::what nobody has confirmed is inconclusive", unconfirmed),
        Trial::test("inventory::what is not known is never a pass", unknown),
        Trial::test("inventory::what no longer fits is named with the remedy", renamed),
        Trial::test("inventory::drills break only what the mesh file lists", targets),
        Trial::test("inventory::mesh init --update keeps what people wrote", updated),
        Trial::test("inventory::mesh init --update adds an inventory to a file of before", added),
    ]
}

/// A served lab and the mesh file that `mesh init` wrote for it.
struct Site {
    served: Served,
    file: PathBuf,
}

impl Site {
    fn new(name: &str) -> Result<Self, Failed> {
        let served = Served::start(name)?;
        let file = served.folder.join("detected.yaml");
        let contexts = ["--context", "primary-cluster-context", "--context", "secondary-cluster"];
        let site = Self { served, file };
        let mut init = meshdrill();
        init.args(["mesh", "init", "--faults", "allowed"]).args(contexts).arg("--out").arg(&site.file);
        run(init.arg("--kubeconfig").arg(&site.served.kubeconfig)).expect_code(0)?;
        Ok(site)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }

    /// Changes the file; what is replaced must be there.
    fn edit(&self, from: &str, to: &str) -> Result<(), Failed> {
        let text = self.text();
        if !text.contains(from) {
            return Err(format!("the mesh file has no `{from}`:\n{text}").into());
        }
        Ok(std::fs::write(&self.file, text.replace(from, to))?)
    }

    fn meshdrill(&self, arguments: &[&str]) -> Ran {
        let mut command = meshdrill();
        command.args(arguments).arg("--mesh").arg(&self.file);
        if arguments.first() != Some(&"list") {
            command.arg("--kubeconfig").arg(&self.served.kubeconfig);
        }
        if arguments.first() == Some(&"run") {
            command.arg("--runs").arg(self.served.folder.join("runs"));
        }
        run(&mut command)
    }
}

fn says(ran: &Ran, code: i32, words: &[&str]) -> Result<(), Failed> {
    ran.expect_code(code)?;
    match words.iter().find(|words| !ran.stdout.contains(**words) && !ran.stderr.contains(**words)) {
        None => Ok(()),
        Some(words) => Err(format!("`{words}` was not said\n{}", ran.said()).into()),
    }
}

fn found_and_changed() -> Result<(), Failed> {
    let site = Site::new("inventory-found")?;
    let rows =
        ["gateways", "entry-points", "workloads", "services", "crossing", "configuration", "configuration-drift"];
    says(&site.meshdrill(&[&["run"], &rows[..]].concat()), 0, &["pass"])?;
    says(&site.meshdrill(&["mesh", "diff"]), 0, &["nothing changed"])?;
    site.served.delete("secondary", "/apis/apps/v1/namespaces/bookinfo/deployments/details-v1")?;
    let gone = "- namespaces.bookinfo.workloads.deployment/details-v1";
    let differs = site.meshdrill(&["mesh", "diff"]);
    differs.expect_code(10)?;
    if !differs.stdout.contains("namespaces.bookinfo.workloads") {
        return Err(format!("not like `{gone}`\n{}", differs.said()).into());
    }
    says(&site.meshdrill(&["run", "workloads@secondary"]), 10, &["bookinfo deployment/details-v1 does not exist"])
}

fn unconfirmed() -> Result<(), Failed> {
    let site = Site::new("inventory-unconfirmed")?;
    site.edit("  inventory:\n", "  inventory:\n    unconfirmed: [entrypoints.bookinfo]\n")?;
    let ran = site.meshdrill(&["run", "entry-points@bookinfo-primary"]);
    says(&ran, 11, &["entrypoints.bookinfo of the inventory is not confirmed", "remove it from `unconfirmed`"])
}

fn unknown() -> Result<(), Failed> {
    let site = Site::new("inventory-unknown")?;
    site.edit(
        "  inventory:\n",
        "  inventory:\n    unknown: { dashboards: 'us: permission to list services is missing' }\n",
    )?;
    let why = "dashboards of the inventory are not all known: us: permission to list services is missing";
    says(&site.meshdrill(&["run", "dashboards"]), 11, &["pass", why])?;
    says(&site.meshdrill(&["list", "dashboards"]), 0, &["unknown", why])
}

fn renamed() -> Result<(), Failed> {
    let site = Site::new("inventory-renamed")?;
    site.edit("        service: istio-ingressgateway", "        service: edge")?;
    site.edit("          deployment/ratings-v1: all", "          deployment/rating-v1: all")?;
    let ran = site.meshdrill(&["run", "gateways@istio-ingressgateway-primary"]);
    says(&ran, 10, &["Service istio-system/edge does not exist; `meshdrill mesh init --update` looks again"])?;
    let ran = site.meshdrill(&["run", "workloads@primary"]);
    says(&ran, 10, &["bookinfo deployment/rating-v1 does not exist, did you mean `deployment/ratings-v1`?"])
}

fn targets() -> Result<(), Failed> {
    let site = Site::new("inventory-targets")?;
    says(&site.meshdrill(&["list", "gateway-crash"]), 0, &["gateway-crash@istio-ingressgateway-primary"])?;
    site.edit("    - istio-ingressgateway\n", "    - another\n")?;
    let unknown = ["the inventory has no gateway `another`", "it has `istio-eastwestgateway`, `istio-ingressgateway`"];
    says(&site.meshdrill(&["run", "--yes", "gateway-crash"]), 2, &unknown)?;
    // What leads nowhere is removed, and said.
    let mut update = meshdrill();
    update.args(["mesh", "init", "--update", "--out"]).arg(&site.file).arg("--kubeconfig").arg(&site.served.kubeconfig);
    says(&run(&mut update), 0, &["removed drills.gateways: another"])?;
    let remedy = "write `drills: { gateways: [istio-ingressgateway] }` in it to allow that";
    says(
        &site.meshdrill(&["run", "--yes", "gateway-crash"]),
        11,
        &["nothing that is selected runs on this mesh", remedy],
    )
}

fn updated() -> Result<(), Failed> {
    let site = Site::new("inventory-updated")?;
    site.edit(
        "        path: /productpage\n",
        "        path: /api/v1/products/0\n        sla: { recoveryTime: 42s }\n",
    )?;
    site.edit(
        "    dashboards:\n",
        "    differences: ['VirtualService bookinfo/reviews-traffic-split: spec.http']\n    dashboards:\n",
    )?;
    site.served.delete("secondary", "/apis/apps/v1/namespaces/sample/deployments/sleep")?;
    let mut update = meshdrill();
    update.args(["mesh", "init", "--update", "--out"]).arg(&site.file).arg("--kubeconfig").arg(&site.served.kubeconfig);
    let ran = run(&mut update);
    says(&ran, 0, &["namespaces.sample.workloads", "detected.yaml.before"])?;
    let text = site.text();
    for kept in [
        "recoveryTime: 42s",
        "/api/v1/products/0",
        "VirtualService bookinfo/reviews-traffic-split: spec.http",
        "deployment/sleep: primary",
    ] {
        if !text.contains(kept) {
            return Err(format!("`{kept}` is not in it\n{text}").into());
        }
    }
    Ok(())
}

fn added() -> Result<(), Failed> {
    let served = Served::start("inventory-added")?;
    let mut update = meshdrill();
    update.args(["mesh", "init", "--update", "--out"]).arg(&served.mesh).arg("--kubeconfig").arg(&served.kubeconfig);
    says(&run(&mut update), 0, &["+ gateways.istio-ingressgateway"])?;
    let text = std::fs::read_to_string(&served.mesh)?;
    if text.contains("  inventory:\n") { Ok(()) } else { Err(format!("no inventory\n{text}").into()) }
}
