//! Registers the engine for `sqlite:` URLs.

use std::sync::Arc;

use evercore::engine::{ConnectFuture, EngineScheme, StorageEngine};

use crate::engine::SqliteEngine;

inventory::submit! {
    EngineScheme::new(&["sqlite"], connect)
}

fn connect(url: String) -> ConnectFuture {
    Box::pin(async move {
        let engine: Arc<dyn StorageEngine> = Arc::new(SqliteEngine::connect(&url).await?);
        Ok(engine)
    })
}
