//! How good the clock of this machine is, from whatever keeps it: chrony, systemd, or the kernel's own state.
//!
//! The kernel's state needs a system call that no safe interface has; the programs that make it are asked instead.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use meshdrill_checks::record::{ClockState, ClockSync};

/// How long a program may take.
const PATIENT: Duration = Duration::from_secs(2);
/// How often a running program is looked at.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest output that is read, in bytes.
const LONGEST: u64 = 1 << 16;
/// The kernel's `STA_UNSYNC` and `STA_NANO`.
const UNSYNCHRONISED: u64 = 0x40;
const NANOSECONDS: u64 = 0x2000;

/// What reads the output of a program; none if that has no answer.
type Reading = fn(&str) -> Option<ClockSync>;

/// Who is asked, in order. The first answer counts.
const SOURCES: [(&str, &[&str], Reading); 3] = [
    ("chronyc", &["-n", "-c", "tracking"], chrony),
    ("timedatectl", &["show"], systemd),
    ("adjtimex", &["--print"], kernel),
];

/// Asks. Takes as long as the programs: at most some seconds.
pub(super) fn clock_sync() -> ClockSync {
    let mut failures = Vec::new();
    for (program, arguments, read) in SOURCES {
        match output(program, arguments) {
            Ok(text) => match read(&text) {
                Some(sync) => return ClockSync { by: Some(program.to_owned()), ..sync },
                None => failures.push(format!("{program}: no answer in its output")),
            },
            Err(why) => failures.push(format!("{program}: {why}")),
        }
    }
    ClockSync { state: ClockState::Unknown, reason: Some(failures.join("; ")), ..ClockSync::default() }
}

/// `chronyc -c tracking`: reference id, address, stratum, reference time, offset of the system clock, …, root delay, root
/// dispersion, update interval, leap status.
fn chrony(text: &str) -> Option<ClockSync> {
    let fields: Vec<&str> = text.lines().next()?.split(',').collect();
    let [id, server, _, _, offset, .., delay, dispersion, _, leap] = fields.as_slice() else { return None };
    let seconds = |text: &str| text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    let (offset, delay, dispersion) = (seconds(offset)?.abs(), seconds(delay)?, seconds(dispersion)?);
    if *leap == "Not synchronised" || *id == "00000000" {
        return Some(ClockSync { state: ClockState::NotSynchronized, ..ClockSync::default() });
    }
    let server = Some((*server).to_owned()).filter(|server| !server.is_empty());
    // chronyc(1): clock_error <= |system_time_offset| + root_dispersion + 0.5 * root_delay.
    let error = Some(offset + dispersion + delay / 2.0);
    Some(ClockSync { state: ClockState::Synchronized, server, offset: Some(offset), error, ..ClockSync::default() })
}

/// `timedatectl show`: what systemd reads of the kernel.
fn systemd(text: &str) -> Option<ClockSync> {
    let state = match text.lines().find_map(|line| line.strip_prefix("NTPSynchronized="))? {
        "yes" => ClockState::Synchronized,
        "no" => ClockState::NotSynchronized,
        _ => return None,
    };
    Some(ClockSync { state, ..ClockSync::default() })
}

/// `adjtimex --print`: the fields of the kernel's `timex`.
fn kernel(text: &str) -> Option<ClockSync> {
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.trim().split_once(':'));
        lines.into_iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.trim().parse::<i64>().ok())
    };
    let status = u64::try_from(field("status")?).ok()?;
    if status & UNSYNCHRONISED != 0 {
        return Some(ClockSync { state: ClockState::NotSynchronized, ..ClockSync::default() });
    }
    let unit = if status & NANOSECONDS == 0 { 1e-6 } else { 1e-9 };
    let offset = field("offset").map(|offset| offset.unsigned_abs() as f64 * unit);
    let error = field("maxerror").map(|micros| micros as f64 * 1e-6);
    Some(ClockSync { state: ClockState::Synchronized, offset, error, ..ClockSync::default() })
}

/// What a program prints, if it ends well and in time.
fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "not installed".to_owned(),
        _ => error.to_string(),
    })?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < PATIENT => std::thread::sleep(PAUSE),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not end within {} s", PATIENT.as_secs()));
            }
        }
    };
    if !status.success() {
        return Err(status.code().map_or_else(|| "was killed".to_owned(), |code| format!("exit code {code}")));
    }
    let mut text = String::new();
    let stdout = child.stdout.take().map(|stdout| stdout.take(LONGEST).read_to_string(&mut text));
    match stdout {
        Some(Ok(_)) => Ok(text),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("no output".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chrony_is_read() {
        let line = "A29FC87B,162.159.200.123,4,1764359000.123456789,-0.000012345,0.000023456,0.000034567,-1.234,0.001,0.012,0.012000000,0.000450000,64.2,Normal\n";
        let sync = chrony(line).unwrap();
        assert_eq!((sync.state, sync.server.as_deref()), (ClockState::Synchronized, Some("162.159.200.123")));
        assert_eq!(sync.offset, Some(0.000_012_345));
        assert!((sync.error.unwrap() - 0.006_462_345).abs() < 1e-12);
        let lost = "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n";
        assert_eq!(chrony(lost).unwrap().state, ClockState::NotSynchronized);
        assert_eq!((chrony("506 Cannot talk to daemon\n"), chrony("")), (None, None));
    }

    #[test]
    fn systemd_and_the_kernel_are_read() {
        let show = "Timezone=Etc/UTC\nLocalRTC=no\nCanNTP=yes\nNTP=yes\nNTPSynchronized=yes\n";
        assert_eq!(systemd(show).unwrap().state, ClockState::Synchronized);
        assert_eq!(systemd(&show.replace("ized=yes", "ized=no")).unwrap().state, ClockState::NotSynchronized);
        assert_eq!(systemd("Timezone=Etc/UTC\n"), None);
        let print = "         mode: 0\n       offset: -1500\n    frequency: 0\n     maxerror: 2500\n     esterror: 0\n       status: 8193\ntime_constant: 10\n";
        let sync = kernel(print).unwrap();
        assert_eq!(
            (sync.state, sync.offset, sync.error),
            (ClockState::Synchronized, Some(1500.0 * 1e-9), Some(2500.0 * 1e-6))
        );
        assert_eq!(kernel(&print.replace("8193", "64")).unwrap().state, ClockState::NotSynchronized);
        assert_eq!(kernel("nothing"), None);
    }

    #[test]
    fn a_program_that_is_missing_or_fails_is_named() {
        assert_eq!(output("meshdrill-no-such-program", &[]), Err("not installed".to_owned()));
        assert_eq!(output("false", &[]), Err("exit code 1".to_owned()));
    }
}
