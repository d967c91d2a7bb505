//! Signals on Unix. One thread of the process receives them. It outlives every run and every runtime, because a runtime
//! that is dropped waits for work that blocks its thread, and signals no longer end the process by themselves.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use tracing::warn;

use super::{Tokens, say};

/// Signals that come sooner than this after another one are the same: `timeout`, for instance, sends its signal to the process and
/// to the group of the process.
const ONE_SIGNAL: Duration = Duration::from_millis(100);

/// The exit code of a process that a signal has ended is the number of the signal more than this, as in shells.
const ENDED_BY_SIGNAL: i32 = 128;

static PROCESS: Mutex<Process> = Mutex::new(Process { receives: false, runs: Vec::new() });

struct Process {
    /// Whether the thread is started.
    receives: bool,
    /// The runs that are told of signals, until they have ended.
    runs: Vec<Weak<Tokens>>,
}

pub(super) struct Source;

impl Source {
    pub(super) fn listen(tokens: &Arc<Tokens>) -> io::Result<Self> {
        let mut process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        if !process.receives {
            let signals = Signals::new([SIGINT, SIGTERM])?;
            thread::Builder::new().name("signals".into()).spawn(move || receive(signals))?;
            process.receives = true;
        }
        process.runs.push(Arc::downgrade(tokens));
        Ok(Self)
    }

    /// Does nothing, since the thread passes signals on as long as the run has its tokens.
    pub(super) async fn pass_on(self, _tokens: &Tokens) -> Infallible {
        pending().await
    }
}

fn receive(mut signals: Signals) {
    let mut last: Option<Instant> = None;
    for signal in signals.forever() {
        if last.is_some_and(|last| last.elapsed() < ONE_SIGNAL) {
            continue;
        }
        last = Some(Instant::now());
        let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
        let runs = running();
        let told = runs.iter().filter(|run| run.pass_on(name)).count();
        if told == 0 {
            say(|| warn!(signal = name, "received a further signal; ending the process at once"));
            low_level::exit(ENDED_BY_SIGNAL + signal);
        }
    }
}

/// Returns the runs that have not ended, and forgets the others.
fn running() -> Vec<Arc<Tokens>> {
    let mut process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    process.runs.retain(|run| run.strong_count() > 0);
    process.runs.iter().filter_map(Weak::upgrade).collect()
}
