//! What `#[aggregate(…)]` says.

use darling::FromMeta;
use syn::LitStr;

use crate::options::Options;
use crate::value::{CratePath, Given, Number};

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Input {
    pub(crate) name: Given<LitStr>,
    pub(crate) snapshot_every: Given<Number>,
    pub(crate) snapshot_version: Given<Number>,
    #[darling(rename = "crate")]
    pub(crate) krate: Given<CratePath>,
}

impl Options for Input {
    const NAMES: &'static [&'static str] = &["name", "snapshot_every", "snapshot_version", "crate"];
}
