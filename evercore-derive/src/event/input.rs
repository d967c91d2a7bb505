//! Parses the options of `#[event(…)]` and `#[state_event(…)]`.

use darling::FromMeta;
use syn::LitStr;

use super::retired_tags::GivenNames;
use super::tags::GivenTags;
use crate::options::Options;
use crate::value::{AggregateType, Codec, CratePath, Given, Listed, Number, OlderShapes, Texts};

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Input {
    pub(crate) aggregate: Given<AggregateType>,
    pub(crate) name: Given<LitStr>,
    pub(crate) version: Given<Number>,
    pub(crate) oldest_version: Given<Number>,
    pub(crate) upcast_from: Given<OlderShapes>,
    pub(crate) aliases: Given<Texts>,
    pub(crate) codec: Given<Codec>,
    pub(crate) tags: Listed<GivenTags>,
    pub(crate) retired_tags: Listed<GivenNames>,
    #[darling(rename = "crate")]
    pub(crate) krate: Given<CratePath>,
}

impl Options for Input {
    const NAMES: &'static [&'static str] = &[
        "aggregate",
        "name",
        "version",
        "oldest_version",
        "upcast_from",
        "aliases",
        "codec",
        "tags",
        "retired_tags",
        "crate",
    ];
}
