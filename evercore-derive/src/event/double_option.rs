//! Adds serde attributes to fields that distinguish absent from null.

use darling::error::Accumulator;
use quote::quote;
use syn::{Attribute, Data, Fields, Path, Type};

use super::derives::{given, serde_options, spelled};
use crate::conditional::Presence;
use crate::option_type;

/// The serde options by which a field says itself how it is written; such a field is left alone.
const OWN_WAYS: [&str; 6] =
    ["with", "serialize_with", "deserialize_with", "flatten", "skip", "skip_serializing"];

/// Adds the attributes that each `Option<Option<T>>` needs, so that absent is `None` and null is `Some(None)`.
pub(super) fn annotate(
    krate: &Path,
    attrs: &[Attribute],
    data: &mut Data,
    mistakes: &mut Accumulator,
) {
    // A transparent item is written as its only field, which cannot be absent.
    let transparent = given(&serde_options(attrs), &["transparent"]);
    if transparent.is_certain() {
        return;
    }
    let mut annotate = |fields: &mut Fields| annotate_fields(fields, krate, &transparent, mistakes);
    match data {
        Data::Struct(data) => annotate(&mut data.fields),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                annotate(&mut variant.fields);
            }
        }
        // A union is refused as an event.
        Data::Union(_) => {}
    }
}

/// Annotates named fields: only they can be absent.
fn annotate_fields(
    fields: &mut Fields,
    krate: &Path,
    transparent: &Presence,
    mistakes: &mut Accumulator,
) {
    let Fields::Named(fields) = fields else { return };
    for field in &mut fields.named {
        let Some(inner) = doubly_optional(&field.ty) else { continue };
        let said = serde_options(&field.attrs);
        let own_way = given(&said, &OWN_WAYS).or(transparent);
        if own_way.is_certain() {
            continue;
        }
        if option_type::inner(inner).is_some() {
            let problem = "a third `Option` cannot be distinguished from the second one once it is stored: an absent field is `None`, and null is `Some(None)`";
            mistakes.push(darling::Error::custom(problem).with_span(inner));
        }
        let module = spelled(krate, "__private::double_option");
        let is_none = spelled(krate, "__private::core::option::Option::is_none");
        let missing = [
            own_way.unless(quote!(serde(with = #module))),
            own_way.or(&given(&said, &["default"])).unless(quote!(serde(default))),
            own_way
                .or(&given(&said, &["skip_serializing_if"]))
                .unless(quote!(serde(skip_serializing_if = #is_none))),
        ];
        field.attrs.extend(missing.into_iter().flatten());
    }
}

/// Returns the `T` of an `Option<Option<T>>`.
fn doubly_optional(ty: &Type) -> Option<&Type> {
    option_type::inner(ty).and_then(option_type::inner)
}
