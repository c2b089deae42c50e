//! Every scenario file is a trial, and so is everything else that only the built binary can show.
//!
//! The lab arm needs nothing. The live arm runs the same bodies against real clusters when `MESHDRILL_LIVE_MESH` names a
//! mesh file; without one its trials are ignored, and say why.

mod access;
mod addresses;
mod alerts;
mod annotations;
mod answers;
mod browser;
mod cli;
mod command;
mod evidence;
mod faults;
mod findings;
mod held;
mod invalid;
mod junit;
mod known_outages;
mod ledger;
mod live;
mod logins;
mod matrix;
mod meshes;
mod monitoring;
mod must_fail;
mod nights;
mod pages;
mod prepared;
mod readme;
mod requests;
mod routes;
mod scenarios;
mod signoff;
mod stand_in;
mod tls;
mod turned;
mod words;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A quarter of them wait for real time to pass: two at work and one that waits keep two cores busy.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.test_threads.get_or_insert(cores + cores.div_ceil(2));
    let mut trials = Vec::new();
    trials.extend(scenarios::trials());
    let rows = must_fail::rows();
    trials.extend(must_fail::trials(&rows));
    trials.extend(matrix::trials(&rows));
    trials.extend(meshes::trials());
    trials.extend(evidence::trials());
    trials.extend(faults::trials());
    trials.extend(findings::trials());
    trials.extend(held::trials());
    trials.extend(invalid::trials());
    trials.extend(junit::trials());
    trials.extend(cli::trials());
    trials.extend(readme::trials());
    trials.extend(known_outages::trials());
    trials.extend(access::trials());
    trials.extend(addresses::trials());
    trials.extend(alerts::trials());
    trials.extend(annotations::trials());
    trials.extend(answers::trials());
    trials.extend(logins::trials());
    trials.extend(monitoring::trials());
    trials.extend(ledger::trials());
    trials.extend(nights::trials());
    trials.extend(pages::trials());
    trials.extend(prepared::trials());
    trials.extend(requests::trials());
    trials.extend(routes::trials());
    trials.extend(turned::trials());
    trials.extend(signoff::trials());
    trials.extend(words::trials());
    trials.extend(live::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    match matrix::write(rows.len()) {
        Ok(true) => conclusion.exit_code(),
        Ok(false) => {
            eprintln!("docs/detection-matrix.md is not what the trials found; run `cargo test` and commit it");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("docs/detection-matrix.md: {error}");
            ExitCode::FAILURE
        }
    }
}
