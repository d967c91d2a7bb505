//! Expands `#[event]`.

pub(crate) mod derives;
mod double_option;
pub(crate) mod expand;
mod field_types;
pub(crate) mod input;
pub(crate) mod model;
mod retired_tags;
mod shape;
pub(crate) mod tags;
pub(crate) mod versions;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use model::Kind;

/// Expands the attribute.
pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let item: DeriveInput = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(error) => return model::not_an_item(Kind::Event, item, error),
    };
    let (model, mistakes) = model::read(Kind::Event, args, item);
    match mistakes.finish() {
        Ok(()) => expand::event(&model),
        Err(mistakes) => expand::rejected(&model, mistakes),
    }
}
