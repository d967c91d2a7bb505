//! The rules of an event.

use std::collections::HashSet;

use darling::error::Accumulator;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, Data, DeriveInput, LitStr, Path, TypePath};

use super::derives::Derives;
use super::double_option;
use super::input::Input;
use crate::value::{AggregateType, Codec, CodecKind, Texts};
use crate::{options, parts, rules};

/// Which of the two attributes makes the event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Event,
    StateEvent,
}

/// An event as declared.
pub(crate) struct Event {
    pub(crate) krate: Path,
    /// The item as written, without what only our macros understand.
    pub(crate) item: DeriveInput,
    pub(crate) derives: Derives,
    /// `None` only together with a mistake.
    pub(crate) aggregate: Option<TypePath>,
    pub(crate) name: LitStr,
    pub(crate) version: u32,
    pub(crate) aliases: Vec<LitStr>,
    /// Its own one, whatever the store's.
    pub(crate) codec: Option<Codec>,
}

impl Event {
    /// Whether an implementation can stand in for one that is wrong: not where it would add errors of its own.
    pub(crate) fn can_stand_in(&self) -> bool {
        !matches!(self.item.data, Data::Union(_)) && self.item.generics.params.is_empty()
    }
}

impl Kind {
    /// How users write it.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::Event => "#[event]",
            Self::StateEvent => "#[state_event]",
        }
    }
}

/// Reads a declaration, and collects what is wrong with it.
pub(crate) fn read(kind: Kind, args: TokenStream, mut item: DeriveInput) -> (Event, Accumulator) {
    let mut mistakes = darling::Error::accumulator();
    rules::no_generics("an event", &item.generics, &mut mistakes);
    if let Data::Union(data) = &item.data {
        let problem = "an event is a struct or an enum";
        mistakes.push(darling::Error::custom(problem).with_span(&data.union_token));
    }
    refuse_second_attribute(kind, &mut item.attrs, &mut mistakes);
    take_state_attributes(kind, &mut item.data, &mut mistakes);

    let read: options::Read<Input> = options::read([args], &mut mistakes);
    if read.lacks("aggregate") {
        let problem =
            format!("`{}` needs the aggregate of the event: `aggregate = …`", kind.attribute());
        // At the attribute, as if the user had written it there.
        let place = Span::call_site().resolved_at(item.ident.span());
        mistakes.push(syn::Error::new(place, problem).into());
    }
    let input = read.options;
    let krate = rules::krate(input.krate.0);
    let codec = input.codec.0;
    // Its fields are written by prost, in prost's way; serde's derives are the user's choice.
    let is_message = codec.is_some_and(|codec| codec.kind == CodecKind::Protobuf);
    if !is_message {
        double_option::annotate(&krate, &item.attrs, &mut item.data, &mut mistakes);
    }
    let name = rules::name(input.name.0, &item.ident, &mut mistakes);
    let mut event = Event {
        krate,
        derives: if is_message { Derives::none() } else { Derives::missing(&item.attrs) },
        codec,
        aggregate: input.aggregate.0.map(|AggregateType(path)| path),
        version: rules::version(input.version.0, &mut mistakes),
        aliases: aliases(input.aliases.0, &name, &mut mistakes),
        name,
        item,
    };
    if !event.can_stand_in() {
        forget_serde(&mut event.item);
    }
    (event, mistakes)
}

/// Answers to an attribute on something that is no item with a shape.
pub(crate) fn not_an_item(kind: Kind, item: TokenStream, error: syn::Error) -> TokenStream {
    let problem = format!("`{}` goes on a struct or an enum", kind.attribute());
    let mistake = syn::Error::new(error.span(), problem).into_compile_error();
    quote!(#mistake #item)
}

fn aliases(given: Option<Texts>, name: &LitStr, mistakes: &mut Accumulator) -> Vec<LitStr> {
    let aliases = given.map(|Texts(aliases)| aliases).unwrap_or_default();
    let mut seen = HashSet::new();
    for alias in &aliases {
        let problem = if alias.value() == name.value() {
            Some("this is the event's name; an alias is another name under which it was written")
        } else if !seen.insert(alias.value()) {
            Some("this alias is given twice")
        } else {
            mistakes.handle(rules::check_name(alias));
            None
        };
        mistakes.extend(problem.map(|problem| darling::Error::custom(problem).with_span(alias)));
    }
    aliases
}

/// An item is one event.
fn refuse_second_attribute(kind: Kind, attrs: &mut Vec<Attribute>, mistakes: &mut Accumulator) {
    attrs.retain(|attr| {
        let second = is_ours(attr.path(), "event") || is_ours(attr.path(), "state_event");
        if second {
            let problem =
                format!("there is `{}` on this item already; remove one of them", kind.attribute());
            mistakes.push(darling::Error::custom(problem).with_span(attr.path()));
        }
        !second
    });
}

fn is_ours(path: &Path, name: &str) -> bool {
    let segments: Vec<String> =
        path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [only] => only == name,
        ["evercore", last] => last == name,
        _ => false,
    }
}

/// Without a derive of serde's, its attributes would be unknown.
fn forget_serde(item: &mut DeriveInput) {
    for attrs in parts::attributes_mut(&mut item.data).into_iter().chain([&mut item.attrs]) {
        attrs.retain(|attr| !attr.path().is_ident("serde"));
    }
}

/// `#[state(…)]` belongs to the fields of a state event, which has read them by now.
fn take_state_attributes(kind: Kind, data: &mut Data, mistakes: &mut Accumulator) {
    for attrs in parts::attributes_mut(data) {
        attrs.retain(|attr| {
            let ours = attr.path().is_ident("state");
            if ours && kind == Kind::Event {
                let problem = "`#[state(…)]` goes on the fields of a `#[state_event]`; an `#[event]` changes the state by its `Apply`";
                mistakes.push(darling::Error::custom(problem).with_span(attr.path()));
            }
            !ours
        });
    }
}
