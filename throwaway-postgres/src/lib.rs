//! Starts a PostgreSQL server for tests and removes it when the process ends, in whatever way.
//!
//! The server listens only on a free port of the loopback interface and trusts all connections there. A watcher process
//! holds the other end of a pipe: when this process ends, even if it is killed, the pipe closes, and the watcher stops
//! the server and removes its folder.

mod binaries;
mod disk;
mod user;

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

pub use binaries::Binaries;
pub use disk::Disk;
use user::User;

/// The variable that names a server to use instead of a throw-away one.
pub const URL_VARIABLE: &str = "EVERCORE_TEST_POSTGRES_URL";

/// The reason why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// There are no server binaries.
    #[error(
        "no PostgreSQL server is installed. Install one, or name a running one in {URL_VARIABLE}:
  Debian, Ubuntu   apt-get install postgresql
  Fedora           dnf install postgresql-server
  macOS            brew install postgresql
  Docker           docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 127.0.0.1:5432:5432 postgres
                   {URL_VARIABLE}=postgres://postgres@127.0.0.1/postgres"
    )]
    NotInstalled,
    /// The server refuses to run as root, and there is no other user to run it.
    #[error(
        "PostgreSQL does not run as root, and neither `postgres` nor `nobody` is a user of this machine"
    )]
    NoOtherUser,
    /// A step failed.
    #[error("cannot {step}: {reason}")]
    Step {
        /// The step that failed.
        step: &'static str,
        /// The message of the system or the program.
        reason: String,
    },
}

/// A running server. Dropping it stops it and removes its folder.
pub struct Server {
    binaries: Binaries,
    user: Option<User>,
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    watcher: Child,
}

/// Returns the URL of a server for tests: the one that the environment names, or else one that lives as long as this
/// process.
///
/// # Errors
/// The errors of [`Server::start`].
pub fn url() -> Result<String, &'static Failure> {
    static SERVER: OnceLock<Result<Server, Failure>> = OnceLock::new();
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        return Ok(url);
    }
    let server = SERVER.get_or_init(|| Server::start(&Binaries::find()?, &["fsync=off"]));
    server.as_ref().map(Server::url)
}

impl Server {
    /// Creates a cluster in a folder of its own and starts a server on it. `settings` are as in `postgresql.conf`:
    /// `name=value`.
    ///
    /// # Errors
    /// [`Failure`]; nothing is left behind.
    pub fn start(binaries: &Binaries, settings: &[&str]) -> Result<Self, Failure> {
        Self::start_in(&std::env::temp_dir(), binaries, settings)
    }

    /// Like [`start`](Self::start), with the folder on a disk. Drop the server before the disk.
    ///
    /// # Errors
    /// [`Failure`]; nothing is left behind.
    pub fn start_on(disk: &Disk, binaries: &Binaries, settings: &[&str]) -> Result<Self, Failure> {
        Self::start_in(disk.path(), binaries, settings)
    }

    fn start_in(parent: &Path, binaries: &Binaries, settings: &[&str]) -> Result<Self, Failure> {
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self::prepare(parent, binaries, settings)?;
        server.initialise()?;
        server.launch()?;
        Ok(server)
    }

    /// Starts a standby of this server, which can be read from.
    ///
    /// # Errors
    /// [`Failure`]; nothing is left behind.
    pub fn standby(&self) -> Result<Self, Failure> {
        let mut standby =
            Self::prepare(&std::env::temp_dir(), &self.binaries, self.settings.clone())?;
        standby.copy(self)?;
        standby.launch()?;
        Ok(standby)
    }

    /// Returns the URL of its `postgres` database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns the server's log so far.
    ///
    /// # Errors
    /// [`Failure::Step`] if the log cannot be read.
    pub fn log(&self) -> Result<String, Failure> {
        let log = std::fs::read(self.folder.join("log"));
        let log = log.map_err(|error| step("read the server's log", error))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Stops the server without a shutdown, which for the server is like a power cut.
    ///
    /// # Errors
    /// [`Failure::Step`] if it cannot be stopped.
    pub fn crash(&mut self) -> Result<(), Failure> {
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "--wait", "--mode=immediate", "--pgdata"]).arg(self.data());
        run("stop the server", stop)
    }

    /// Starts the server again, on the same port.
    ///
    /// # Errors
    /// [`Failure::Step`] if it does not start.
    pub fn restart(&mut self) -> Result<(), Failure> {
        self.start_at(self.port)
    }

    /// Kills one of the server's processes, given as a `pid` of `pg_stat_activity`, with SIGKILL. The server then ends
    /// all its other processes, recovers, and continues.
    ///
    /// # Errors
    /// [`Failure::Step`] if there is no such process.
    pub fn kill(&self, process: i64) -> Result<(), Failure> {
        let mut kill = self.command("pg_ctl");
        kill.args(["kill", "KILL", &process.to_string()]);
        run("kill a process of the server", kill)
    }

    /// Runs one of the programs that come with the server, such as `pg_dump`, in a folder of the server's own.
    ///
    /// # Errors
    /// [`Failure::Step`] if the program cannot be run, or reports a failure.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<(), Failure> {
        let mut command = self.command(program);
        command.args(arguments);
        run("run a program of the server", command)
    }

    /// Promotes a standby to a primary.
    ///
    /// # Errors
    /// [`Failure::Step`] if the server is not a standby.
    pub fn promote(&mut self) -> Result<(), Failure> {
        let mut promote = self.command("pg_ctl");
        promote.args(["promote", "--wait", "--pgdata"]).arg(self.data());
        run("promote the server", promote)
    }

    /// Creates the folder, and starts the watcher that removes it.
    fn prepare(parent: &Path, binaries: &Binaries, settings: Vec<String>) -> Result<Self, Failure> {
        let user = User::for_server()?;
        let folder = tempfile::Builder::new()
            .prefix("throwaway-postgres-")
            .tempdir_in(parent)
            .map_err(|error| step("make a folder", error))?;
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid))
                .map_err(|error| step("give the folder away", error))?;
        }
        let watcher = watch(binaries, user.as_ref(), folder.path())?;
        // From here on, the watcher removes the folder.
        let folder = folder.keep();
        Ok(Self { binaries: binaries.clone(), user, folder, port: 0, settings, watcher })
    }

    fn initialise(&self) -> Result<(), Failure> {
        let mut initdb = self.command("initdb");
        initdb
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8"])
            .args(["--locale=C", "--pgdata"])
            .arg(self.data());
        run("make a cluster", initdb)
    }

    fn copy(&self, primary: &Self) -> Result<(), Failure> {
        let mut copy = self.command("pg_basebackup");
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname"])
            .arg(primary.url())
            .arg("--pgdata")
            .arg(self.data());
        run("copy the server", copy)
    }

    /// Starts on a free port. Another process may take the port in between, so a few are tried.
    fn launch(&mut self) -> Result<(), Failure> {
        const TRIES: u32 = 5;
        let mut tried = 0;
        loop {
            tried += 1;
            self.port = free_port()?;
            match self.start_at(self.port) {
                Err(_) if tried < TRIES => {}
                outcome => return outcome,
            }
        }
    }

    fn start_at(&self, port: u16) -> Result<(), Failure> {
        let own = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
            "max_prepared_transactions=50".to_owned(),
        ];
        let options: Vec<String> =
            own.iter().chain(&self.settings).map(|setting| format!("-c {setting}")).collect();
        let mut start = self.command("pg_ctl");
        start
            .args(["start", "--wait", "--silent", "--pgdata"])
            .arg(self.data())
            .arg("--log")
            .arg(self.folder.join("log"))
            .arg("--options")
            .arg(options.join(" "));
        run("start the server", start)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, program: &str) -> Command {
        command(&self.binaries, self.user.as_ref(), &self.folder, program)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // The watcher ends once the server is stopped and the folder removed. An error cannot be reported from here.
        let _: Result<_, _> = self.watcher.wait();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// Starts the process that cleans up once the pipe to it closes.
fn watch(binaries: &Binaries, user: Option<&User>, folder: &Path) -> Result<Child, Failure> {
    const CLEAN_UP: &str = r#"
        cat
        "$1" stop --wait --mode=immediate --pgdata "$2/data"
        rm -rf "$2"
    "#;
    let mut watcher = command(binaries, user, folder, "sh");
    watcher
        .args(["-c", CLEAN_UP, "sh"])
        .arg(binaries.program("pg_ctl"))
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Its own process group protects it from signals to the terminal's foreground processes.
    std::os::unix::process::CommandExt::process_group(&mut watcher, 0);
    watcher.spawn().map_err(|error| step("start the watcher", error))
}

fn command(binaries: &Binaries, user: Option<&User>, folder: &Path, program: &str) -> Command {
    let mut command = Command::new(binaries.program(program));
    command.current_dir(folder).env_remove("PGDATA").env_remove("PGPORT");
    if let Some(user) = user {
        user.run(&mut command);
    }
    command
}

/// Runs a step to its end. On failure, its output is part of the error.
fn run(what: &'static str, mut command: Command) -> Result<(), Failure> {
    // The output goes to files and not to pipes: the server inherits pipes and keeps them open.
    let log = tempfile::tempfile().map_err(|error| step(what, error))?;
    let output = log.try_clone().map_err(|error| step(what, error))?;
    let errors = log.try_clone().map_err(|error| step(what, error))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .map_err(|error| step(what, error))?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    let mut log = log;
    let read = std::io::Seek::rewind(&mut log)
        .and_then(|()| std::io::Read::read_to_string(&mut log, &mut said));
    Err(step(what, read.map_or_else(|error| error.to_string(), |_| format!("{status}: {said}"))))
}

fn free_port() -> Result<u16, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| step("find a free port", error))
}

fn step(step: &'static str, reason: impl fmt::Display) -> Failure {
    Failure::Step { step, reason: reason.to_string() }
}
