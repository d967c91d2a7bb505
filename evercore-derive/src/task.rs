//! Expands `#[task]`.

pub(crate) mod expand;
mod input;
pub(crate) mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::event::model::{Kind, not_an_item};

/// Expands the attribute.
pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let item: DeriveInput = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(error) => return not_an_item(Kind::Task, item, error),
    };
    let (model, mistakes) = model::read(args, item);
    match mistakes.finish() {
        Ok(()) => expand::task(&model),
        Err(mistakes) => expand::rejected(&model, mistakes),
    }
}
