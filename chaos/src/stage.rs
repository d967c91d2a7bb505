//! Where a run takes place: the database, and a folder for what is written beside it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, Result, anyhow};
use evercore::EventStore;
use evercore_memory::MemoryEngine;
use tempfile::TempDir;
use throwaway_postgres::{Binaries, Server};

use crate::plan::{Engine, Fence, Plan};
use crate::verdict::Written;
use crate::{postgres, sqlite};

/// Where a run takes place. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    opened: Opened,
    database: Database,
    folder: TempDir,
}

/// The store as it is opened now: another one after a restart.
#[derive(Clone, Debug)]
pub(crate) struct Opened(Arc<RwLock<EventStore>>);

#[derive(Debug)]
enum Database {
    Memory,
    Sqlite { url: String },
    Postgres { url: String, server: Arc<Mutex<Server>> },
}

/// The files beside the database.
#[derive(Clone, Debug)]
pub(crate) struct Files(PathBuf);

impl Opened {
    pub(crate) fn new(store: EventStore) -> Self {
        Self(Arc::new(RwLock::new(store)))
    }

    pub(crate) fn get(&self) -> EventStore {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, store: EventStore) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = store;
    }
}

impl Files {
    pub(crate) fn of(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Where the plain handler writes.
    pub(crate) fn at_least_once(&self) -> PathBuf {
        self.0.join("at-least-once")
    }

    /// Where the parking handler writes.
    pub(crate) fn parking(&self) -> PathBuf {
        self.0.join("parking")
    }

    /// Once it is there, the parking handler does not fail any more.
    pub(crate) fn mended(&self) -> PathBuf {
        self.0.join("mended")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Stage {
    /// Makes a database, and in it what the handlers and the control need.
    pub(crate) async fn set(plan: &Plan) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("evercore-chaos-").tempdir()?;
        let database = match plan.engine {
            Engine::Memory => Database::Memory,
            Engine::Sqlite => {
                let file = folder.path().join("log.db");
                let file = file.to_str().context("the folder's name is not UTF-8")?;
                Database::Sqlite { url: format!("sqlite://{file}") }
            }
            Engine::Postgres => {
                let server = start_server().await?;
                Database::Postgres { url: server.url(), server: Arc::new(Mutex::new(server)) }
            }
        };
        let store = match database.url() {
            None => EventStore::builder().open(MemoryEngine::new()).await?,
            Some(url) => EventStore::connect(url).await?,
        };
        match &database {
            Database::Memory => {}
            Database::Sqlite { url } => sqlite::set_up(url).await?,
            Database::Postgres { url, .. } => {
                postgres::set_up(url).await?;
                if plan.fence == Fence::Removed {
                    postgres::remove_fence(url).await?;
                }
            }
        }
        Ok(Self { opened: Opened::new(store), database, folder })
    }

    /// The store as it is opened now.
    pub(crate) fn store(&self) -> EventStore {
        self.opened.get()
    }

    /// The store as it is opened now, for those who use it for longer.
    pub(crate) fn opened(&self) -> Opened {
        self.opened.clone()
    }

    /// Closes this process's store on a file, so that the next one to open it is the first, and recovers it.
    pub(crate) async fn step_back(&self) -> Result<()> {
        match &self.database {
            Database::Sqlite { .. } => self.store().close().await.context("cannot close the store"),
            Database::Memory | Database::Postgres { .. } => Ok(()),
        }
    }

    /// Opens the store again that was closed.
    pub(crate) async fn step_up(&self) -> Result<()> {
        if let Database::Sqlite { url } = &self.database {
            let opened = EventStore::connect(url).await.context("cannot open the store")?;
            self.opened.set(opened);
        }
        Ok(())
    }

    /// Where other processes find the database, if they do.
    pub(crate) fn url(&self) -> Option<&str> {
        self.database.url()
    }

    pub(crate) fn files(&self) -> Files {
        Files::of(self.folder.path())
    }

    /// Restarts the database under whoever uses it: the server as after a power cut; a file, by closing this process's
    /// store and opening it again.
    pub(crate) async fn restart(&self) -> Result<()> {
        match &self.database {
            Database::Memory => Ok(()),
            Database::Sqlite { .. } => {
                self.step_back().await?;
                self.step_up().await
            }
            Database::Postgres { server, .. } => {
                let server = Arc::clone(server);
                blocking(move || {
                    let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
                    server.crash()?;
                    server.restart()
                })
                .await
            }
        }
    }

    /// What handlers have written in the database; `None` where there is nothing to write to.
    pub(crate) async fn written(&self) -> Result<Option<Written>> {
        Ok(match &self.database {
            Database::Memory => None,
            Database::Sqlite { url } => Some(sqlite::read(url).await?),
            Database::Postgres { url, .. } => Some(postgres::read(url).await?),
        })
    }
}

impl Database {
    fn url(&self) -> Option<&str> {
        match self {
            Self::Memory => None,
            Self::Sqlite { url } | Self::Postgres { url, .. } => Some(url),
        }
    }
}

async fn start_server() -> Result<Server> {
    // What a crash of the server alone loses does not depend on it.
    blocking(|| Server::start(&Binaries::find()?, &["fsync=off"])).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, throwaway_postgres::Failure> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(|failure| anyhow!("{failure}"))
}
