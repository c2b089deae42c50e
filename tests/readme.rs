//! Every command of the README, in order, as a new user would type them; and every subcommand is among them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use crate::cli::served::Served;
use crate::command::{Ran, ended, meshdrill, root, run, run_dirs, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("readme::its commands on the served lab", on_the_served_lab),
        Trial::test("readme::every subcommand is in it", every_subcommand),
    ]
}

/// A command of the README, and the exit code it ends with: 0, unless its comment names another as `exit code 10`.
struct Shown {
    words: Vec<String>,
    code: i32,
}

/// The commands in the README's blocks, without their comments.
fn commands() -> Result<Vec<Shown>, Failed> {
    let text = std::fs::read_to_string(root().join("README.md"))?;
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && line.starts_with("meshdrill ") {
            let (command, comment) = line.split_once("  #").unwrap_or((line, ""));
            let code = comment.split_once("exit code ").and_then(|(_, after)| after.split(' ').next()?.parse().ok());
            let words = command.split_whitespace().skip(1).map(str::to_owned).collect();
            found.push(Shown { words, code: code.unwrap_or(0) });
        }
    }
    if found.len() < 10 { Err(format!("{} commands in the README", found.len()).into()) } else { Ok(found) }
}

/// The subcommands that `--help` lists.
fn subcommands() -> Vec<String> {
    let help = run(meshdrill().arg("--help")).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

fn every_subcommand() -> Result<(), Failed> {
    let commands = commands()?;
    let names = subcommands();
    if names.len() < 10 {
        return Err(format!("`--help` lists {names:?}").into());
    }
    match names.iter().find(|name| !commands.iter().any(|command| command.words.first() == Some(name))) {
        Some(missing) => Err(format!("no command of the README shows `meshdrill {missing}`").into()),
        None => Ok(()),
    }
}

fn on_the_served_lab() -> Result<(), Failed> {
    let served = Served::start("readme")?;
    in_order(&served.kubeconfig, &[])
}

/// The same on real clusters.
pub fn on_the_mesh(_: &Path) -> Result<(), Failed> {
    let before = crate::live::state()?;
    let kubeconfig = std::env::var_os("KUBECONFIG").map(PathBuf::from).ok_or("KUBECONFIG is not set")?;
    // Two cores are too few for all validations of two clusters at once.
    in_order(&kubeconfig, &[("MESHDRILL_JOBS", "1")])?;
    crate::live::as_before(&before)
}

/// Runs all commands in an empty folder. Whatever they write stays there for the next one.
fn in_order(kubeconfig: &Path, environment: &[(&str, &str)]) -> Result<(), Failed> {
    let folder = scratch("readme");
    for Shown { words, code } in commands()? {
        let words: Vec<String> = words.iter().map(|word| filled_in(word, &folder)).collect::<Result<_, _>>()?;
        let mut command = meshdrill();
        command.current_dir(&folder).env("KUBECONFIG", kubeconfig).envs(environment.iter().copied()).args(&words);
        if words.first().is_some_and(|word| word == "run") {
            // A terminal is asked; a script gives its consent.
            command.arg("--yes");
        }
        let ran = if words.first().is_some_and(|word| word == "lab") {
            until_ready(&mut command)?
        } else {
            run(&mut command)
        };
        ran.expect_code(code).map_err(|error| format!("meshdrill {}: {error}", words.join(" ")))?;
    }
    Ok(())
}

/// A word of a command, with what stands for it here.
fn filled_in(word: &str, folder: &Path) -> Result<String, Failed> {
    match word {
        "CONTEXT_A" => Ok(crate::live::CONTEXTS[0].to_owned()),
        "CONTEXT_B" => Ok(crate::live::CONTEXTS[1].to_owned()),
        "RUN" | "EARLIER" | "LATER" => {
            let last = run_dirs(&folder.join("runs")).pop().ok_or("no run directory for RUN")?;
            Ok(last.display().to_string())
        }
        word if word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
            Err(format!("the README has a placeholder {word} that no trial fills in").into())
        }
        word => Ok(word.to_owned()),
    }
}

/// Runs a command that serves until it is interrupted, and interrupts it once it is ready.
fn until_ready(command: &mut Command) -> Result<Ran, Failed> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines().map_while(Result::ok);
    let ready = lines.any(|line| line == "ready");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    let ran = ended(child);
    if ready { Ok(ran) } else { Err(format!("it was never ready\n{}", ran.said()).into()) }
}
