//! The `meshdrill` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    meshdrill::cli::main()
}
