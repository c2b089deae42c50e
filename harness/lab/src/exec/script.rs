//! `sh -c`: words, quotes, `;`, `&&`, `||`, `exit` and redirection to `/dev/null`. The only variables are `$?` and `$HOSTNAME`; there are no pipes.

/// What joins a command to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    Always,
    And,
    Or,
}

/// The commands of a script, each with what joins it to the one before it.
pub(super) fn parse(script: &str) -> Vec<(Join, Vec<String>)> {
    let mut commands = vec![(Join::Always, Vec::new())];
    let (mut word, mut open) = (String::new(), false);
    let mut chars = script.chars().peekable();
    let finish = |commands: &mut Vec<(Join, Vec<String>)>, word: &mut String, open: &mut bool| {
        if *open || !word.is_empty() {
            if let Some((_, words)) = commands.last_mut() {
                // `>` and `/dev/null` are one redirection.
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
