//! Many probes and scrapes at the same time are few looks at the database.

use std::sync::Arc;

use evercore::{EventStore, Result};
use evercore_web::{Health, Metrics};

use crate::client::Server;
use crate::engine::Watched;

async fn looks_of_200(path: &'static str) -> Result<u32> {
    let (engine, metrics) = (Arc::new(Watched::default()), Metrics::new());
    let store = EventStore::builder().open_shared(engine.clone()).await?;
    let router = Health::new(&store).router().merge(metrics.router(&store));
    let server = Arc::new(Server::start(router).await);
    let before = engine.looks();
    let asking: Vec<_> = (0..200)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.get(path).await.status })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.expect("it does not panic"), 200);
    }
    Ok(engine.looks() - before)
}

// Answers are kept for a second, and the requests of a slow machine may take several.

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_probes_is_no_storm_of_queries() -> Result<()> {
    let looks = looks_of_200("/health/ready").await?;
    assert!((1..=10).contains(&looks), "{looks}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_scrapes_is_no_storm_of_queries() -> Result<()> {
    let looks = looks_of_200("/metrics").await?;
    assert!((1..=10).contains(&looks), "{looks}");
    Ok(())
}

#[tokio::test]
async fn probes_of_a_live_process_ask_nothing() -> Result<()> {
    assert_eq!(looks_of_200("/health/live").await?, 0);
    Ok(())
}
