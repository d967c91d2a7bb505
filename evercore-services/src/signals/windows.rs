//! Ctrl-C on Windows. It ends the process by itself again as soon as the source is dropped.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;

use tokio::signal::windows::{CtrlC, ctrl_c};

use super::Tokens;

pub(super) struct Source(CtrlC);

impl Source {
    pub(super) fn listen(_tokens: &Arc<Tokens>) -> io::Result<Self> {
        ctrl_c().map(Self)
    }

    pub(super) async fn pass_on(mut self, tokens: &Tokens) -> Infallible {
        for _ in ["the first", "the second"] {
            self.0.recv().await;
            tokens.pass_on("Ctrl-C");
        }
        drop(self);
        pending().await
    }
}
