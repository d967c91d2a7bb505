//! What `#[aggregate(…)]` says.

use darling::FromMeta;
use syn::LitStr;

use crate::options::Options;
use crate::value::{CratePath, Given, Number};

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Input {
    pub(crate) name: Option<Given<LitStr>>,
    pub(crate) snapshot_every: Option<Given<Number>>,
    pub(crate) snapshot_version: Option<Given<Number>>,
    #[darling(rename = "crate")]
    pub(crate) krate: Option<Given<CratePath>>,
}

impl Options for Input {
    const NAMES: &'static [&'static str] = &["name", "snapshot_every", "snapshot_version", "crate"];
}
