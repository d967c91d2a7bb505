//! Registers the engine for its URL schemes.

use std::sync::Arc;

use evercore::engine::{EngineScheme, StorageEngine};

use crate::engine::PostgresEngine;
use crate::options::PostgresOptions;

inventory::submit! {
    EngineScheme::new(&["postgres", "postgresql"], |url| Box::pin(async move {
            let options: PostgresOptions = url.parse()?;
            Ok(Arc::new(PostgresEngine::open(options).await?) as Arc<dyn StorageEngine>)
        }))
}
