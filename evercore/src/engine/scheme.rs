//! Finds the engine that serves a URL.

use std::pin::Pin;
use std::sync::Arc;

use super::StorageEngine;
use crate::{Error, Result};

/// The future that [`EngineScheme::connect`] returns.
pub type ConnectFuture = Pin<Box<dyn Future<Output = Result<Arc<dyn StorageEngine>>> + Send>>;

/// Announces an engine to [`EventStore::connect`](crate::EventStore::connect), through `inventory::submit!`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EngineScheme {
    /// The URL schemes that it serves, in lower case and without a colon.
    pub schemes: &'static [&'static str],
    /// Opens the engine at a URL of one of these schemes, without touching the schema.
    pub connect: fn(url: String) -> ConnectFuture,
}

impl EngineScheme {
    /// Announces an engine.
    #[must_use]
    pub const fn new(
        schemes: &'static [&'static str],
        connect: fn(url: String) -> ConnectFuture,
    ) -> Self {
        Self { schemes, connect }
    }
}

inventory::collect!(EngineScheme);

pub(crate) async fn connect(url: &str) -> Result<Arc<dyn StorageEngine>> {
    // A scheme as in RFC 3986, section 3.1. Anything else before a colon may be a password, which must not be shown.
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme));
    let Some(scheme) = scheme else {
        return Err(Error::InvalidUrl {
            problem: "it has no scheme; write one as in `sqlite://bank.db`".to_owned(),
        });
    };
    let scheme = scheme.to_ascii_lowercase();
    let engine = inventory::iter::<EngineScheme>()
        .find(|engine| engine.schemes.contains(&scheme.as_str()))
        .ok_or_else(|| Error::UnknownScheme { scheme, linked: linked_schemes() })?;
    (engine.connect)(url.to_owned()).await
}

fn linked_schemes() -> String {
    let mut schemes: Vec<String> = inventory::iter::<EngineScheme>()
        .flat_map(|engine| engine.schemes)
        .map(|scheme| format!("`{scheme}:`"))
        .collect();
    if schemes.is_empty() {
        return "linked: none".to_owned();
    }
    schemes.sort();
    format!("linked: {}", schemes.join(", "))
}
