//! Expands `#[derive(Aggregate)]`.

mod expand;
mod fingerprint;
mod input;
mod model;
#[cfg(test)]
mod tests;
mod unique;

use proc_macro2::TokenStream;

/// Expands the derive.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let item = match syn::parse2(item) {
        Ok(item) => item,
        Err(error) => return error.into_compile_error(),
    };
    let (model, checked) = model::read(&item);
    match checked {
        Ok(()) => expand::aggregate(&model, &item),
        Err(mistakes) => expand::rejected(&model, mistakes),
    }
}
