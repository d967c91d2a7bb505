//! Checks the declaration of a state event.

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, Meta};

use super::input::FieldInput;
use crate::event::model::{self, Event, Kind};
use crate::{conditional, option_type, options};

/// A state event as declared.
pub(crate) struct StateEvent {
    pub(crate) event: Event,
    pub(crate) copies: Vec<CopiedField>,
}

/// A field that is copied into the state's field of the same name.
pub(crate) struct CopiedField {
    pub(crate) ident: Ident,
    /// The conditions under which the field exists.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) when: When,
}

/// The values for which a field is copied.
#[derive(Clone, Copy)]
pub(crate) enum When {
    Always,
    IfSome,
}

/// Reads a declaration, and collects the mistakes in it.
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

/// Returns the fields, if they are named; the names identify the state's fields.
fn named(item: &DeriveInput) -> darling::Result<&Fields> {
    let place = match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => return Ok(&data.fields),
            Fields::Unnamed(fields) => fields.paren_token.span.open(),
            Fields::Unit => item.ident.span(),
        },
        Data::Enum(data) => data.enum_token.span(),
        // A union is refused as an event.
        Data::Union(_) => return Ok(&Fields::Unit),
    };
    let problem = "`#[state_event]` copies fields by their names, so it takes a struct with named fields; \
                   use `#[event]` and `impl Apply` for this event";
    Err(syn::Error::new(place, problem).into())
}

fn copied(field: &Field, mistakes: &mut Accumulator) -> Option<CopiedField> {
    let mut conditions = conditional::cfgs(&field.attrs);
    let mut given = Vec::new();
    for attr in conditional::named(&field.attrs, "state") {
        let Meta::List(list) = &attr.meta else {
            let problem = "expected an option in parentheses, as in `#[state(skip)]`";
            mistakes.push(darling::Error::custom(problem).with_span(attr.meta.path()));
            continue;
        };
        if attr.conditions.is_empty() {
            given.push(list.tokens.clone());
        } else if skips([list.tokens.clone()], mistakes) {
            conditions.push(attr.cfg_not());
        }
    }
    let is_skipped = skips(given, mistakes);
    let ident = field.ident.clone().filter(|_| !is_skipped)?;
    let when = if option_type::inner(&field.ty).is_some() { When::IfSome } else { When::Always };
    Some(CopiedField { ident, conditions, when })
}

/// Whether these options keep a field in the event.
fn skips(given: impl IntoIterator<Item = TokenStream>, mistakes: &mut Accumulator) -> bool {
    let input: FieldInput = options::read(given, mistakes).options;
    input.skip.0
}
