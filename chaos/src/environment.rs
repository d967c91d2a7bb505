//! The environment of a run: the database, and a directory for files beside it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use evercore::EventStore;
use evercore_memory::MemoryEngine;
use tempfile::TempDir;
use throwaway_postgres::{Binaries, Server};

use crate::plan::{Engine, Fence, Plan};
use crate::verdict::Written;
use crate::{postgres, sqlite};

/// The time limit for a server to notice that a client is gone.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// The environment of a run. Dropping it removes everything.
#[derive(Debug)]
pub(crate) struct Environment {
    opened: Opened,
    database: Database,
    folder: TempDir,
}

/// The currently open store, which a restart replaces.
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

    /// The file in which the plain handler records its events.
    pub(crate) fn at_least_once(&self) -> PathBuf {
        self.0.join("at-least-once")
    }

    /// The file in which the parking handler records its events.
    pub(crate) fn parking(&self) -> PathBuf {
        self.0.join("parking")
    }

    /// The file whose existence stops the parking handler from failing.
    pub(crate) fn mended(&self) -> PathBuf {
        self.0.join("mended")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Environment {
    /// Creates a database with the tables for the handlers and the changes for the control.
    pub(crate) async fn set_up(plan: &Plan) -> Result<Self> {
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

    /// Returns the currently open store.
    pub(crate) fn store(&self) -> EventStore {
        self.opened.get()
    }

    /// Returns a handle that always gives the currently open store.
    pub(crate) fn opened(&self) -> Opened {
        self.opened.clone()
    }

    /// Closes this process's store on a file, so that the next process is the first to open the file and recovers it.
    pub(crate) async fn step_back(&self) -> Result<()> {
        match &self.database {
            Database::Sqlite { .. } => self.store().close().await.context("cannot close the store"),
            Database::Memory | Database::Postgres { .. } => Ok(()),
        }
    }

    /// Opens the closed store again. On a server, waits until the server has noticed which clients are gone: their open
    /// transactions hold back the frontier, and with it the readable part of the log.
    pub(crate) async fn step_up(&self) -> Result<()> {
        match &self.database {
            Database::Memory => {}
            Database::Sqlite { url } => {
                let opened = EventStore::connect(url).await.context("cannot open the store")?;
                self.opened.set(opened);
            }
            Database::Postgres { .. } => {
                let store = self.store();
                let noticed = postgres::until_no_client_writes(&store);
                let noticed = tokio::time::timeout(NOTICED_WITHIN, noticed).await;
                noticed.context("a disconnected client still holds the frontier back")??;
            }
        }
        Ok(())
    }

    /// Returns the URL of the database for other processes, if there is one.
    pub(crate) fn url(&self) -> Option<&str> {
        self.database.url()
    }

    pub(crate) fn files(&self) -> Files {
        Files::of(self.folder.path())
    }

    /// Restarts the database while it is in use: the server as after a power failure; a file by closing and reopening
    /// this process's store.
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

    /// Reads the handlers' effects in the database; `None` for the engine in memory.
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
    // A crash of the server alone loses the same with and without it.
    blocking(|| Server::start(&Binaries::find()?, &["fsync=off"])).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, throwaway_postgres::Failure> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(|failure| anyhow!("{failure}"))
}
