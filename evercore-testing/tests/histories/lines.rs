//! Histories that are written, read back, and combined.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use evercore::{EventStore, Result};
use evercore_memory::MemoryEngine;
use evercore_testing::history::{Check, History, Recorder, Unreadable, Violation};

use crate::domain::{Account, Deposited};

/// Stands for a pipe to another process.
#[derive(Clone, Debug, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no thread panicked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn text(&self) -> Vec<u8> {
        self.0.lock().expect("no thread panicked").clone()
    }
}

/// Runs one process and returns the lines that it has written.
async fn process(engine: &MemoryEngine, amount: i64) -> Result<Vec<u8>> {
    let pipe = Pipe::default();
    let observed = Recorder::lines(pipe.clone()).observe(Arc::new(engine.clone()));
    let store = EventStore::builder().open_shared(observed).await?;
    for _ in 0..3 {
        store
            .with_context(async |ctx| {
                let mut account = ctx.load_or_create::<Account>("ada").await?;
                ctx.apply(&mut account, Deposited { amount })
            })
            .await?;
    }
    Ok(pipe.text())
}

#[tokio::test]
async fn histories_of_successive_processes_are_one_history() -> Result<()> {
    let engine = MemoryEngine::new();
    let (first, second) = (process(&engine, 1).await?, process(&engine, 2).await?);
    let read = |text: &[u8]| History::read(text).expect("it can be read");
    let store = EventStore::builder().open(engine).await?;
    let history = read(&first).then(read(&second));
    Check::of(&history).run(&store).await?.assert_sound();
    let beside = read(&second).beside(read(&first));
    Check::of(&beside).run(&store).await?.assert_sound();

    let reversed = read(&second).then(read(&first));
    let verdict = Check::of(&reversed).run(&store).await?;
    let is_early = |violation: &Violation| matches!(violation, Violation::Early { .. });
    assert!(verdict.violations().iter().any(is_early), "{verdict}");
    Ok(())
}

#[tokio::test]
async fn wherever_a_process_is_killed_its_history_is_sound() -> Result<()> {
    let engine = MemoryEngine::new();
    let text = process(&engine, 1).await?;
    let store = EventStore::builder().open(engine).await?;
    for end in 0..=text.len() {
        let history = History::read(&text[..end]).expect("it can be read");
        // The events of observations that are cut off belong to no known commit.
        let verdict = Check::of(&history).unobserved_writers().run(&store).await?;
        verdict.assert_sound();
    }
    Ok(())
}

#[test]
fn a_line_of_something_else_is_named() {
    let lines =
        b"{\"saw\":\"unknown\",\"commit\":\"00000000-0000-7000-8000-000000000000\"}\nhello\n";
    let read = History::read(&lines[..]);
    assert!(matches!(read, Err(Unreadable::Line { line: 2, .. })), "{read:?}");
}

#[tokio::test]
async fn a_commit_that_cannot_be_noted_is_not_sent() -> Result<()> {
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let engine = MemoryEngine::new();
    let observed = Recorder::lines(Broken).observe(Arc::new(engine.clone()));
    let store = EventStore::builder().open_shared(observed).await?;
    let created = store.with_context(async |ctx| ctx.create::<Account>().await.map(drop)).await;
    assert!(created.is_err());
    let opened = EventStore::builder().open(engine).await?;
    assert!(History::default().observations().next().is_none());
    assert_eq!(Check::of(&History::default()).run(&opened).await?.counts().events, 0);
    Ok(())
}
