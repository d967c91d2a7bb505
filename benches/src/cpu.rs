//! Measures the processor time of a round, in this process and in the database server.

use std::collections::HashMap;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::sample::Cost;

/// The server whose processor time is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    None,
    /// The parent process of all processes of the server.
    Postmaster(u32),
}

/// The start of a measurement of processor time.
#[derive(Debug)]
pub(crate) struct Meter {
    server: Server,
    client: Duration,
    processes: HashMap<u32, Duration>,
}

impl Server {
    /// Finds the parent of a process of the server. `None` if the kernel does not tell, or if the server is remote.
    pub(crate) fn with_backend(pid: u32) -> Self {
        parent(pid).map_or(Self::None, Self::Postmaster)
    }
}

impl Meter {
    pub(crate) fn start(server: Server) -> Self {
        Self { server, client: own_time(), processes: times(server) }
    }

    /// Returns the processor time used since the start. A process of the server that ended meanwhile is not counted; it
    /// did none of the work, because connections stay open throughout a round.
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

/// Returns the processor time of all threads of this process, including ended ones.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds)
        + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

/// Returns the processor time of each process of the server. Linux reports it in nanoseconds; on other systems the map
/// is empty and the server counts as zero.
fn times(server: Server) -> HashMap<u32, Duration> {
    let Server::Postmaster(postmaster) = server else { return HashMap::new() };
    let Ok(processes) = std::fs::read_dir("/proc") else { return HashMap::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid == postmaster || parent(pid) == Some(postmaster))
        .filter_map(|pid| Some((pid, run_time(pid)?)))
        .collect()
}

/// Returns the processor time of a process. Each process of the server has one thread.
fn run_time(pid: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn parent(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name may contain any character, but the fields after it contain no parenthesis.
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}
