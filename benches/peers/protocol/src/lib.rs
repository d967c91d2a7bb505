//! The protocol between the parent and a peer: requests and answers are lines of JSON on the peer's input and output.
//! The parent measures evercore and the peer in turns.

mod bank;
mod work;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};

pub use bank::{Bank, Books, Deposit, deposit};
use work::Works;

/// A request to work for some seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) workload: Workload,
    /// The number of tasks in W2 and W13, of events of a commit in W3, of a history in W4, and of the log in W5.
    pub(crate) size: u64,
    pub(crate) seconds: f64,
}

/// The workloads that peers take part in, as the parent describes them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Workload {
    W1,
    W2,
    W3,
    W4,
    W5,
    W13,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Worked { units: u64, elapsed_nanos: u64, cpu_nanos: u64 },
    Failed(String),
}

/// Serves the parent until it closes the input. The first argument is the place of the data.
///
/// # Errors
/// If the bank cannot be opened, or if a request is invalid.
pub fn serve<B: Bank>(open: impl AsyncFnOnce(String) -> anyhow::Result<B>) -> anyhow::Result<()> {
    let place = std::env::args().nth(1).ok_or_else(|| anyhow::anyhow!("where is the data?"))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let bank = runtime.block_on(open(place))?;
    // Not on the main thread, which the other threads would have to wake for every answer.
    runtime.block_on(async { tokio::spawn(answer(bank)).await? })
}

async fn answer<B: Bank>(bank: B) -> anyhow::Result<()> {
    let mut works = Works::new(bank);
    let mut requests = BufReader::new(stdin()).lines();
    while let Some(line) = requests.next_line().await? {
        let request: Request = serde_json::from_str(&line)?;
        let before = own_time();
        let answer = match works.work(request).await {
            Ok((units, elapsed)) => Answer::Worked {
                units,
                elapsed_nanos: nanos(elapsed),
                cpu_nanos: nanos(own_time().saturating_sub(before)),
            },
            Err(error) => Answer::Failed(format!("{error:#}")),
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        stdout().write_all(text.as_bytes()).await?;
        stdout().flush().await?;
    }
    Ok(())
}

/// Returns the processor time of all threads.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default())
        + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
