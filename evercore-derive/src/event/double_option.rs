//! Serde for fields that tell absent from null.

use darling::error::Accumulator;
use syn::{Attribute, Data, Field, Fields, Path, Type, parse_quote};

use super::derives::{serde_options, spelled};
use crate::option;

/// What a field may say itself about how it is written; it is left at that.
const OWN_WAYS: [&str; 6] =
    ["with", "serialize_with", "deserialize_with", "flatten", "skip", "skip_serializing"];

/// Adds what an `Option<Option<T>>` needs so that absent is `None` and null is `Some(None)`.
pub(super) fn annotate(
    krate: &Path,
    attrs: &[Attribute],
    data: &mut Data,
    mistakes: &mut Accumulator,
) {
    // Such an item is written as its one field is, which cannot be absent.
    if serde_options(attrs).any(|said| said == "transparent") {
        return;
    }
    let module = spelled(krate, "__private::double_option");
    match data {
        Data::Struct(data) => annotate_fields(&mut data.fields, &module, mistakes),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                annotate_fields(&mut variant.fields, &module, mistakes);
            }
        }
        // Refused as an event.
        Data::Union(_) => {}
    }
}

/// Only a field with a name can be absent.
fn annotate_fields(fields: &mut Fields, module: &str, mistakes: &mut Accumulator) {
    let Fields::Named(fields) = fields else { return };
    for field in &mut fields.named {
        let said: Vec<String> = serde_options(&field.attrs).collect();
        let Some(inner) = doubly_optional(&field.ty) else { continue };
        if said.iter().any(|said| OWN_WAYS.contains(&&**said)) {
            continue;
        }
        if option::inner(inner).is_some() {
            let problem = "once written, a third `Option` cannot be told from the second: \
                           absent is `None`, null is `Some(None)`";
            mistakes.push(darling::Error::custom(problem).with_span(inner));
        }
        annotate_field(field, &said, module);
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
