//! Parses the options of `#[retired_event(…)]`.

use darling::FromMeta;
use syn::LitStr;

use crate::event::input as event;
use crate::options::Options;
use crate::value::{AggregateType, CratePath, Events, Given, Listed, Number, OlderShapes, Texts};

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
    pub(crate) into: Given<Events>,
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
        "into",
        "crate",
    ];
}

impl Input {
    /// Returns the options that it shares with other events, and the events that it is split into.
    pub(super) fn into_common(self) -> (event::Input, Option<Events>) {
        let Self { aggregate, name, version, oldest_version, upcast_from, aliases, into, krate } =
            self;
        let common = event::Input {
            aggregate,
            name,
            version,
            oldest_version,
            upcast_from,
            aliases,
            codec: Given::default(),
            tags: Listed::default(),
            retired_tags: Listed::default(),
            krate,
        };
        (common, into.0)
    }
}
