//! The log says when a program is no longer ready, when it is ready again, and which requests a stop has cut off. In a
//! program of its own: a subscriber of one thread decides for all threads what is worth recording.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use evercore::service::{Lifecycle, Service};
use evercore::{Aggregate, BoxError, EventStore, ManualClock, state_event};
use evercore_memory::MemoryEngine;
use evercore_web::{Health, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<u8>>>);

impl Journal {
    /// Returns the lines since the last call.
    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no panic"));
        String::from_utf8_lossy(&bytes).lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().expect("no panic"), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Journal {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Sends a request on a connection of its own, and returns the status line.
async fn ask(listener: &std::net::SocketAddr, path: &str) -> Result<String, BoxError> {
    let mut connection = TcpStream::connect(listener).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: lamps\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), read).await??;
    let answer = String::from_utf8(answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Asks until the status is as wanted: answers are kept for a second.
async fn until(address: &std::net::SocketAddr, status: &str) -> Result<(), BoxError> {
    let asking = async {
        while ask(address, "/health/ready").await? != status {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await?
}

/// Asks until there were so many looks.
async fn looks_are(
    looks: &AtomicU32,
    number: u32,
    address: &std::net::SocketAddr,
) -> Result<(), BoxError> {
    let asking = async {
        while looks.load(Ordering::SeqCst) < number {
            ask(address, "/health/ready").await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await?
}

#[derive(Aggregate, Default)]
struct Lamp {
    is_lit: bool,
}

#[state_event(aggregate = Lamp)]
struct Lit {
    is_lit: bool,
}

#[tokio::test(flavor = "current_thread")]
async fn changes_of_readiness_and_cut_requests_are_logged_once() -> Result<(), BoxError> {
    let journal = Journal::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(journal.clone())
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_max_level(tracing::Level::INFO)
        .finish();
    let _default = tracing::subscriber::set_default(subscriber);

    let clock = Arc::new(ManualClock::new(chrono::DateTime::UNIX_EPOCH));
    let store = EventStore::builder().clock(clock.clone()).open(MemoryEngine::new()).await?;
    let looks = Arc::new(AtomicU32::new(0));
    let is_full = Arc::new(AtomicBool::new(true));
    let disk = {
        let (is_full, looks) = (Arc::clone(&is_full), Arc::clone(&looks));
        async move || {
            looks.fetch_add(1, Ordering::SeqCst);
            if is_full.load(Ordering::SeqCst) {
                Err("it is full; its token=s3cret")
            } else {
                Ok(())
            }
        }
    };
    let health = Health::new(&store).max_parked("letters", 0).check("disk", disk);
    let hangs = Router::new().route("/hangs", get(std::future::pending::<&str>));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut server = http(listener, health.router().merge(hangs)).drain(Duration::from_millis(100));
    let stop = CancellationToken::new();
    let lifecycle = Lifecycle::new(stop.clone());
    let running = tokio::spawn(async move { server.run(&lifecycle).await });

    until(&address, "HTTP/1.1 503 Service Unavailable").await?;
    let missing = "letters: no subscription of this name is stored: its first worker has not started yet, or the name of the threshold is wrong";
    let why = format!("{missing}; disk: it is full; its token=…");
    assert_eq!(journal.lines(), [format!("WARN the program is not ready why={why:?}")]);

    let worker =
        store.subscription("letters").spawn(async |_: evercore::Batch| Ok::<_, BoxError>(()))?;
    is_full.store(false, Ordering::SeqCst);
    until(&address, "HTTP/1.1 200 OK").await?;
    worker.shutdown().await?;
    let lines = journal.lines();
    let ready = lines.iter().filter(|line| line.contains("ready")).collect::<Vec<_>>();
    assert_eq!(ready, ["INFO the program is ready again"]);

    // `letters` is no longer run, and gets late while the disk is full.
    is_full.store(true, Ordering::SeqCst);
    until(&address, "HTTP/1.1 503 Service Unavailable").await?;
    let disk = r#"WARN the program is not ready why="disk: it is full; its token=…""#;
    assert_eq!(journal.lines(), [disk]);
    let lit = store.with_context(async |ctx| {
        let mut lamp = ctx.create::<Lamp>().await?;
        ctx.apply(&mut lamp, Lit { is_lit: true })
    });
    lit.await?;
    clock.advance(chrono::TimeDelta::seconds(61));
    let seen = looks.load(Ordering::SeqCst);
    looks_are(&looks, seen + 3, &address).await?;
    let late = "letters: its oldest unhandled event has waited for 61.0 s, and 60.0 s are allowed; no worker runs it: start one, or delete or ignore the subscription if it is no longer used";
    let once = format!("WARN the program is not ready for another reason why={late:?}");
    assert_eq!(journal.lines(), [once], "once, not at each look");
    is_full.store(false, Ordering::SeqCst);
    store.subscriptions().delete("letters").await?;

    let mut hanging = TcpStream::connect(address).await?;
    hanging.write_all(b"GET /hangs HTTP/1.1\r\nhost: lamps\r\n\r\n").await?;
    // Answered on a later connection, so the hanging one has been accepted.
    ask(&address, "/health/live").await?;
    stop.cancel();
    running.await?.map_err(|error| error.into_source())?;
    let lines = journal.lines();
    let stopping = "INFO the HTTP server is stopping service=\"http\" open=";
    assert!(lines.len() == 2 && lines[0].starts_with(stopping), "{lines:?}");
    let cut = "WARN requests have not finished in time; closing their connections service=\"http\" open=1 drain=100ms";
    assert_eq!(lines[1], cut);
    Ok(())
}
