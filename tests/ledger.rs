//! What a `ledger` probe writes to a server on loopback and reads back: nothing is lost by one that keeps its word, and
//! what a forgetful one loses is found.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, run, run_dirs, scorecard, scratch};

pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, habit: Habit, exit: i32, says: &'static [&'static str]| {
        Trial::test(format!("ledger::{name}"), move || written(habit, exit, says))
    };
    vec![
        trial("a server that keeps everything", Habit::Keeps, 0, &["0 of "]),
        trial("a server that forgets one in ten", Habit::Forgets, 10, &["first lost: "]),
        trial("a server that refuses one in ten", Habit::Refuses, 0, &["0 of "]),
        trial("a server that is busy at the first reading", Habit::Busy, 0, &["0 of "]),
        trial("a server that lets nobody read", Habit::Locked, 11, &["0 of ", " could not be read back", "status 401"]),
        trial(
            "a server that repeats what is asked",
            Habit::Echoes,
            11,
            &[" could not be read back: the response contains a token that was never"],
        ),
    ]
}

/// What a server does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    Keeps,
    /// Acknowledges every tenth write and does not keep it.
    Forgets,
    /// Answers every tenth write with 429.
    Refuses,
    /// Answers the first reading of everything with 503.
    Busy,
    /// Answers every reading with 401.
    Locked,
    /// Answers every reading with what is asked for.
    Echoes,
}

/// Runs a validation of 40 writes against a server.
fn written(habit: Habit, exit: i32, says: &[&str]) -> Result<(), Failed> {
    let port = serve(habit)?;
    let folder = scratch("ledger");
    let path = folder.join("ledger.yaml");
    let text = format!(
        "apiVersion: meshdrill.io/v1\nkind: Scenario\nmetadata: {{ name: ledger }}\nspec:\n  observe: 4s\n  probes:\n    notes:\n      ledger:\n        write: {{ url: \"http://127.0.0.1:{port}/{{token}}\", method: PUT, body: \"{{token}}\" }}\n        read: {{ url: \"http://127.0.0.1:{port}/{{token}}\" }}\n      every: 100ms\n  sla:\n    - {{ probe: notes, dataLoss: 0 }}\n"
    );
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let ran = run(meshdrill().current_dir(&folder).args(["run", "--runs"]).arg(folder.join("runs")).arg(&path));
    ran.expect_code(exit)?;
    let card = scorecard(&run_dirs(&folder.join("runs")).pop().ok_or("no run directory")?)?;
    let message = card["criteria"][0]["message"].as_str().unwrap_or_default();
    match says.iter().find(|one| !message.contains(**one)) {
        None => Ok(()),
        Some(missing) => Err(format!("`{missing}` is not in: {message}").into()),
    }
}

/// Keeps what is put and gives it back, for as long as this process lives.
fn serve(habit: Habit) -> Result<u16, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let kept = Arc::new(Mutex::new(Kept::default()));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || answer(stream, &kept, habit));
        }
    });
    Ok(port)
}

#[derive(Default)]
struct Kept {
    tokens: HashSet<String>,
    writes: usize,
    asked: HashSet<String>,
}

impl Kept {
    fn write(&mut self, token: String, habit: Habit) -> &'static str {
        self.writes += 1;
        match habit {
            Habit::Refuses if self.writes.is_multiple_of(10) => return "429 Too Many Requests",
            Habit::Forgets if self.writes.is_multiple_of(10) => {}
            _ => {
                self.tokens.insert(token);
            }
        }
        "201 Created"
    }

    fn read(&mut self, token: String, habit: Habit) -> (&'static str, String) {
        match habit {
            Habit::Locked => ("401 Unauthorized", String::new()),
            Habit::Busy if self.asked.insert(token.clone()) => ("503 Service Unavailable", String::new()),
            _ if habit == Habit::Echoes || self.tokens.contains(&token) => ("200 OK", token),
            _ => ("404 Not Found", String::new()),
        }
    }
}

fn answer(stream: TcpStream, kept: &Mutex<Kept>, habit: Habit) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            text => head.push(text.to_owned()),
        }
    }
    let length = head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut words = head.first()?.split(' ');
    let (method, token) = (words.next()?, words.next()?.trim_start_matches('/').to_owned());
    let (status, text) = {
        let mut kept = kept.lock().ok()?;
        if method == "PUT" { (kept.write(token, habit), String::new()) } else { kept.read(token, habit) }
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len()).ok()
}
