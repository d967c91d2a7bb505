//! Checks the declaration of a retired event.

use std::collections::HashSet;

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{DeriveInput, TypePath};

use super::input::Input;
use crate::event::model::{self, Event, Kind};
use crate::value::Events;

/// A retired event as declared.
pub(crate) struct RetiredEvent {
    pub(crate) event: Event,
    /// The events that it is split into; empty if it is dropped.
    pub(crate) into: Vec<TypePath>,
}

/// Reads a declaration, and collects the mistakes in it.
pub(crate) fn read(args: TokenStream, item: DeriveInput) -> (RetiredEvent, Accumulator) {
    let (event, into, mut mistakes) =
        model::read_with(Kind::RetiredEvent, args, item, Input::into_common);
    let mut into = into.map(|Events(into)| into).unwrap_or_default();
    let mut seen = HashSet::new();
    into.retain(|event| {
        let is_new = seen.insert(event.to_token_stream().to_string());
        if !is_new {
            mistakes.push(darling::Error::custom("this event is given twice").with_span(event));
        }
        is_new
    });
    if let (true, Some(shape)) = (into.is_empty(), event.versions.older.first()) {
        let problem = "a dropped event is not read; remove its older shapes, or name the events that it becomes with `into`";
        mistakes.push(syn::Error::new(shape.span(), problem).into());
    }
    (RetiredEvent { event, into }, mistakes)
}
