//! Checks the declaration of a boundary.

use std::collections::HashSet;

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Attribute, Data, DeriveInput, Generics, Ident, LitStr, Meta, Path, TypePath, Visibility,
};

use super::input::{self, Input, KeyPart, TagName};
use crate::{deprecated, options, parts, rules};

/// A boundary as declared.
pub(crate) struct Boundary<'a> {
    pub(crate) krate: Path,
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) generics: &'a Generics,
    /// An `#[allow(deprecated)]`, if the generated code needs it.
    pub(crate) allowed: Option<Attribute>,
    pub(crate) name: LitStr,
    pub(crate) key: Vec<KeyPart>,
    pub(crate) events: Vec<Event>,
}

/// An event of the boundary, with the tags by which it is found.
pub(crate) struct Event {
    pub(crate) ty: TypePath,
    pub(crate) tags: Vec<LitStr>,
}

/// Reads a declaration, and reports all mistakes in it.
pub(crate) fn read(item: &DeriveInput) -> (Boundary<'_>, darling::Result<()>) {
    let mut mistakes = darling::Error::accumulator();
    no_generics(&item.generics, &mut mistakes);
    refuse_misplaced(&item.data, &mut mistakes);

    let given = given(&item.attrs, &mut mistakes);
    let is_complete = given.is_some();
    let read: options::Read<Input> = options::read(given.unwrap_or_default(), &mut mistakes);
    let required =
        [("key", "key(course: String)"), ("events", "events(CourseDefined, StudentSubscribed)")];
    let missing = required.iter().filter(|(option, _)| read.lacks(option));
    let missing: Vec<_> = missing.map(|(_, example)| *example).collect();
    if is_complete && !missing.is_empty() {
        let problem = format!("a boundary needs `#[boundary({})]`", missing.join(", "));
        mistakes.push(darling::Error::custom(problem).with_span(&item.ident));
    }
    let input = read.options;
    let key = key(input.key.0.unwrap_or_default(), &mut mistakes);
    let events = events(input.events.0.unwrap_or_default(), &key, &mut mistakes);
    refuse_unused(&key, &events, &mut mistakes);
    let boundary = Boundary {
        krate: rules::krate(input.krate.0),
        ident: &item.ident,
        vis: &item.vis,
        generics: &item.generics,
        allowed: deprecated::allowed(item),
        name: rules::name(input.name.0, &item.ident, &mut mistakes),
        events,
        key,
    };
    (boundary, mistakes.finish())
}

fn no_generics(generics: &Generics, mistakes: &mut Accumulator) {
    if !generics.params.is_empty() {
        let problem =
            "a boundary cannot be generic: its events and their tags are those of one type";
        mistakes.push(darling::Error::custom(problem).with_span(&generics.params));
    }
}

fn key(given: input::Key, mistakes: &mut Accumulator) -> Vec<KeyPart> {
    let mut tags = HashSet::new();
    let mut names = HashSet::new();
    let mut key = Vec::new();
    for part in given.0 {
        if !tags.insert(part.tag.value()) {
            let problem = format!("the tag `{}` is given twice", part.tag.value());
            mistakes.push(darling::Error::custom(problem).with_span(&part.tag));
        } else if !names.insert(part.name.clone()) {
            let problem = format!("there are two parameters `{}`", part.name);
            mistakes.push(darling::Error::custom(problem).with_span(&part.name));
        } else {
            key.push(part);
        }
    }
    key
}

fn events(given: input::Events, key: &[KeyPart], mistakes: &mut Accumulator) -> Vec<Event> {
    let mut seen = HashSet::new();
    let mut events = Vec::new();
    for input::Event { ty, tags } in given.0 {
        if !seen.insert(ty.to_token_stream().to_string()) {
            mistakes.push(darling::Error::custom("this event is given twice").with_span(&ty));
            continue;
        }
        let tags = match tags {
            None => key.iter().map(|part| part.tag.clone()).collect(),
            Some(given) => found_by(given, key, mistakes),
        };
        events.push(Event { ty, tags });
    }
    events
}

/// Returns the tags by which an event is found, out of those of the key.
fn found_by(given: Vec<TagName>, key: &[KeyPart], mistakes: &mut Accumulator) -> Vec<LitStr> {
    let mut seen = HashSet::new();
    let mut tags = Vec::new();
    for TagName(tag) in given {
        let name = tag.value();
        let problem = if !key.is_empty() && key.iter().all(|part| part.tag.value() != name) {
            format!("`{name}` is no tag of the `key`; add it there, with the type of its value")
        } else if !seen.insert(name.clone()) {
            format!("the tag `{name}` is given twice")
        } else {
            tags.push(tag);
            continue;
        };
        mistakes.push(darling::Error::custom(problem).with_span(&tag));
    }
    tags
}

/// Refuses a tag of the key by which no event is found: its value would not matter.
fn refuse_unused(key: &[KeyPart], events: &[Event], mistakes: &mut Accumulator) {
    if events.is_empty() {
        return;
    }
    for KeyPart { tag, .. } in key {
        let name = tag.value();
        let is_used = |event: &Event| event.tags.iter().any(|used| used.value() == name);
        if !events.iter().any(is_used) {
            let problem = format!(
                "no event is found by the tag `{name}`; name it with an event that has it, or remove it from the `key`"
            );
            mistakes.push(darling::Error::custom(problem).with_span(tag));
        }
    }
}

/// Collects the options of all `#[boundary(…)]` attributes. `None` if one of them is a mistake.
fn given(attrs: &[Attribute], mistakes: &mut Accumulator) -> Option<Vec<TokenStream>> {
    let mut options = Some(Vec::new());
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("boundary")) {
        match &attr.meta {
            Meta::Path(_) => {}
            Meta::List(list) => {
                if let Some(options) = &mut options {
                    options.push(list.tokens.clone());
                }
            }
            Meta::NameValue(pair) => {
                let problem = "options go in parentheses, as in `#[boundary(key(course: String), events(CourseDefined))]`";
                mistakes.push(darling::Error::custom(problem).with_span(&pair.eq_token));
                options = None;
            }
        }
    }
    options
}

/// Refuses the attribute on fields and variants: its options describe the type.
fn refuse_misplaced(data: &Data, mistakes: &mut Accumulator) {
    if let Data::Union(data) = data {
        let problem = "a boundary is a struct or an enum";
        mistakes.push(darling::Error::custom(problem).with_span(&data.union_token));
    }
    let attrs = parts::attributes(data).into_iter().flatten();
    for attr in attrs.filter(|attr| attr.path().is_ident("boundary")) {
        let problem = "`#[boundary(…)]` goes on the type, above its `struct` or `enum`";
        mistakes.push(darling::Error::custom(problem).with_span(attr.path()));
    }
}
