//! Parses the options of `#[boundary(…)]`.

use darling::FromMeta;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Token, Type, TypePath, parenthesized, parse_quote, token};

use crate::options::Options;
use crate::value::{CratePath, Given, Listed, Value};

/// The options as given.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Input {
    pub(crate) key: Listed<Key>,
    pub(crate) events: Listed<Events>,
    pub(crate) name: Given<LitStr>,
    #[darling(rename = "crate")]
    pub(crate) krate: Given<CratePath>,
}

/// The tags of the key, each with the type of its value: `course: String`, `"gift-card" = card: String`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Key(pub(crate) Vec<KeyPart>);

/// A tag of the key.
#[derive(Clone, Debug)]
pub(crate) struct KeyPart {
    pub(crate) tag: LitStr,
    /// The parameter that takes its value.
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// The name of a tag: `course` or `"gift-card"`.
#[derive(Clone, Debug)]
pub(crate) struct TagName(pub(crate) LitStr);

/// The events, each with the tags by which it is found if these are not all: `CourseDefined(course)`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(pub(crate) Vec<Event>);

/// An event of the boundary.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) ty: TypePath,
    pub(crate) tags: Option<Vec<TagName>>,
}

impl Options for Input {
    const NAMES: &'static [&'static str] = &["key", "events", "name", "crate"];
}

impl Value for Key {
    const EXPECTED: &'static str = "expected the tags that select the events, with the types of their values, as in `key(course: String)`";
}

impl Parse for Key {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let parts = Punctuated::<KeyPart, Token![,]>::parse_terminated(input)?;
        if parts.is_empty() {
            return Err(input.error(Self::EXPECTED));
        }
        Ok(Self(parts.into_iter().collect()))
    }
}

impl Parse for KeyPart {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let tag = if input.peek2(Token![=]) {
            let TagName(tag) = input.parse()?;
            let _: Token![=] = input.parse()?;
            Some(tag)
        } else {
            None
        };
        let name: Ident = input.parse()?;
        let tag = tag.unwrap_or_else(|| LitStr::new(&name.unraw().to_string(), name.span()));
        let _: Token![:] = input.parse()?;
        Ok(Self { tag, name, ty: input.parse()? })
    }
}

impl Parse for TagName {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self);
        }
        let name = Ident::parse_any(input)?;
        Ok(Self(LitStr::new(&name.unraw().to_string(), name.span())))
    }
}

impl Value for Events {
    const EXPECTED: &'static str = "expected the events, as in `events(CourseDefined, StudentSubscribed)`, or `events(CourseDefined(course))` for one that has only some of the tags of the key";
}

impl Parse for Events {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let events = Punctuated::<Event, Token![,]>::parse_terminated(input)?;
        if events.is_empty() {
            return Err(input.error(Self::EXPECTED));
        }
        Ok(Self(events.into_iter().collect()))
    }
}

impl Parse for Event {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // Not parsed as a `TypePath`, which would take `(course)` for the arguments of a function type.
        let path = input.call(syn::Path::parse_mod_style)?;
        let ty: TypePath = parse_quote!(#path);
        if !input.peek(token::Paren) {
            return Ok(Self { ty, tags: None });
        }
        let content;
        parenthesized!(content in input);
        let tags = Punctuated::<TagName, Token![,]>::parse_terminated(&content)?;
        if tags.is_empty() {
            return Err(content.error("expected at least one tag of the key"));
        }
        Ok(Self { ty, tags: Some(tags.into_iter().collect()) })
    }
}
