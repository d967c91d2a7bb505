//! The signals that tell a program to stop.

use std::convert::Infallible;
use std::future::pending;
use std::io;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Passes on the first signal and the second one.
pub(crate) struct Signals {
    source: Source,
    first: CancellationToken,
    second: CancellationToken,
}

impl Signals {
    /// Asks the operating system for signals, from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        let (first, second) = (CancellationToken::new(), CancellationToken::new());
        Ok(Self { source: Source::listen()?, first, second })
    }

    /// Returns a token that is cancelled by the first signal.
    pub(crate) fn first(&self) -> CancellationToken {
        self.first.clone()
    }

    /// Returns a token that is cancelled by the second signal.
    pub(crate) fn second(&self) -> CancellationToken {
        self.second.clone()
    }

    /// Waits for signals and cancels the tokens.
    pub(crate) async fn pass_on(&mut self) -> Infallible {
        let signal = self.source.next().await;
        info!(signal, "received a signal; another one aborts what has not stopped");
        self.first.cancel();
        let signal = self.source.next().await;
        warn!(signal, "received a second signal; aborting what has not stopped");
        self.second.cancel();
        pending().await
    }
}

#[cfg(unix)]
use unix::Source;
#[cfg(windows)]
use windows::Source;

#[cfg(unix)]
mod unix {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(super) struct Source {
        interrupt: Signal,
        terminate: Signal,
    }

    impl Source {
        pub(super) fn listen() -> io::Result<Self> {
            let interrupt = signal(SignalKind::interrupt())?;
            Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
        }

        /// Waits for the next signal and returns its name.
        pub(super) async fn next(&mut self) -> &'static str {
            tokio::select! {
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.terminate.recv() => "SIGTERM",
            }
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::io;

    use tokio::signal::windows::{CtrlC, ctrl_c};

    pub(super) struct Source(CtrlC);

    impl Source {
        pub(super) fn listen() -> io::Result<Self> {
            ctrl_c().map(Self)
        }

        /// Waits for the next signal and returns its name.
        pub(super) async fn next(&mut self) -> &'static str {
            self.0.recv().await;
            "Ctrl-C"
        }
    }
}
