//! The rules of a state event.

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, Meta};

use super::input::FieldInput;
use crate::event::model::{self, Event, Kind};
use crate::{option, options};

/// A state event as declared.
pub(crate) struct StateEvent {
    pub(crate) event: Event,
    pub(crate) copies: Vec<CopiedField>,
}

/// A field that is copied into the state's field of the same name.
pub(crate) struct CopiedField {
    pub(crate) ident: Ident,
    /// Under which conditions the field is there.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) when: When,
}

/// When a field is copied.
#[derive(Clone, Copy)]
pub(crate) enum When {
    Always,
    IfSome,
}

/// Reads a declaration, and collects what is wrong with it.
pub(crate) fn read(args: TokenStream, item: DeriveInput) -> (StateEvent, Accumulator) {
    let mut field_mistakes = darling::Error::accumulator();
    let fields = field_mistakes.handle(named(&item));
    let copies = fields
        .into_iter()
        .flatten()
        .filter_map(|field| copied(field, &mut field_mistakes))
        .collect();

    let (event, mut mistakes) = model::read(Kind::StateEvent, args, item);
    mistakes.extend(field_mistakes.into_inner());
    (StateEvent { event, copies }, mistakes)
}

/// The fields, if they have names to find the state's by.
fn named(item: &DeriveInput) -> darling::Result<&Fields> {
    let place = match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => return Ok(&data.fields),
            Fields::Unnamed(fields) => fields.paren_token.span.open(),
            Fields::Unit => item.ident.span(),
        },
        Data::Enum(data) => data.enum_token.span(),
        // Refused as an event.
        Data::Union(_) => return Ok(&Fields::Unit),
    };
    let problem = "`#[state_event]` copies fields by their names, so it takes a struct with named fields; \
                   use `#[event]` and `impl Apply` for this one";
    Err(syn::Error::new(place, problem).into())
}

fn copied(field: &Field, mistakes: &mut Accumulator) -> Option<CopiedField> {
    let mut given = Vec::new();
    for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("state")) {
        if let Meta::List(list) = &attr.meta {
            given.push(list.tokens.clone());
        } else {
            let problem = "expected an option in parentheses, as in `#[state(skip)]`";
            mistakes.push(darling::Error::custom(problem).with_span(attr.path()));
        }
    }
    let input: FieldInput = options::read(given, mistakes).options;
    let ident = field.ident.clone().filter(|_| !input.skip.0)?;
    let conditions =
        field.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect();
    let when = if option::inner(&field.ty).is_some() { When::IfSome } else { When::Always };
    Some(CopiedField { ident, conditions, when })
}
