//! Runs a test on each engine.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evercore::{EventStore, Result};
use evercore_memory::MemoryEngine;
use evercore_postgres as _;
use evercore_sqlite as _;

/// The time within which a condition has to be met. Most are met within milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a test of a function over a store for each engine.
macro_rules! on_every_engine {
    ($($case:ident)+) => {
        $(
            mod $case {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn memory() {
                    super::$case(crate::engines::memory().await).await.expect("it works");
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    let folder = tempfile::tempdir().expect("there is a disk");
                    super::$case(crate::engines::sqlite(&folder).await).await.expect("it works");
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() {
                    super::$case(crate::engines::postgres().await).await.expect("it works");
                }
            }
        )+
    };
}
pub(crate) use on_every_engine;

pub(crate) async fn memory() -> EventStore {
    EventStore::builder().open(MemoryEngine::new()).await.expect("memory opens")
}

pub(crate) async fn sqlite(folder: &tempfile::TempDir) -> EventStore {
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    EventStore::connect(&url).await.expect("the file opens")
}

/// Opens a schema of its own.
pub(crate) async fn postgres() -> EventStore {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}schema=processes_{process}_{number}");
    EventStore::connect(&url).await.expect("the server answers")
}

/// Waits until a condition is met.
pub(crate) async fn until<F: Future<Output = Result<bool>>>(
    what: &str,
    mut is_met: impl FnMut() -> F,
) -> Result<()> {
    let waiting = async {
        while !is_met().await? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(result) => result,
        Err(_) => panic!("{what} did not come to pass"),
    }
}
