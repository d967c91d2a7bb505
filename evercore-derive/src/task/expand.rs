//! Writes the code of `#[task]`.

use proc_macro2::TokenStream;
use quote::quote;

use super::model::Task;
use crate::event::expand as event;

/// Writes the item, its implementations and its registration.
pub(crate) fn task(model: &Task) -> TokenStream {
    let body = event::event(&model.body);
    let implementation = implementation(model);
    quote!(#body #implementation)
}

/// Writes the mistakes as errors, and as much of the task as keeps the rest of the program from adding errors to them.
pub(crate) fn rejected(model: &Task, mistakes: darling::Error) -> TokenStream {
    let body = event::rejected(&model.body, mistakes);
    let implementation = model.body.can_stand_in().then(|| implementation(model));
    quote!(#body #implementation)
}

fn implementation(Task { body, queue }: &Task) -> TokenStream {
    let (krate, allowed, ident) = (&body.krate, &body.allowed, &body.item.ident);
    let queue = queue.as_ref().map_or_else(|| quote!(""), |queue| quote!(#queue));
    quote! {
        #[automatically_derived]
        #allowed
        impl #krate::task::TaskBody for #ident {
            const QUEUE: &'static #krate::__private::core::primitive::str = #queue;
        }
    }
}
