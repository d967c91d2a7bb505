//! The process that is killed.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use evercore::engine::StorageEngine;
use evercore::{EventStore, Migrate};
use evercore_postgres::PostgresEngine;
use evercore_sqlite::SqliteEngine;
use evercore_testing::history::Recorder;
use fastrand::Rng;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Acknowledge;
use super::line::Line;
use crate::environment::{Files, Opened};
use crate::plan::{Engine, Fence};
use crate::worker::{self, Worker};
use crate::writer::{Desk, Told, Writer};

/// The command line of the process.
#[derive(Clone, Debug, clap::Args)]
#[expect(missing_docs, reason = "only this program runs it")]
pub struct CommitterDuty {
    #[arg(long)]
    pub url: String,
    #[arg(long)]
    pub engine: Engine,
    #[arg(long)]
    pub folder: PathBuf,
    #[arg(long)]
    pub acknowledge: Acknowledge,
    #[arg(long)]
    pub seed: u64,
    #[arg(long)]
    pub after: i64,
    #[arg(long)]
    pub writers: usize,
}

/// Writes and follows the log until it is stopped.
///
/// # Errors
/// The reason why it cannot continue.
pub(crate) async fn commit_and_follow(duty: CommitterDuty, stop: CancellationToken) -> Result<()> {
    let engine = open(&duty).await?;
    let recorder = Recorder::lines(std::io::stdout());
    let observed = open_store(recorder.observe(Arc::clone(&engine))).await?;
    let store = open_store(engine).await?;
    Line::Opened.say()?;
    let mut rng = Rng::with_seed(duty.seed);
    let desk = Arc::new(Desk::after(duty.after));
    let mut tasks = JoinSet::new();
    for _ in 0..duty.writers {
        let writer = Writer {
            opened: Opened::new(observed.clone()),
            direct: Opened::new(store.clone()),
            engine: duty.engine,
            desk: Arc::clone(&desk),
            rng: rng.fork(),
        };
        tasks.spawn(write(writer, duty.acknowledge, stop.clone()));
    }
    let files = Files::of(duty.folder);
    let follower = Worker { name: "committer".to_owned(), store: store.clone(), files, stop };
    let writing = async {
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(())
    };
    tokio::try_join!(writing, follower.run(duty.engine, Fence::Kept))?;
    Ok(store.close().await?)
}

async fn open(duty: &CommitterDuty) -> Result<Arc<dyn StorageEngine>> {
    worker::patiently(async || {
        let engine: Arc<dyn StorageEngine> = match duty.engine {
            Engine::Sqlite => Arc::new(SqliteEngine::connect(&duty.url).await?),
            Engine::Postgres => Arc::new(PostgresEngine::open(duty.url.parse()?).await?),
            Engine::Memory => unreachable!("BUG: there are no processes on memory"),
        };
        Ok(engine)
    })
    .await
}

async fn open_store(engine: Arc<dyn StorageEngine>) -> evercore::Result<EventStore> {
    EventStore::builder().migrate(Migrate::Manually).open_shared(engine).await
}

async fn write(
    mut writer: Writer,
    acknowledge: Acknowledge,
    stop: CancellationToken,
) -> Result<()> {
    while !stop.is_cancelled() {
        let venture = writer.venture();
        let begins = venture.told(Told::Unknown);
        let number = begins.number;
        Line::Begins(begins).say()?;
        if acknowledge == Acknowledge::Beforehand && venture.is_to_land() {
            Line::Told { number, told: Told::Landed }.say()?;
            writer.attempt(&venture).await?;
        } else {
            let told = writer.attempt(&venture).await?;
            Line::Told { number, told }.say()?;
        }
        writer.rest().await;
    }
    Ok(())
}
