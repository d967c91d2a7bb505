//! A proxy between the engine and the server that cuts a connection after a number of bytes.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    tap: Arc<Mutex<Tap>>,
}

/// The direction of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Answer,
}

/// Cuts the connection that carries the last of this many bytes in one direction. With 0, cuts the connection that
/// carries the next byte, and drops that byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) side: Side,
    pub(crate) after: usize,
}

/// The bytes since the last call of [`Proxy::arm`] or [`Proxy::disarm`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) request: usize,
    pub(crate) answer: usize,
}

#[derive(Debug, Default)]
struct Tap {
    cut: Option<Cut>,
    passed: Passed,
    /// The bytes that the client receives before a connection is cut.
    last_words: Vec<u8>,
    /// The number of connections so far, and how many of the first ones are silent.
    connections: usize,
    silent: usize,
}

impl Proxy {
    pub(crate) async fn start(host: String, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let tap = Arc::new(Mutex::new(Tap::default()));
        // The tasks end with the test's runtime.
        tokio::spawn(accept(listener, (host, port), Arc::clone(&tap)));
        Self { port: address.port(), tap }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes one cut as soon as possible.
    pub(crate) fn arm(&self, cut: Cut) {
        let mut tap = lock(&self.tap);
        tap.cut = Some(cut);
        tap.passed = Passed::default();
    }

    /// Sends these bytes to the client of each connection before it is cut, as a pooler does.
    pub(crate) fn say_before_cuts(&self, words: Vec<u8>) {
        lock(&self.tap).last_words = words;
    }

    /// Does the same as [`arm`](Self::arm), unless a cut is still pending.
    pub(crate) fn arm_again(&self, cut: Cut) -> bool {
        let is_made = lock(&self.tap).cut.is_none();
        if is_made {
            self.arm(cut);
        }
        is_made
    }

    /// Returns whether the cut was made.
    pub(crate) fn is_cut(&self) -> bool {
        lock(&self.tap).cut.is_none()
    }

    /// Cancels a pending cut. Returns whether there was one.
    pub(crate) fn disarm(&self) -> bool {
        let mut tap = lock(&self.tap);
        tap.passed = Passed::default();
        tap.cut.take().is_some()
    }

    /// Stops all traffic on the existing connections without closing them, as if the server's machine had disappeared
    /// and another one had taken its address.
    pub(crate) fn silence(&self) {
        let mut tap = lock(&self.tap);
        tap.silent = tap.connections;
    }

    pub(crate) fn passed(&self) -> Passed {
        lock(&self.tap).passed
    }
}

impl Tap {
    /// Returns how many of these bytes may pass, and whether the connection is cut after them.
    fn pass(&mut self, side: Side, bytes: usize) -> (usize, bool) {
        let passed = match side {
            Side::Request => &mut self.passed.request,
            Side::Answer => &mut self.passed.answer,
        };
        match self.cut {
            Some(cut) if cut.side == side && *passed + bytes >= cut.after => {
                let last = cut.after - *passed;
                *passed = cut.after;
                self.cut = None;
                (last, true)
            }
            _ => {
                *passed += bytes;
                (bytes, false)
            }
        }
    }
}

async fn accept(listener: TcpListener, server: (String, u16), tap: Arc<Mutex<Tap>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, tap) = (server.clone(), Arc::clone(&tap));
        let number = {
            let mut tap = lock(&tap);
            tap.connections += 1;
            tap.connections
        };
        tokio::spawn(async move {
            // The server may be away.
            let Ok(server) = TcpStream::connect(server).await else { return };
            for socket in [&client, &server] {
                socket.set_nodelay(true).expect("it is open");
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let cut = CancellationToken::new();
            tokio::join!(
                forward(Side::Request, from_client, to_server, number, &tap, &cut),
                forward(Side::Answer, from_server, to_client, number, &tap, &cut),
            );
        });
    }
}

/// Forwards bytes until one end is closed or the connection is cut; then each direction drops its ends.
async fn forward(
    side: Side,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: usize,
    tap: &Mutex<Tap>,
    cut: &CancellationToken,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            biased;
            () = cut.cancelled() => {
                if side == Side::Answer {
                    let words = lock(tap).last_words.clone();
                    // The client may be gone.
                    let _: Result<(), std::io::Error> = to.write_all(&words).await;
                }
                return;
            }
            read = from.read(&mut buffer) => read.unwrap_or_default(),
        };
        if read == 0 {
            // The other end is notified, unless it is gone already.
            let _: Result<(), std::io::Error> = to.shutdown().await;
            return;
        }
        let (passes, is_last) = {
            let mut tap = lock(tap);
            if number <= tap.silent {
                continue;
            }
            tap.pass(side, read)
        };
        let written = to.write_all(&buffer[..passes]).await;
        if is_last {
            cut.cancel();
        }
        if is_last || written.is_err() {
            return;
        }
    }
}

fn lock(tap: &Mutex<Tap>) -> MutexGuard<'_, Tap> {
    tap.lock().unwrap_or_else(PoisonError::into_inner)
}
