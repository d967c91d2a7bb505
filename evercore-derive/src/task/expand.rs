//! Writes the code of `#[task]`.

use proc_macro2::TokenStream;
use quote::quote;

use super::model::Task;
use crate::event::expand as event;
use crate::event::model::Event;

/// Writes the item, its implementations and its registration.
pub(crate) fn task(model: &Task) -> TokenStream {
    let body = event::event(&model.body);
    let implementation = of_task(model);
    quote!(#body #implementation)
}

/// Writes the mistakes as errors, and as much of the task as keeps the rest of the program from adding errors to them.
pub(crate) fn rejected(model: &Task, mistakes: darling::Error) -> TokenStream {
    let body = event::rejected(&model.body, mistakes);
    let implementation = model.body.can_stand_in().then(|| of_task(model));
    quote!(#body #implementation)
}

fn of_task(Task { body, queue }: &Task) -> TokenStream {
    implementation(body, queue.as_ref().map_or_else(|| quote!(""), |queue| quote!(#queue)))
}

/// Writes the implementation of `TaskBody`.
pub(crate) fn implementation(body: &Event, queue: TokenStream) -> TokenStream {
    let (krate, allowed, ident) = (&body.krate, &body.allowed, &body.item.ident);
    quote! {
        #[automatically_derived]
        #allowed
        impl #krate::task::TaskBody for #ident {
            const QUEUE: &'static #krate::__private::core::primitive::str = #queue;
        }
    }
}
