//! sqlx on a table of jobs, as a program without a framework would have it.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Row as _, raw_sql};

use super::super::POOL;
use super::TABLES;

const JOBS: &str = include_str!("jobs.sql");
const CLAIM: &str = include_str!("claim_job.sql");
const COMPLETE: &str = include_str!("complete_job.sql");
const FILL: &str = include_str!("fill_jobs.sql");

/// A table of jobs beside the table of events.
pub(crate) struct Jobs {
    pool: PgPool,
}

/// A job that was claimed.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) payload: Vec<u8>,
}

impl Jobs {
    pub(crate) async fn create(url: &str) -> anyhow::Result<Self> {
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(POOL)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        raw_sql(TABLES).execute(&pool).await?;
        raw_sql(JOBS).execute(&pool).await?;
        Ok(Self { pool })
    }

    /// Fills the queue up to a number of jobs.
    pub(crate) async fn fill(&self, payload: &[u8], jobs: i64) -> anyhow::Result<()> {
        sqlx::query(FILL).bind(payload).bind(jobs).execute(&self.pool).await?;
        Ok(())
    }

    /// Claims the next job that is due.
    pub(crate) async fn claim(&self) -> anyhow::Result<Option<Job>> {
        let row = sqlx::query(CLAIM).bind("a worker").fetch_optional(&self.pool).await?;
        row.map(|row| Ok(Job { id: row.try_get("id")?, payload: row.try_get("payload")? }))
            .transpose()
    }

    /// Stores the event that a job has led to, and deletes the job.
    pub(crate) async fn complete(&self, id: i64, account: i64, event: &[u8]) -> anyhow::Result<()> {
        let stored =
            sqlx::query(COMPLETE).bind(id).bind(account).bind(event).execute(&self.pool).await?;
        anyhow::ensure!(stored.rows_affected() == 1, "the job {id} was not claimed any more");
        Ok(())
    }
}
