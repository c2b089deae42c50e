//! `sh -c`: words, quotes, `;`, `&&`, `||`, `exit` and redirections to nowhere. No variables but `$?` and `$HOSTNAME`, no pipes.

use super::channels::{Exit, Output};
use super::command::{Cx, run as run_command};

/// Runs `sh` with its arguments.
pub(super) async fn run(cx: &Cx, args: &[String], output: &Output) -> Exit {
    let mut args = args.iter();
    let script = loop {
        match args.next().map(String::as_str) {
            Some(flag) if flag.starts_with('-') && flag.contains('c') => break args.next(),
            Some(flag) if flag.starts_with('-') => {}
            _ => return Exit::Code(0),
        }
    };
    let Some(script) = script else { return Exit::Code(2) };
    let host =
        cx.lab.with(|world| world.clusters[cx.c].pods.get(&cx.place.uid).map(|p| p.name.clone()).unwrap_or_default());
    let mut code = 0;
    for (join, words) in parse(script) {
        let skip = match join {
            Join::Always => false,
            Join::And => code != 0,
            Join::Or => code == 0,
        };
        if skip || words.is_empty() {
            continue;
        }
        let mut out = output.clone();
        let mut command = Vec::new();
        for word in words {
            match word.as_str() {
                ">/dev/null" | "1>/dev/null" => out.quiet_out = true,
                "2>/dev/null" => out.quiet_err = true,
                "2>&1" => out.joined = true,
                "&>/dev/null" => (out.quiet_out, out.quiet_err) = (true, true),
                _ => command.push(word.replace("$?", &code.to_string()).replace("$HOSTNAME", &host)),
            }
        }
        if command.first().is_some_and(|w| w == "exit") {
            return Exit::Code(command.get(1).and_then(|n| n.parse().ok()).unwrap_or(code));
        }
        if command.first().is_some_and(|w| w == "exec") {
            command.remove(0);
        }
        code = match run_command(cx, &command, &out).await {
            Exit::Code(code) => code,
            Exit::Missing(program) => {
                out.err(format!("sh: {program}: not found\n")).await;
                127
            }
        };
    }
    Exit::Code(code)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    Always,
    And,
    Or,
}

/// Commands with what joins each to the one before.
fn parse(script: &str) -> Vec<(Join, Vec<String>)> {
    let mut commands = vec![(Join::Always, Vec::new())];
    let (mut word, mut open) = (String::new(), false);
    let mut chars = script.chars().peekable();
    let finish = |commands: &mut Vec<(Join, Vec<String>)>, word: &mut String, open: &mut bool| {
        if *open || !word.is_empty() {
            if let Some((_, words)) = commands.last_mut() {
                // `> /dev/null` is one thing.
                match words.last_mut() {
                    Some(last) if matches!(last.as_str(), ">" | "2>" | "1>" | "&>") => last.push_str(word),
                    _ => words.push(word.clone()),
                }
            }
            word.clear();
            *open = false;
        }
    };
    while let Some(x) = chars.next() {
        match x {
            '\'' | '"' => {
                open = true;
                while let Some(y) = chars.next() {
                    match y {
                        y if y == x => break,
                        '\\' if x == '"' => word.extend(chars.next()),
                        y => word.push(y),
                    }
                }
            }
            '\\' => word.extend(chars.next()),
            ';' | '\n' => {
                finish(&mut commands, &mut word, &mut open);
                commands.push((Join::Always, Vec::new()));
            }
            '&' if chars.peek() == Some(&'&') => {
                chars.next();
                finish(&mut commands, &mut word, &mut open);
                commands.push((Join::And, Vec::new()));
            }
            '|' if chars.peek() == Some(&'|') => {
                chars.next();
                finish(&mut commands, &mut word, &mut open);
                commands.push((Join::Or, Vec::new()));
            }
            x if x.is_whitespace() => finish(&mut commands, &mut word, &mut open),
            x => word.push(x),
        }
    }
    finish(&mut commands, &mut word, &mut open);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_split_into_joined_commands() {
        let parsed = parse("echo 'a b' && false || curl -s \"http://x/?a=1&b=2\" > /dev/null; exit 3");
        let joins: Vec<Join> = parsed.iter().map(|(j, _)| *j).collect();
        assert_eq!(joins, [Join::Always, Join::And, Join::Or, Join::Always]);
        assert_eq!(parsed[0].1, ["echo", "a b"]);
        assert_eq!(parsed[2].1, ["curl", "-s", "http://x/?a=1&b=2", ">/dev/null"]);
    }
}
