//! Lists the parts of an item that can carry attributes: its variants and fields.

use syn::{Attribute, Data};

/// Returns the attributes of each part.
pub(crate) fn attributes(data: &Data) -> Vec<&Vec<Attribute>> {
    match data {
        Data::Struct(data) => data.fields.iter().map(|field| &field.attrs).collect(),
        Data::Enum(data) => {
            let mut parts = Vec::new();
            for variant in &data.variants {
                parts.push(&variant.attrs);
                parts.extend(variant.fields.iter().map(|field| &field.attrs));
            }
            parts
        }
        Data::Union(data) => data.fields.named.iter().map(|field| &field.attrs).collect(),
    }
}

/// Returns the attributes of each part, for changes.
pub(crate) fn attributes_mut(data: &mut Data) -> Vec<&mut Vec<Attribute>> {
    match data {
        Data::Struct(data) => data.fields.iter_mut().map(|field| &mut field.attrs).collect(),
        Data::Enum(data) => {
            let mut parts = Vec::new();
            for variant in &mut data.variants {
                parts.push(&mut variant.attrs);
                parts.extend(variant.fields.iter_mut().map(|field| &mut field.attrs));
            }
            parts
        }
        Data::Union(data) => data.fields.named.iter_mut().map(|field| &mut field.attrs).collect(),
    }
}
