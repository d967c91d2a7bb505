//! Signals stop a program. Each test runs a program: this test binary again, as a child.

use std::process::{ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use evercore::Report;
use evercore::service::{Lifecycle, Service, ServiceError, service};
use evercore_services::Services;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::members::{steady, stubborn};

/// Tells this binary that it is the program.
const PROGRAM: &str = "EVERCORE_SERVICES_PROGRAM";

/// The longest time that a test waits for a program.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program. As a test, it does nothing.
#[tokio::test]
async fn program() {
    let Ok(which) = std::env::var(PROGRAM) else { return };
    let services = Services::new().with(steady("steady"));
    let services = if which == "stubborn" {
        // Much longer than the test waits, to show that the second signal ends it.
        services.then().with(stubborn("stubborn")).stop_within(2 * PATIENCE)
    } else {
        services
    };
    let services = match &*which {
        "hanging" => services.with(hanging()),
        "blocking" => services.with(blocking()).stop_within(2 * PATIENCE),
        _ => services,
    };
    let status = services.status();
    let tell = async {
        assert!(status.wait_until_ready().await);
        println!("ready");
        let is_stopping = |state| state == evercore_services::ServiceState::Stopping;
        if status.wait_until(|all| all.iter().any(|service| is_stopping(service.state))).await {
            println!("stopping");
        }
    };
    let (ended, ()) = tokio::join!(services.run_until_signal(), tell);
    match ended {
        Ok(()) => println!("stopped well"),
        Err(error) => println!("ended badly: {}", Report::new(&error)),
    }
}

/// Returns a service that leaves work behind, for which a runtime waits when it is dropped.
fn hanging() -> impl Service {
    service("hanging", async |lifecycle: Lifecycle| {
        drop(tokio::task::spawn_blocking(|| std::thread::sleep(2 * PATIENCE)));
        lifecycle.ready();
        lifecycle.stopped().await;
        Ok::<_, ServiceError>(())
    })
}

/// Returns a service that blocks the only thread of its runtime once it is told to stop.
fn blocking() -> impl Service {
    service("blocking", async |lifecycle: Lifecycle| {
        lifecycle.ready();
        lifecycle.stopped().await;
        println!("blocking");
        std::thread::sleep(2 * PATIENCE);
        Ok::<_, ServiceError>(())
    })
}

struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(which: &str) -> Self {
        let this = std::env::current_exe().expect("this program has a file");
        let mut child = Command::new(this)
            .args(["--exact", "signals::program", "--nocapture"])
            .env(PROGRAM, which)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        Self { child, output }
    }

    /// Reads lines until one ends with this.
    async fn until(&mut self, end: &str) {
        let mut line = String::new();
        while !line.trim_end().ends_with(end) {
            line.clear();
            let read = tokio::time::timeout(PATIENCE, self.output.read_line(&mut line)).await;
            assert_ne!(read.expect("it prints soon").expect("it prints text"), 0, "no `{end}`");
        }
    }

    /// Sends a signal, later than the one before could count as the same.
    fn send(&self, signal: Signal) {
        thread::sleep(Duration::from_millis(200));
        self.send_at_once(signal);
    }

    fn send_at_once(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it has not ended"), signal).expect("it gets the signal");
    }

    /// Returns the rest of the output of a program that ends well.
    async fn ends(self) -> String {
        let (status, rest) = self.ends_somehow().await;
        assert!(status.success(), "{status}: {rest}");
        rest
    }

    async fn ends_somehow(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        let ending = async {
            self.output.read_to_string(&mut rest).await.expect("it prints text");
            self.child.wait().await.expect("it ends")
        };
        let status = tokio::time::timeout(PATIENCE, ending).await.expect("it ends soon");
        (status, rest)
    }
}

#[tokio::test]
async fn sigterm_and_ctrl_c_stop_the_services() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Program::start("steady");
        program.until("ready").await;
        program.send(signal);
        let rest = program.ends().await;
        assert!(rest.contains("stopped well"), "{rest}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_names_what_was_cut_off() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let mut program = Program::start("stubborn");
        program.until("ready").await;
        program.send(first);
        // Counts as the first, as with wrappers that send a signal to the program and to its group.
        program.send_at_once(second);
        program.until("stopping").await;
        program.send(second);
        let rest = program.ends().await;
        for name in ["stubborn", "steady"] {
            let part = format!("the service `{name}` had not stopped at the second signal");
            assert!(rest.contains(&part), "{part} is missing: {rest}");
        }
    }
}

#[tokio::test]
async fn a_signal_ends_a_program_whose_runtime_hangs_after_the_run() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut program = Program::start("hanging");
        program.until("ready").await;
        program.send(Signal::TERM);
        program.until("stopped well").await;
        program.send(signal);
        let (status, rest) = program.ends_somehow().await;
        assert_eq!(status.code(), Some(code), "{status}: {rest}");
    }
}

#[tokio::test]
async fn a_third_signal_ends_a_program_whose_threads_are_blocked() {
    let mut program = Program::start("blocking");
    program.until("ready").await;
    program.send(Signal::TERM);
    program.until("blocking").await;
    // Signals of two kinds, since those of one kind that come at once count as one.
    program.send(Signal::INT);
    program.send(Signal::TERM);
    let (status, rest) = program.ends_somehow().await;
    assert!(matches!(status.code(), Some(130 | 143)), "{status}: {rest}");
}
