//! The signals that tell a program to stop.

use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix::Source;
#[cfg(windows)]
use windows::Source;

/// Passes on the first signal and the second one. A further signal, and any signal after this is dropped, ends the
/// process: what is left may block its thread, and then nothing else ends it.
pub(crate) struct Signals {
    tokens: Arc<Tokens>,
    source: Source,
}

/// The tokens by which signals stop one run.
#[derive(Default)]
struct Tokens {
    first: CancellationToken,
    second: CancellationToken,
}

impl Signals {
    /// Asks the operating system for signals, from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        let tokens = Arc::new(Tokens::default());
        Ok(Self { source: Source::listen(&tokens)?, tokens })
    }

    /// Returns a token that is cancelled by the first signal.
    pub(crate) fn first(&self) -> CancellationToken {
        self.tokens.first.clone()
    }

    /// Returns a token that is cancelled by the second signal.
    pub(crate) fn second(&self) -> CancellationToken {
        self.tokens.second.clone()
    }

    /// Waits for signals and cancels the tokens.
    pub(crate) async fn pass_on(self) -> Infallible {
        self.source.pass_on(&self.tokens).await
    }
}

impl Tokens {
    /// Cancels the next token. Returns whether there was one.
    fn pass_on(&self, signal: &'static str) -> bool {
        if !self.first.is_cancelled() {
            self.first.cancel();
            say(|| info!(signal, "received a signal; another one aborts what has not stopped"));
        } else if !self.second.is_cancelled() {
            self.second.cancel();
            say(|| {
                warn!(
                    signal,
                    "received a second signal; aborting what has not stopped, and another one ends the process"
                );
            });
        } else {
            return false;
        }
        true
    }
}

/// Logs a line. A panic, as of a subscriber whose output is closed, must not end the listening.
fn say(line: impl FnOnce()) {
    let _panic = catch_unwind(AssertUnwindSafe(line));
}
