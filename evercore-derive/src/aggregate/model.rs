//! Checks the declaration of an aggregate.

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use syn::{Attribute, Data, DeriveInput, Generics, Ident, LitStr, Meta, Path};

use super::fingerprint::fingerprint;
use super::input::Input;
use super::unique::{self, Unique};
use crate::value::{Number, UnknownEvents};
use crate::{deprecated, options, parts, rules};

/// An aggregate as declared.
pub(crate) struct Aggregate<'a> {
    pub(crate) krate: Path,
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    /// An `#[allow(deprecated)]`, if the generated code needs it.
    pub(crate) allowed: Option<Attribute>,
    pub(crate) name: LitStr,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) unknown_events: Option<UnknownEvents>,
    pub(crate) unique: Unique,
}

/// The snapshot policy of an aggregate.
pub(crate) struct Snapshots {
    pub(crate) every: u32,
    pub(crate) fingerprint: u64,
}

/// Reads a declaration, and reports all mistakes in it.
pub(crate) fn read(item: &DeriveInput) -> (Aggregate<'_>, darling::Result<()>) {
    let mut mistakes = darling::Error::accumulator();
    rules::no_generics("an aggregate", &item.generics, &mut mistakes);
    refuse_misplaced(&item.data, &mut mistakes);

    let given = given(&item.attrs, &mut mistakes);
    let read: options::Read<Input> = options::read(given, &mut mistakes);
    if let Some(version) = &read.options.snapshot_version.0
        && read.lacks("snapshot_every")
    {
        let problem = "snapshots need `snapshot_every`; add it, or remove this option";
        mistakes.push(syn::Error::new(version.span, problem).into());
    }
    let input = read.options;
    let name = rules::name(input.name.0, &item.ident, &mut mistakes);
    let aggregate = Aggregate {
        krate: rules::krate(input.krate.0),
        ident: &item.ident,
        generics: &item.generics,
        allowed: deprecated::allowed(item),
        aliases: rules::aliases("aggregate", input.aliases.0, &name, &mut mistakes),
        name,
        unknown_events: input.unknown_events.0,
        unique: unique::read(input.unique.0, item, &mut mistakes),
        snapshots: snapshots(item, input.snapshot_every.0, input.snapshot_version.0, &mut mistakes),
    };
    (aggregate, mistakes.finish())
}

/// Collects the options of all `#[aggregate(…)]` attributes.
fn given(attrs: &[Attribute], mistakes: &mut Accumulator) -> Vec<TokenStream> {
    let mut options = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("aggregate")) {
        match &attr.meta {
            Meta::Path(_) => {}
            Meta::List(list) => options.push(list.tokens.clone()),
            Meta::NameValue(pair) => {
                let problem = "options go in parentheses, as in `#[aggregate(name = \"account\")]`";
                mistakes.push(darling::Error::custom(problem).with_span(&pair.eq_token));
            }
        }
    }
    options
}

/// Refuses the attribute on fields and variants: its options describe the type.
fn refuse_misplaced(data: &Data, mistakes: &mut Accumulator) {
    if let Data::Union(data) = data {
        let problem = "an aggregate is a struct or an enum";
        mistakes.push(darling::Error::custom(problem).with_span(&data.union_token));
    }
    let attrs = parts::attributes(data).into_iter().flatten();
    for attr in attrs.filter(|attr| attr.path().is_ident("aggregate")) {
        let problem = "`#[aggregate(…)]` goes on the type, above its `struct` or `enum`";
        mistakes.push(darling::Error::custom(problem).with_span(attr.path()));
    }
}

fn snapshots(
    item: &DeriveInput,
    every: Option<Number>,
    version: Option<Number>,
    mistakes: &mut Accumulator,
) -> Option<Snapshots> {
    let version = rules::version(version, mistakes);
    let every = every?;
    if every.value == 0 {
        let problem =
            "`snapshot_every` must be at least 1; remove this option to take no snapshots";
        mistakes.push(syn::Error::new(every.span, problem).into());
    }
    Some(Snapshots { every: every.value, fingerprint: fingerprint(item, version) })
}
