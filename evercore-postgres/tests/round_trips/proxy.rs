//! A proxy between the engine and the server that records every round trip.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::frames::{Frame, Frames};

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    tape: Arc<Mutex<Tape>>,
}

/// A request for which the client waits, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoundTrip {
    /// The statement; empty for a mere ping.
    pub(crate) sql: String,
    /// The number of rows in the answer. `None` before the answer.
    pub(crate) rows: Option<usize>,
}

/// The round trips of all connections.
#[derive(Debug, Default)]
struct Tape(Vec<RoundTrip>);

/// The state of one connection.
#[derive(Debug, Default)]
struct Conversation {
    prepared: HashMap<Vec<u8>, String>,
    statement: String,
    /// The indices of the unanswered requests, oldest first.
    unanswered: VecDeque<usize>,
    rows: usize,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server,
}

impl Proxy {
    pub(crate) async fn start(host: String, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let tape = Arc::new(Mutex::new(Tape::default()));
        // The tasks end with the test's runtime.
        tokio::spawn(accept(listener, (host, port), Arc::clone(&tape)));
        Self { port: address.port(), tape }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the round trips since the last call.
    pub(crate) fn take(&self) -> Vec<RoundTrip> {
        let trips = std::mem::take(&mut lock(&self.tape).0);
        let unanswered = trips.iter().find(|trip| trip.rows.is_none());
        assert_eq!(unanswered, None, "nothing is under way");
        trips
    }
}

async fn accept(listener: TcpListener, server: (String, u16), tape: Arc<Mutex<Tape>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, tape) = (server.clone(), Arc::clone(&tape));
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await.expect("the server answers");
            for socket in [&client, &server] {
                socket.set_nodelay(true).expect("it is open");
            }
            let conversation = Arc::new(Mutex::new(Conversation::default()));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                forward(Side::Client, from_client, to_server, &conversation, &tape),
                forward(Side::Server, from_server, to_client, &conversation, &tape),
            )
        });
    }
}

/// Forwards bytes until one end is closed. Records them first, so that a received answer is always recorded.
async fn forward(
    side: Side,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    conversation: &Mutex<Conversation>,
    tape: &Mutex<Tape>,
) {
    let mut frames = match side {
        Side::Client => Frames::of_client(),
        Side::Server => Frames::of_server(),
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or_default();
        for frame in frames.push(&buffer[..read]) {
            lock(conversation).note(side, &frame, &mut lock(tape));
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            // The other end is notified, unless it is gone already.
            let _: Result<(), std::io::Error> = to.shutdown().await;
            return;
        }
    }
}

impl Conversation {
    fn note(&mut self, side: Side, frame: &Frame, tape: &mut Tape) {
        match (side, frame.kind) {
            (Side::Client, b'P') => {
                let (name, sql) = (frame.string(0), frame.string(1));
                self.statement = String::from_utf8_lossy(sql).into_owned();
                self.prepared.insert(name.to_vec(), self.statement.clone());
            }
            (Side::Client, b'B') => {
                let prepared = self.prepared.get(frame.string(1));
                self.statement = prepared.expect("it was prepared").clone();
            }
            (Side::Client, b'Q') => {
                self.statement = String::from_utf8_lossy(frame.string(0)).into_owned();
                self.request(tape);
            }
            // `Sync`, or `Flush`, after which a client can wait as well.
            (Side::Client, b'S' | b'H') => self.request(tape),
            (Side::Server, b'D') => self.rows += 1,
            (Side::Server, b'Z') => {
                let rows = Some(std::mem::take(&mut self.rows));
                // The first one belongs to the server's greeting.
                if let Some(request) = self.unanswered.pop_front().and_then(|at| tape.0.get_mut(at))
                {
                    request.rows = rows;
                }
            }
            _ => {}
        }
    }

    fn request(&mut self, tape: &mut Tape) {
        self.unanswered.push_back(tape.0.len());
        tape.0.push(RoundTrip { sql: std::mem::take(&mut self.statement), rows: None });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
