//! Serde for fields that tell absent from null.

use syn::{Data, Field, Type, parse_quote};

use super::option;
use crate::event::derives::{serde_options, spelled};
use crate::event::model::Event;

/// What a field says itself about how it is written; it is left alone then.
const OWN_WAYS: [&str; 6] =
    ["with", "serialize_with", "deserialize_with", "flatten", "skip", "skip_serializing"];

/// Adds what an `Option<Option<T>>` needs so that absent is `None` and null is `Some(None)`.
pub(crate) fn annotate(event: &mut Event) {
    let Data::Struct(data) = &mut event.item.data else { return };
    let module = spelled(&event.krate, "__private::double_option");
    for field in data.fields.iter_mut().filter(|field| is_double(&field.ty)) {
        annotate_field(field, &module);
    }
}

fn is_double(ty: &Type) -> bool {
    option::inner(ty).and_then(option::inner).is_some()
}

fn annotate_field(field: &mut Field, module: &str) {
    let said: Vec<String> = serde_options(&field.attrs).collect();
    let says = |option: &str| said.iter().any(|said| said == option);
    if OWN_WAYS.into_iter().any(says) {
        return;
    }
    field.attrs.push(parse_quote!(#[serde(with = #module)]));
    if !says("default") {
        field.attrs.push(parse_quote!(#[serde(default)]));
    }
    if !says("skip_serializing_if") {
        let is_none = "::core::option::Option::is_none";
        field.attrs.push(parse_quote!(#[serde(skip_serializing_if = #is_none)]));
    }
}
