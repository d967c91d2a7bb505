//! Runs other frameworks, each in its own process, which takes turns with the sides of this one.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::contest::{Contest, Side};
use crate::engines::{Bed, Kind};
use crate::machine::locked_version;
use crate::sample::Worked;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

const PEERS: [Program; 7] = [
    Program::new("peer-cqrs-es-postgres", Kind::Postgres, "cqrs-es"),
    Program::new("peer-esrs-postgres", Kind::Postgres, "esrs"),
    Program::new("peer-disintegrate-postgres", Kind::Postgres, "disintegrate").with_boundaries(),
    Program::new("peer-es-entity-postgres", Kind::Postgres, "es-entity")
        .without("w5", "it has no documented way to read the events of all entities"),
    Program::new("peer-evento-postgres", Kind::Postgres, "evento"),
    Program::new("peer-cqrs-es-sqlite", Kind::Sqlite, "cqrs-es"),
    Program::new("peer-evento-sqlite", Kind::Sqlite, "evento"),
];

/// A peer's program, its engine, and the package that it represents.
#[derive(Clone, Copy, Debug)]
struct Program {
    file: &'static str,
    kind: Kind,
    package: &'static str,
    /// A workload in which it takes no part, and the reason.
    without: Option<(&'static str, &'static str)>,
    /// Whether it takes part in W13: it makes decisions on events of several aggregates.
    has_boundaries: bool,
}

/// Whether peers take part, and notes about them.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    take_part: bool,
    /// The peers that did not take part in a workload, and the reasons.
    pub(crate) notes: Vec<String>,
}

/// A workload for a peer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Task {
    pub(crate) workload: &'static str,
    pub(crate) size: i64,
}

#[derive(Debug, Serialize)]
struct Request {
    #[serde(flatten)]
    task: Task,
    seconds: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Worked { units: u64, elapsed_nanos: u64, cpu_nanos: u64 },
    Failed(String),
}

impl Peers {
    pub(crate) fn new(take_part: bool) -> Self {
        Self { take_part, notes: Vec::new() }
    }

    /// Adds the peers of an engine to a contest, each on fresh data.
    pub(crate) async fn join(
        &mut self,
        mut contest: Contest,
        bed: &Bed,
        task: Task,
    ) -> anyhow::Result<Contest> {
        let wanted = PEERS.iter().filter(|peer| {
            let can_take_part = task.workload != "w13" || peer.has_boundaries;
            self.take_part && peer.kind == bed.kind() && can_take_part
        });
        for Program { file, package, without, .. } in wanted {
            let lock = Path::new(FOLDER).join("Cargo.lock");
            let name = format!("{package} {}", locked_version(&lock, package));
            if let Some((workload, reason)) = without
                && *workload == task.workload
            {
                self.notes.push(format!("{workload}, {}: {name}: {reason}", contest.engine));
                continue;
            }
            let mut peer = Peer::start(file, &bed.ground().await?.url(), task)?;
            // The first request creates the data that must exist.
            match peer.work(Duration::from_millis(1)).await {
                Ok(_) => contest = contest.side(name, peer),
                Err(error) => {
                    let Task { workload, .. } = task;
                    self.notes
                        .push(format!("{workload}, {}: {name} failed: {error:#}", contest.engine));
                }
            }
        }
        Ok(contest)
    }
}

impl Program {
    const fn new(file: &'static str, kind: Kind, package: &'static str) -> Self {
        Self { file, kind, package, without: None, has_boundaries: false }
    }

    const fn with_boundaries(self) -> Self {
        Self { has_boundaries: true, ..self }
    }

    const fn without(self, workload: &'static str, reason: &'static str) -> Self {
        Self { without: Some((workload, reason)), ..self }
    }
}

/// A process that works on request. It exits when its input closes.
struct Peer {
    task: Task,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    cost: Duration,
    _process: Child,
}

impl Peer {
    fn start(file: &str, place: &str, task: Task) -> anyhow::Result<Self> {
        let path: PathBuf = [FOLDER, "target", "release", file].iter().collect();
        let mut process = Command::new(&path)
            .arg(place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("cannot start {}; `cargo xtask bench --peers` builds it", path.display())
            })?;
        let input = process.stdin.take().context("it has no input")?;
        let output = BufReader::new(process.stdout.take().context("it has no output")?).lines();
        Ok(Self { task, input, output, cost: Duration::ZERO, _process: process })
    }
}

#[async_trait]
impl Side for Peer {
    async fn work(&mut self, time: Duration) -> anyhow::Result<Worked> {
        let request = Request { task: self.task, seconds: time.as_secs_f64() };
        let mut line = serde_json::to_string(&request)?;
        line.push('\n');
        self.input.write_all(line.as_bytes()).await?;
        let answer = self.output.next_line().await?.context("it has ended")?;
        match serde_json::from_str(&answer)? {
            Answer::Worked { units, elapsed_nanos, cpu_nanos } => {
                self.cost = Duration::from_nanos(cpu_nanos);
                Ok(Worked { units, elapsed: Duration::from_nanos(elapsed_nanos), reruns: 0 })
            }
            Answer::Failed(problem) => anyhow::bail!(problem),
        }
    }

    fn own_cost(&self) -> Option<Duration> {
        Some(self.cost)
    }
}
