//! Every scenario file is a trial, and so is everything else that only the built binary can show.
//!
//! The lab arm needs nothing. The live arm runs the same bodies against real clusters when `MESHDRILL_LIVE_MESH` names a
//! mesh file; without one its trials are ignored, and say why.

mod cli;
mod command;
mod faults;
mod invalid;
mod known_outages;
mod live;
mod must_fail;
mod scenarios;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    trials.extend(scenarios::trials());
    trials.extend(must_fail::trials());
    trials.extend(faults::trials());
    trials.extend(invalid::trials());
    trials.extend(cli::trials());
    trials.extend(known_outages::trials());
    trials.extend(live::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
