//! Expands `#[derive(Boundary)]`.

mod expand;
mod input;
mod model;

use proc_macro2::TokenStream;

/// Expands the derive.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let item = match syn::parse2(item) {
        Ok(item) => item,
        Err(error) => return error.into_compile_error(),
    };
    let (model, checked) = model::read(&item);
    match checked {
        Ok(()) => expand::boundary(&model),
        Err(mistakes) => expand::rejected(&model, mistakes),
    }
}
