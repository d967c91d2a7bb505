//! Checks the declaration of an event.

use darling::error::Accumulator;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, Data, DeriveInput, LitStr, Path, TypePath, parse_quote};

use super::derives::Derives;
use super::double_option;
use super::input::Input;
use super::retired_tags::{self, RetiredTags};
use super::shape::{self, Part};
use super::tags::{self, Tags};
use super::versions::{self, Versions};
use crate::options::Options;
use crate::value::{AggregateType, Codec, CodecKind};
use crate::{conditional, deprecated, options, parts, rules};

/// The attribute that declares the event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Event,
    StateEvent,
    RetiredEvent,
    Task,
    Command,
}

/// An event as declared.
pub(crate) struct Event {
    pub(crate) krate: Path,
    /// The item as written, without the attributes that only these macros understand.
    pub(crate) item: DeriveInput,
    /// `None` if serde's derives are left to the user.
    pub(crate) derives: Option<Derives>,
    /// An `#[allow(deprecated)]`, if the generated code needs it.
    pub(crate) allowed: Option<Attribute>,
    /// `None` only if a mistake was reported.
    pub(crate) aggregate: Option<TypePath>,
    pub(crate) name: LitStr,
    pub(crate) versions: Versions,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) shape: Vec<Part>,
    /// Its own codec, if it does not use the store's.
    pub(crate) codec: Option<Codec>,
    pub(crate) tags: Tags,
    pub(crate) retired_tags: RetiredTags,
}

impl Event {
    /// Whether a placeholder implementation can be written despite mistakes. It cannot if it would cause errors of its
    /// own.
    pub(crate) fn can_stand_in(&self) -> bool {
        !matches!(self.item.data, Data::Union(_)) && self.item.generics.params.is_empty()
    }
}

impl Kind {
    /// Returns the attribute as users write it.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::Event => "#[event]",
            Self::StateEvent => "#[state_event]",
            Self::RetiredEvent => "#[retired_event]",
            Self::Task => "#[task]",
            Self::Command => "#[command]",
        }
    }

    /// Returns what the item is.
    const fn what(self) -> &'static str {
        match self {
            Self::Event | Self::StateEvent | Self::RetiredEvent => "an event",
            Self::Task => "a task",
            Self::Command => "a command",
        }
    }

    /// Whether the item is the body of a task, and not an event of an aggregate.
    const fn is_body(self) -> bool {
        matches!(self, Self::Task | Self::Command)
    }

    /// Returns the items that it can be.
    const fn items(self) -> &'static str {
        if matches!(self, Self::Command) { "a struct" } else { "a struct or an enum" }
    }
}

/// Reads a declaration, and collects the mistakes in it.
pub(crate) fn read(kind: Kind, args: TokenStream, item: DeriveInput) -> (Event, Accumulator) {
    let (event, (), mistakes) = read_with(kind, args, item, |input: Input| (input, ()));
    (event, mistakes)
}

/// Like [`read`], for options that include more than those of an event.
pub(crate) fn read_with<O: Options, T>(
    kind: Kind,
    args: TokenStream,
    mut item: DeriveInput,
    common: impl FnOnce(O) -> (Input, T),
) -> (Event, T, Accumulator) {
    let mut mistakes = darling::Error::accumulator();
    let what = kind.what();
    rules::no_generics(what, &item.generics, &mut mistakes);
    let misplaced = match &item.data {
        Data::Union(data) => Some(data.union_token.span),
        Data::Enum(data) if kind == Kind::Command => Some(data.enum_token.span),
        Data::Struct(_) | Data::Enum(_) => None,
    };
    if let Some(place) = misplaced {
        let problem = format!("{what} is {}", kind.items());
        mistakes.push(syn::Error::new(place, problem).into());
    }
    refuse_second_attribute(kind, &mut item.attrs, &mut mistakes);
    take_state_attributes(kind, &mut item.data, &mut mistakes);

    let read: options::Read<O> = options::read([args], &mut mistakes);
    // An event that belongs to no aggregate is found by its tags.
    let is_fact = kind == Kind::Event && !read.lacks("tags") && read.lacks("aggregate");
    // The span is the attribute, and names resolve as if the user had written them there.
    let place = Span::call_site().resolved_at(item.ident.span());
    if kind == Kind::Task && read.lacks("queue") {
        let problem = "`#[task]` needs the queue of the task: `queue = \"…\"`";
        mistakes.push(syn::Error::new(place, problem).into());
    }
    if kind == Kind::Command && read.lacks("aggregate") {
        let problem =
            "`#[command]` needs the type of the aggregate that decides on it: `aggregate = …`";
        mistakes.push(syn::Error::new(place, problem).into());
    }
    if kind == Kind::Command && read.lacks("target") {
        let problem = "`#[command]` needs the field that names the aggregate, as in `target = account`; for a command without one, `target = new()`, or no `#[command]` and `EventStore::execute`";
        mistakes.push(syn::Error::new(place, problem).into());
    }
    if read.lacks("aggregate") && !is_fact && !kind.is_body() {
        let or_tags = match kind {
            Kind::Event => "; an event that belongs to none needs tags, as in `tags(course)`",
            Kind::StateEvent if !read.lacks("tags") => {
                "; an event that has only tags is an `#[event(tags(…))]`"
            }
            Kind::StateEvent | Kind::RetiredEvent | Kind::Task | Kind::Command => "",
        };
        let problem = format!(
            "`{}` needs the aggregate of the event: `aggregate = …`{or_tags}",
            kind.attribute()
        );
        mistakes.push(syn::Error::new(place, problem).into());
    }
    let (input, rest) = common(read.options);
    let krate = rules::krate(input.krate.0);
    let tags = tags::read(input.tags.0, &item, &mut mistakes);
    let retired_tags = retired_tags::read(input.retired_tags.0, &tags, &mut mistakes);
    let shape = shape::shape(&item);
    let codec = input.codec.0;
    // The fields of a message are written by prost; serde's derives are the user's choice.
    let is_message = codec.is_some_and(|codec| codec.kind == CodecKind::Protobuf);
    if !is_message {
        double_option::annotate(&krate, &item.attrs, &mut item.data, &mut mistakes);
    }
    let name = rules::name(input.name.0, &item.ident, &mut mistakes);
    let mut event = Event {
        allowed: deprecated::allowed(&item),
        derives: (!is_message).then(|| Derives::of(&item.attrs)),
        codec,
        aggregate: match input.aggregate.0 {
            Some(AggregateType(path)) => Some(path),
            None if kind.is_body() => Some(parse_quote!(#krate::task::TaskBodies)),
            None if is_fact => Some(parse_quote!(#krate::boundary::Facts)),
            None => None,
        },
        tags,
        retired_tags,
        versions: versions::read(
            input.version.0,
            input.oldest_version.0,
            input.upcast_from.0,
            &mut mistakes,
        ),
        aliases: rules::aliases("event", input.aliases.0, &name, &mut mistakes),
        name,
        shape,
        item,
        krate,
    };
    if !event.can_stand_in() {
        forget_serde(&mut event.item);
    }
    (event, rest, mistakes)
}

/// Reports an attribute on something that is neither a struct nor an enum.
pub(crate) fn not_an_item(kind: Kind, item: TokenStream, error: syn::Error) -> TokenStream {
    let problem = format!("`{}` goes on {}", kind.attribute(), kind.items());
    let mistake = syn::Error::new(error.span(), problem).into_compile_error();
    quote!(#mistake #item)
}

/// Refuses a second event attribute: an item is one event.
fn refuse_second_attribute(kind: Kind, attrs: &mut Vec<Attribute>, mistakes: &mut Accumulator) {
    attrs.retain(|attr| {
        let second = ["event", "state_event", "retired_event", "task", "command"]
            .into_iter()
            .any(|name| is_ours(attr.path(), name));
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

/// Removes serde's attributes, which would be unknown without a derive of serde.
fn forget_serde(item: &mut DeriveInput) {
    for attrs in parts::attributes_mut(&mut item.data).into_iter().chain([&mut item.attrs]) {
        conditional::take(attrs, "serde");
    }
}

/// Removes `#[state(…)]`, which belongs to the fields of a state event and has been read by now.
fn take_state_attributes(kind: Kind, data: &mut Data, mistakes: &mut Accumulator) {
    for attrs in parts::attributes_mut(data) {
        for taken in conditional::take(attrs, "state") {
            if kind != Kind::StateEvent {
                let problem = "`#[state(…)]` goes on the fields of a `#[state_event]`; an `#[event]` changes the state by its `Apply`";
                mistakes.push(darling::Error::custom(problem).with_span(taken.path()));
            }
        }
    }
}
