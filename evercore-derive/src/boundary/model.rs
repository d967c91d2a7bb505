//! Checks the declaration of a boundary.

use std::collections::HashSet;

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Attribute, Data, DeriveInput, Generics, Ident, LitStr, Meta, Path, Type, TypePath, Visibility,
};

use super::input::{self, Input, KeyPart};
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
    pub(crate) key: Vec<(Ident, Type)>,
    pub(crate) events: Vec<Event>,
}

/// An event of the boundary, with the tags by which it is found.
pub(crate) struct Event {
    pub(crate) ty: TypePath,
    pub(crate) tags: Vec<Ident>,
}

/// Reads a declaration, and reports all mistakes in it.
pub(crate) fn read(item: &DeriveInput) -> (Boundary<'_>, darling::Result<()>) {
    let mut mistakes = darling::Error::accumulator();
    rules::no_generics("a boundary", &item.generics, &mut mistakes);
    refuse_misplaced(&item.data, &mut mistakes);

    let given = given(&item.attrs, &mut mistakes);
    let read: options::Read<Input> = options::read(given, &mut mistakes);
    for (option, example) in
        [("key", "key(course: String)"), ("events", "events(CourseDefined, StudentSubscribed)")]
    {
        if read.lacks(option) {
            let problem = format!("a boundary needs `#[boundary({example})]`");
            mistakes.push(darling::Error::custom(problem).with_span(&item.ident));
        }
    }
    let input = read.options;
    let key = key(input.key.0.unwrap_or_default(), &mut mistakes);
    let boundary = Boundary {
        krate: rules::krate(input.krate.0),
        ident: &item.ident,
        vis: &item.vis,
        generics: &item.generics,
        allowed: deprecated::allowed(item),
        name: rules::name(input.name.0, &item.ident, &mut mistakes),
        events: events(input.events.0.unwrap_or_default(), &key, &mut mistakes),
        key,
    };
    (boundary, mistakes.finish())
}

fn key(given: input::Key, mistakes: &mut Accumulator) -> Vec<(Ident, Type)> {
    let mut seen = HashSet::new();
    let mut key = Vec::new();
    for KeyPart { name, ty } in given.0 {
        if seen.insert(name.clone()) {
            key.push((name, ty));
        } else {
            mistakes.push(darling::Error::custom("this tag is given twice").with_span(&name));
        }
    }
    key
}

fn events(given: input::Events, key: &[(Ident, Type)], mistakes: &mut Accumulator) -> Vec<Event> {
    let mut seen = HashSet::new();
    let mut events = Vec::new();
    for input::Event { ty, tags } in given.0 {
        if !seen.insert(ty.to_token_stream().to_string()) {
            mistakes.push(darling::Error::custom("this event is given twice").with_span(&ty));
            continue;
        }
        for tag in tags.iter().flatten() {
            if !key.iter().any(|(name, _)| name == tag) {
                let problem = format!("`{tag}` is no tag of the `key`");
                mistakes.push(darling::Error::custom(problem).with_span(tag));
            }
        }
        let tags = tags.unwrap_or_else(|| key.iter().map(|(name, _)| name.clone()).collect());
        events.push(Event { ty, tags });
    }
    events
}

/// Collects the options of all `#[boundary(…)]` attributes.
fn given(attrs: &[Attribute], mistakes: &mut Accumulator) -> Vec<TokenStream> {
    let mut options = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("boundary")) {
        match &attr.meta {
            Meta::Path(_) => {}
            Meta::List(list) => options.push(list.tokens.clone()),
            Meta::NameValue(pair) => {
                let problem = "options go in parentheses, as in `#[boundary(key(course: String), events(CourseDefined))]`";
                mistakes.push(darling::Error::custom(problem).with_span(&pair.eq_token));
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
