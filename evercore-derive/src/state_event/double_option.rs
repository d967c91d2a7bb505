//! Serde for fields that tell absent from null.

use darling::error::Accumulator;
use syn::{Data, Field, Type, parse_quote};

use super::option;
use crate::event::derives::{serde_options, spelled};
use crate::event::model::Event;

/// What a field may say itself about how it is written; it is left at that.
const OWN_WAYS: [&str; 6] =
    ["with", "serialize_with", "deserialize_with", "flatten", "skip", "skip_serializing"];

/// Adds what an `Option<Option<T>>` needs so that absent is `None` and null is `Some(None)`.
pub(crate) fn annotate(event: &mut Event, mistakes: &mut Accumulator) {
    let Data::Struct(data) = &mut event.item.data else { return };
    let module = spelled(&event.krate, "__private::double_option");
    for field in &mut data.fields {
        let said: Vec<String> = serde_options(&field.attrs).collect();
        let Some(inner) = doubly_optional(&field.ty) else { continue };
        if said.iter().any(|said| OWN_WAYS.contains(&&**said)) {
            continue;
        }
        if option::inner(inner).is_some() {
            let problem = "once written, a third `Option` cannot be told from the second: \
                           `None` leaves the state as it is, `Some(None)` clears it";
            mistakes.push(darling::Error::custom(problem).with_span(inner));
        }
        annotate_field(field, &said, &module);
    }
}

/// The `T` of an `Option<Option<T>>`.
fn doubly_optional(ty: &Type) -> Option<&Type> {
    option::inner(ty).and_then(option::inner)
}

fn annotate_field(field: &mut Field, said: &[String], module: &str) {
    let says = |option: &str| said.iter().any(|said| said == option);
    field.attrs.push(parse_quote!(#[serde(with = #module)]));
    if !says("default") {
        field.attrs.push(parse_quote!(#[serde(default)]));
    }
    if !says("skip_serializing_if") {
        let is_none = "::core::option::Option::is_none";
        field.attrs.push(parse_quote!(#[serde(skip_serializing_if = #is_none)]));
    }
}
