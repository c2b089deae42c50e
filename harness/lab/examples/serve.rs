//! Serves a lab on loopback sockets: `cargo run --example serve -- KUBECONFIG [DEFECT...]`.

use meshdrill_lab::{Lab, LabConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: serve KUBECONFIG [DEFECT...]")?;
    let defects = args.map(|d| d.parse()).collect::<Result<_, _>>()?;
    let lab = Lab::start(LabConfig { defects, ..LabConfig::default() })?;
    let served = lab.serve().await?;
    std::fs::write(&path, &served.kubeconfig)?;
    for address in &served.addresses {
        println!("{:10} {:40} {:28} {}", address.cluster, address.what, address.lab, address.url());
    }
    std::future::pending::<()>().await;
    Ok(())
}
