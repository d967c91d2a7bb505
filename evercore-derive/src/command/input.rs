//! Parses the options of `#[command(…)]`.

use darling::FromMeta;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Member, parenthesized, token};

use crate::event::input as event;
use crate::options::Options;
use crate::value::{
    AggregateType, Codec, CratePath, Given, Listed, Number, OlderShapes, Texts, Value,
};

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Input {
    pub(crate) aggregate: Given<AggregateType>,
    pub(crate) target: Given<Target>,
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

/// The options that are not those of an event.
pub(super) struct Own {
    pub(super) aggregate: Option<AggregateType>,
    pub(super) target: Option<Target>,
    pub(super) queue: Option<LitStr>,
}

/// The aggregate that a command is for.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The one that a field names: `account`.
    Field(Member),
    /// A new one: `new()`.
    New,
    /// A new one with the key in a field: `new_with_key(iban)`.
    NewWithKey(Member),
    /// The one with the key in a field, or a new one: `key_or_new(iban)`.
    KeyOrNew(Member),
}

impl Options for Input {
    const NAMES: &'static [&'static str] = &[
        "aggregate",
        "target",
        "queue",
        "name",
        "version",
        "oldest_version",
        "upcast_from",
        "aliases",
        "codec",
        "crate",
    ];
}

impl Input {
    /// Returns the options that it shares with events, and the others.
    pub(super) fn into_common(self) -> (event::Input, Own) {
        let Self {
            aggregate,
            target,
            queue,
            name,
            version,
            oldest_version,
            upcast_from,
            aliases,
            codec,
            krate,
        } = self;
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
        (common, Own { aggregate: aggregate.0, target: target.0, queue: queue.0 })
    }
}

impl Target {
    /// Returns the field that names the aggregate.
    pub(super) const fn field(&self) -> Option<&Member> {
        match self {
            Self::New => None,
            Self::Field(field) | Self::NewWithKey(field) | Self::KeyOrNew(field) => Some(field),
        }
    }
}

impl Value for Target {
    const EXPECTED: &'static str = "expected the field that names the aggregate, as in `target = account`, or `new()`, `new_with_key(…)` or `key_or_new(…)`, the last two with the field that has the key";
}

impl Parse for Target {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek2(token::Paren) {
            return input.parse().map(Self::Field);
        }
        let kind: Ident = input.parse()?;
        let content;
        parenthesized!(content in input);
        let target = match &*kind.to_string() {
            "new" => Self::New,
            "new_with_key" => Self::NewWithKey(content.parse()?),
            "key_or_new" => Self::KeyOrNew(content.parse()?),
            _ => return Err(syn::Error::new(kind.span(), Self::EXPECTED)),
        };
        if content.is_empty() { Ok(target) } else { Err(content.error(Self::EXPECTED)) }
    }
}
