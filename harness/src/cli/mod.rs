//! The commands. Results on stdout, everything else on stderr; exit codes as documented.

/// Writes a line of results to stdout.
macro_rules! say {
    () => { $crate::cli::output::write(format_args!("\n")) };
    ($($text:tt)*) => {{
        $crate::cli::output::write(format_args!($($text)*));
        $crate::cli::output::write(format_args!("\n"));
    }};
}
/// The same without the end of the line.
macro_rules! say_part {
    ($($text:tt)*) => { $crate::cli::output::write(format_args!($($text)*)) };
}
/// Writes a line to stderr. A terminal that has hung up is no reason to panic: the undo goes on without it.
macro_rules! say_err {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
use {say, say_err, say_part};

mod args;
mod as_json;
mod authoring;
mod authority;
mod check;
mod compare;
mod display;
mod error;
mod evidence;
mod history;
mod lab;
mod left_out;
mod mesh_file;
mod mesh_init;
mod output;
mod plans;
mod recorded;
mod rerun;
mod rescue;
mod results;
mod run;
mod signals;
mod signoff;
mod summary;

use std::io::IsTerminal as _;
use std::process;

use clap::Parser as _;
use meshdrill_checks::exit_code::ExitCode;

use args::{Cli, Command};
use error::CliError;

/// Parses the command line, runs the command, and returns its exit code.
pub fn main() -> process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with success; everything else is wrong usage.
            let _ = error.print();
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Pass };
            return process::ExitCode::from(code.number());
        }
    };
    let runs = matches!(cli.command, Command::Run(_));
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plans::plan(&args),
        Command::List(args) => plans::list(&args),
        Command::Check(args) => check::check(&args),
        Command::New(args) => authoring::new(&args),
        Command::Explain(args) => authoring::explain(&args),
        Command::Schema(args) => authoring::schema(&args),
        Command::Completions(args) => Ok(authoring::completions(&args)),
        Command::Mesh(args) => mesh_init::mesh(&args),
        Command::Lab(args) => lab::lab(&args),
        Command::Score(args) => results::score(&args),
        Command::Record(args) => results::print_record(&args),
        Command::Report(args) => results::report(&args),
        Command::Bundle(args) => evidence::bundle(&args),
        Command::Verify(args) => evidence::verify(&args),
        Command::Keygen(args) => evidence::keygen(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::History(args) => history::history(&args),
        Command::Signoff(args) => signoff::signoff(&args),
        Command::Status(args) => rescue::status(&args),
        Command::Recover(args) => rescue::recover(&args),
        Command::Halt(args) => rescue::halt(&args),
        Command::Resume(args) => rescue::resume(&args),
    };
    let code = done.unwrap_or_else(|error| {
        say_err!("meshdrill: {error}");
        error.exit_code()
    });
    let code = match output::failure() {
        // What a run found is not hidden by it, nor is damage.
        Some(why) => {
            say_err!("meshdrill: stdout cannot be written: {why}; redirect it to a file on a disk with space");
            ExitCode::merge([code, if runs { ExitCode::Internal } else { ExitCode::Usage }])
        }
        None => code,
    };
    process::ExitCode::from(code.number())
}

/// A runtime for one thread of work: a probe's timing does not profit from more.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    // Timers are looked at more often than by default, so that a schedule keeps its time under load.
    tokio::runtime::Builder::new_current_thread().event_interval(8).enable_all().build().map_err(CliError::from)
}

/// A runtime whose clock is virtual: waiting costs nothing.
fn virtual_runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().map_err(CliError::from)
}

/// Whether stderr takes colour.
fn colour() -> bool {
    takes_colour(std::io::stderr().is_terminal())
}

/// Whether stdout takes colour.
fn colour_of_results() -> bool {
    takes_colour(std::io::stdout().is_terminal())
}

fn takes_colour(terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A message as long as a screen shows it; files have it whole.
fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    meshdrill_reports::cut(text, meshdrill_reports::LONGEST)
}
