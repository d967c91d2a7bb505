//! Signals stop a program. Each test runs a program: this test binary again, as a child.

use std::process::Stdio;
use std::time::Duration;

use evercore::Report;
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

    fn send(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("it has not ended"), signal).expect("it gets the signal");
    }

    /// Returns the rest of the output.
    async fn ends(mut self) -> String {
        let mut rest = String::new();
        let ending = async {
            self.output.read_to_string(&mut rest).await.expect("it prints text");
            self.child.wait().await.expect("it ends")
        };
        let status = tokio::time::timeout(PATIENCE, ending).await.expect("it ends soon");
        assert!(status.success(), "{status}: {rest}");
        rest
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
        program.until("stopping").await;
        program.send(second);
        let rest = program.ends().await;
        for name in ["stubborn", "steady"] {
            let part = format!("the service `{name}` had not stopped at the second signal");
            assert!(rest.contains(&part), "{part} is missing: {rest}");
        }
    }
}
