//! Parses the options of `#[aggregate(…)]`.

use darling::FromMeta;
use syn::LitStr;

use super::unique::GivenUnique;
use crate::options::Options;
use crate::value::{CratePath, Given, Listed, Number, Texts, UnknownEvents};

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Input {
    pub(crate) name: Given<LitStr>,
    pub(crate) aliases: Given<Texts>,
    pub(crate) snapshot_every: Given<Number>,
    pub(crate) snapshot_version: Given<Number>,
    pub(crate) unknown_events: Given<UnknownEvents>,
    pub(crate) unique: Listed<GivenUnique>,
    #[darling(rename = "crate")]
    pub(crate) krate: Given<CratePath>,
}

impl Options for Input {
    const NAMES: &'static [&'static str] = &[
        "name",
        "aliases",
        "snapshot_every",
        "snapshot_version",
        "unknown_events",
        "unique",
        "crate",
    ];
}
