//! Parses the options of `#[task(…)]`.

use darling::FromMeta;
use syn::LitStr;

use crate::event::input as event;
use crate::options::Options;
use crate::value::{Codec, CratePath, Given, Listed, Number, OlderShapes, Texts};

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Input {
    pub(crate) queue: Given<LitStr>,
    pub(crate) name: Given<LitStr>,
    pub(crate) version: Given<Number>,
    pub(crate) oldest_version: Given<Number>,
    pub(crate) upcast_from: Given<OlderShapes>,
    pub(crate) aliases: Given<Texts>,
    pub(crate) codec: Given<Codec>,
    #[darling(rename = "crate")]
    pub(crate) krate: Given<CratePath>,
}

impl Options for Input {
    const NAMES: &'static [&'static str] =
        &["queue", "name", "version", "oldest_version", "upcast_from", "aliases", "codec", "crate"];
}

impl Input {
    /// Returns the options that it shares with events, and the queue.
    pub(super) fn into_common(self) -> (event::Input, Option<LitStr>) {
        let Self { queue, name, version, oldest_version, upcast_from, aliases, codec, krate } =
            self;
        let common = event::Input {
            aggregate: Given::default(),
            name,
            version,
            oldest_version,
            upcast_from,
            aliases,
            codec,
            tags: Listed::default(),
            retired_tags: Listed::default(),
            krate,
        };
        (common, queue.0)
    }
}
