//! The processor time that a round takes, in this process and in the database server.

use std::collections::HashMap;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::sample::Cost;

/// Whose processor time counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    None,
    /// The process that all processes of the server are children of.
    Postmaster(u32),
}

/// A moment from which processor time is counted.
#[derive(Debug)]
pub(crate) struct Meter {
    server: Server,
    client: Duration,
    processes: HashMap<u32, Duration>,
}

impl Server {
    /// The parent of a process of the server. `None` where the kernel does not tell, or the server is elsewhere.
    pub(crate) fn with_backend(pid: u32) -> Self {
        parent(pid).map_or(Self::None, Self::Postmaster)
    }
}

impl Meter {
    pub(crate) fn start(server: Server) -> Self {
        Self { server, client: own_time(), processes: times(server) }
    }

    /// What was used since. A process of the server that ended meanwhile is not counted; connections are kept open
    /// throughout a round, so those are none that worked.
    pub(crate) fn stop(self) -> Cost {
        let client = own_time().saturating_sub(self.client);
        let server = times(self.server)
            .into_iter()
            .map(|(pid, now)| {
                now.saturating_sub(self.processes.get(&pid).copied().unwrap_or_default())
            })
            .sum();
        Cost { client, server }
    }
}

/// Of all threads of this process, those that ended included.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds)
        + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

/// Linux keeps it in nanoseconds; elsewhere there is nothing to be read, and the server counts for nothing.
fn times(server: Server) -> HashMap<u32, Duration> {
    let Server::Postmaster(postmaster) = server else { return HashMap::new() };
    let Ok(processes) = std::fs::read_dir("/proc") else { return HashMap::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid == postmaster || parent(pid) == Some(postmaster))
        .filter_map(|pid| Some((pid, run_time(pid)?)))
        .collect()
}

/// A process of the server has one thread.
fn run_time(pid: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn parent(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may hold anything, but nothing after its closing parenthesis does.
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}
