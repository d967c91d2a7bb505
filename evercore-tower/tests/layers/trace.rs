//! The log lines and spans of commands.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use evercore::{AggregateId, Target};
use evercore_tower::{CheckLayer, CommandRequest, TraceLayer};
use futures_util::poll;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::bank::{Gate, Outcome, Withdraw, accounts, deposit, request};

/// The log of this thread.
#[derive(Clone, Debug, Default)]
struct Journal(Arc<Mutex<Vec<u8>>>);

impl Journal {
    fn kept() -> (Self, DefaultGuard) {
        let journal = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(journal.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        (journal, tracing::subscriber::set_default(subscriber))
    }

    /// Returns the lines since the last call, without durations.
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no test panics with it"));
        let text = String::from_utf8(bytes).expect("a log is text");
        let lines = text.lines().map(|line| {
            let (head, tail) = line.split_once(" took_ms=").expect("it took some time");
            let tail = tail.split_once(' ').map_or("", |(_, tail)| tail);
            format!("{} {tail}", head.trim()).trim_end().to_owned()
        });
        lines.collect()
    }
}

impl Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics with it").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_command_is_a_span_and_an_event_without_private_data() -> Outcome {
    let (journal, _guard) = Journal::kept();
    let mut accounts = TraceLayer::new().layer(accounts().await);

    let id = accounts.call(deposit("NL91ABNA0417164300", 30)).await?.id();
    assert_eq!(
        journal.take(),
        ["INFO command{aggregate=\"account\" command=\"Deposit\"}: evercore_tower: command ended \
          id=1 outcome=\"happened\""]
    );

    let refused = accounts.call(request(Target::Id(id), Withdraw { amount: 31 })).await;
    refused.expect_err("it holds 30");
    assert_eq!(
        journal.take(),
        [
            "INFO command{aggregate=\"account\" command=\"Withdraw\"}: evercore_tower: command ended \
          id=1 outcome=\"rejected\""
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_failed_command_is_a_warning_with_its_cause() -> Outcome {
    let (journal, _guard) = Journal::kept();
    let accounts = TraceLayer::new().layer(accounts().await);
    let anonymous = CommandRequest::new(AggregateId::new(1)?, Withdraw { amount: 1 })?;
    accounts.oneshot(anonymous).await.expect_err("there is none");
    assert_eq!(
        journal.take(),
        [
            "WARN command{aggregate=\"account\" command=\"Withdraw\"}: evercore_tower: command ended \
          id=1 outcome=\"failed\" error=there is no account with id 1; use `find` where it may be \
          missing"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_dropped_command_is_marked_in_its_span() {
    let (journal, _guard) = Journal::kept();
    let accounts = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CheckLayer::new(Gate::closed()))
        .service(accounts().await);
    let mut answer = accounts.oneshot(deposit("till", 1));
    assert!(poll!(&mut answer).is_pending());
    drop(answer);
    assert_eq!(
        journal.take(),
        ["INFO command{aggregate=\"account\" command=\"Deposit\"}: evercore_tower: command ended \
          outcome=\"abandoned\""]
    );
}
