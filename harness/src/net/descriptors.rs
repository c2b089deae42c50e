//! Room for the sockets of a run: as many as its schedules may hold open at once.

use std::os::fd::AsFd;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit for this many more open sockets, and returns how many are allowed.
///
/// The kernel makes the table of a process larger when it is full, and where there are threads it waits for all cores
/// meanwhile: tens of milliseconds, in which no schedule is kept. So that is done here, before anything is measured.
pub fn make_room(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        limit.current = limit.maximum;
        // Refused, it stays as it was, which is what is said below.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let allowed = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| most as usize);
    let highest = wanted.saturating_add(64).min(allowed.saturating_sub(1));
    if let Ok(highest) = i32::try_from(highest) {
        // The copy is closed at once; the table stays as large.
        let _ = fcntl_dupfd_cloexec(std::io::stderr().as_fd(), highest);
    }
    allowed.saturating_sub(64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_few_sockets_are_always_allowed() {
        assert!(super::make_room(256) >= 64);
    }
}
