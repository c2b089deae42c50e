//! What a `ledger` probe writes to a server on loopback and reads back: nothing is lost by one that keeps its word, and
//! what a forgetful one loses is found.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, run, run_dirs, scorecard, scratch};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("ledger::a server that keeps everything", || written(0, 0, "0 of")),
        Trial::test("ledger::a server that forgets one in ten", || written(10, 10, "first lost: ")),
    ]
}

/// Runs a validation of 40 writes against a server that forgets every so many of them; none for 0.
fn written(forgets: usize, exit: i32, says: &str) -> Result<(), Failed> {
    let port = serve(forgets)?;
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
    if message.contains(says) { Ok(()) } else { Err(format!("`{says}` is not in: {message}").into()) }
}

/// Keeps what is put and gives it back, for as long as this process lives.
fn serve(forgets: usize) -> Result<u16, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let kept = Arc::new(Mutex::new((HashSet::new(), 0)));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || answer(stream, &kept, forgets));
        }
    });
    Ok(port)
}

fn answer(stream: TcpStream, kept: &Mutex<(HashSet<String>, usize)>, forgets: usize) -> Option<()> {
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
        if method == "PUT" {
            kept.1 += 1;
            if forgets == 0 || kept.1 % forgets != 0 {
                kept.0.insert(token);
            }
            ("201 Created", String::new())
        } else if kept.0.contains(&token) {
            ("200 OK", token)
        } else {
            ("404 Not Found", String::new())
        }
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len()).ok()
}
