//! The engines under measurement, and fresh data for each contest.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use clap::ValueEnum;
use evercore::engine::{Capability, StorageEngine};
use evercore::{EventStore, EventStoreBuilder};
use evercore_memory::MemoryEngine;
use evercore_postgres::{PostgresEngine, PostgresOptions};
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use throwaway_postgres::{Binaries, Server};

use crate::cpu;
use crate::raw::{PostgresLog, RawLog, SameRows, SqliteLog};

/// A kind of engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    Postgres,
}

/// The environment that an engine needs. Dropping it removes the data.
pub(crate) enum Bed {
    Memory,
    Sqlite(TempDir),
    Postgres { server: Box<Server>, processes: cpu::Server },
}

/// Separate data for one contest, with full durability, unaffected by other contests.
pub(crate) struct Ground {
    pub(crate) kind: Kind,
    pub(crate) processes: cpu::Server,
    place: Place,
}

enum Place {
    Memory(MemoryEngine),
    Folder(PathBuf),
    Database(String),
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    pub(crate) async fn bed(self) -> anyhow::Result<Bed> {
        Ok(match self {
            Self::Memory => Bed::Memory,
            Self::Sqlite => Bed::Sqlite(tempfile::tempdir().context("a folder")?),
            Self::Postgres => {
                let server = Box::new(Server::start(&Binaries::find()?, &[])?);
                let mut connection = PgConnection::connect(&server.url()).await?;
                let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                    .fetch_one(&mut connection)
                    .await?;
                let processes = cpu::Server::with_backend(backend.try_into()?);
                Bed::Postgres { server, processes }
            }
        })
    }
}

impl Bed {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Memory => Kind::Memory,
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres { .. } => Kind::Postgres,
        }
    }

    /// Describes the database program, and how durable its commits are.
    pub(crate) async fn describe(&self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Memory => Ok(None),
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
                let version: String = sqlx::query_scalar("SELECT sqlite_version()")
                    .fetch_one(&mut connection)
                    .await?;
                Ok(Some(format!("SQLite {version}: journal_mode=WAL synchronous=FULL")))
            }
            Self::Postgres { server, .. } => {
                const SETTINGS: [&str; 4] =
                    ["fsync", "synchronous_commit", "wal_sync_method", "shared_buffers"];
                let mut connection = PgConnection::connect(&server.url()).await?;
                let mut text = String::from("PostgreSQL ");
                for setting in ["server_version"].into_iter().chain(SETTINGS) {
                    let value: String = sqlx::query_scalar("SELECT current_setting($1)")
                        .bind(setting)
                        .fetch_one(&mut connection)
                        .await?;
                    match setting {
                        "server_version" => text.push_str(&format!("{value}:")),
                        _ => text.push_str(&format!(" {setting}={value}")),
                    }
                }
                Ok(Some(text))
            }
        }
    }

    /// Returns whether the engine finds events by their tags.
    pub(crate) async fn has_tags(&self) -> anyhow::Result<bool> {
        let engine = self.ground().await?.engine().await?;
        let has_tags = engine.capabilities().has(Capability::Tags);
        engine.close().await?;
        Ok(has_tags)
    }

    /// Creates fresh data.
    pub(crate) async fn ground(&self) -> anyhow::Result<Ground> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(match self {
            Self::Memory => Ground {
                kind: Kind::Memory,
                processes: cpu::Server::None,
                place: Place::Memory(MemoryEngine::new()),
            },
            Self::Sqlite(folder) => {
                let folder = folder.path().join(number.to_string());
                std::fs::create_dir(&folder).context("a folder")?;
                Ground {
                    kind: Kind::Sqlite,
                    processes: cpu::Server::None,
                    place: Place::Folder(folder),
                }
            }
            Self::Postgres { server, processes } => {
                let mut connection = PgConnection::connect(&server.url()).await?;
                let name = format!("bench_{number}");
                sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
                    .execute(&mut connection)
                    .await?;
                sqlx::query("CHECKPOINT").execute(&mut connection).await?;
                let (server, _) = server.url().rsplit_once('/').map_or_else(
                    || unreachable!("BUG: a URL names a database"),
                    |(server, database)| (server.to_owned(), database.to_owned()),
                );
                Ground {
                    kind: Kind::Postgres,
                    processes: *processes,
                    place: Place::Database(format!("{server}/{name}")),
                }
            }
        })
    }
}

impl Ground {
    /// Opens a store on the data, as a separate process would. It is warmed up, so that its start is not measured.
    pub(crate) async fn store(&self) -> anyhow::Result<EventStore> {
        self.store_with(EventStore::builder()).await
    }

    /// Like [`store`](Self::store), with a cache large enough for all aggregates that a workload uses at a time.
    pub(crate) async fn cached_store(&self) -> anyhow::Result<EventStore> {
        self.store_with(EventStore::builder().cache_aggregates(10_000)).await
    }

    pub(crate) async fn store_with(
        &self,
        builder: EventStoreBuilder,
    ) -> anyhow::Result<EventStore> {
        let store = builder.open_shared(self.engine().await?).await?;
        store.warmup().await?;
        Ok(store)
    }

    pub(crate) async fn engine(&self) -> anyhow::Result<Arc<dyn StorageEngine>> {
        Ok(match &self.place {
            Place::Memory(engine) => Arc::new(engine.clone()),
            Place::Folder(folder) => {
                let file = folder.join("evercore.db");
                Arc::new(SqliteEngine::open(file, SqliteOptions::default()).await?)
            }
            Place::Database(url) => {
                Arc::new(PostgresEngine::open(url.parse::<PostgresOptions>()?).await?)
            }
        })
    }

    /// Takes the locks on tags out of the functions that append, for a control that is wrong. Only on PostgreSQL, on the
    /// tables of a store.
    pub(crate) async fn leave_out_tag_locks(&self) -> anyhow::Result<()> {
        const LOCKS: &str = "IF cardinality(lock_numbers) > 0 THEN";
        let Place::Database(url) = &self.place else {
            anyhow::bail!("only PostgreSQL locks tags");
        };
        let mut connection = PgConnection::connect(url).await?;
        let functions: Vec<String> = sqlx::query_scalar(
            "SELECT pg_get_functiondef(p.oid) FROM pg_proc p
             WHERE p.pronamespace = 'evercore'::regnamespace AND strpos(p.prosrc, $1) > 0",
        )
        .bind(LOCKS)
        .fetch_all(&mut connection)
        .await?;
        anyhow::ensure!(!functions.is_empty(), "no function locks tags by `{LOCKS}`");
        for function in functions {
            let without = function.replace(LOCKS, "IF false THEN");
            sqlx::raw_sql(AssertSqlSafe(without)).execute(&mut connection).await?;
        }
        Ok(())
    }

    /// Executes statements on the data by the driver.
    pub(crate) async fn execute(&self, statements: &'static str) -> anyhow::Result<()> {
        match &self.place {
            Place::Memory(_) => anyhow::bail!("a store in memory has no driver"),
            Place::Folder(folder) => {
                let file = folder.join("evercore.db");
                let options = SqliteConnectOptions::new().filename(file);
                let mut connection = SqliteConnection::connect_with(&options).await?;
                sqlx::raw_sql(statements).execute(&mut connection).await?;
                connection.close().await?;
            }
            Place::Database(url) => {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::raw_sql(statements).execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Returns the URL or folder of the data, for programs other than the engine.
    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::Memory(_) => "memory:".to_owned(),
            Place::Folder(folder) => folder.display().to_string(),
            Place::Database(url) => url.clone(),
        }
    }

    /// Creates a separate table without anything of evercore.
    pub(crate) async fn raw(&self) -> anyhow::Result<Arc<dyn RawLog>> {
        Ok(match &self.place {
            Place::Memory(_) => anyhow::bail!("there is no driver under the engine in memory"),
            Place::Folder(_) => self.raw_sqlite().await?,
            Place::Database(url) => Arc::new(PostgresLog::create(url).await?),
        })
    }

    /// Opens the tables of a store for use by hand, for workloads that are slower than the driver on a table of its
    /// own. Only on PostgreSQL.
    pub(crate) async fn same_rows(&self) -> anyhow::Result<Option<Arc<SameRows>>> {
        let Place::Database(url) = &self.place else { return Ok(None) };
        self.store().await?.close().await?;
        Ok(Some(Arc::new(SameRows::connect(url).await?)))
    }

    /// Creates a separate file, because SQLite allows one writer per file.
    pub(crate) async fn raw_sqlite(&self) -> anyhow::Result<Arc<SqliteLog>> {
        let Place::Folder(folder) = &self.place else {
            anyhow::bail!("only SQLite's data is in a folder");
        };
        Ok(Arc::new(SqliteLog::create(&folder.join("raw.db")).await?))
    }
}
