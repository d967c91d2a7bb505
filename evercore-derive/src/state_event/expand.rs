//! What `#[state_event]` writes.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::model::{CopiedField, StateEvent, When};
use crate::event::expand as event;

/// The event, and how it changes the state.
pub(crate) fn state_event(model: &StateEvent) -> TokenStream {
    let event = event::event(&model.event);
    let copies = model.copies.iter().map(|copied| copy(model, copied));
    let apply = apply(model, quote!(#(#copies)*));
    quote!(#event #apply)
}

/// The mistakes, and as much of the event as keeps the rest of the program from adding to them.
pub(crate) fn rejected(model: &StateEvent, mistakes: darling::Error) -> TokenStream {
    let event = event::rejected(&model.event, mistakes);
    let apply = (model.event.can_stand_in()).then(|| apply(model, TokenStream::new()));
    quote!(#event #apply)
}

fn apply(model: &StateEvent, body: TokenStream) -> Option<TokenStream> {
    let krate = &model.event.krate;
    let ident = &model.event.item.ident;
    let aggregate = model.event.aggregate.as_ref()?;
    Some(quote! {
        #[automatically_derived]
        impl #krate::Apply<#ident> for #aggregate {
            #[allow(unused_variables)]
            fn apply(&mut self, event: &#ident, _meta: &#krate::EventMeta) {
                #body
            }
        }
    })
}

fn copy(model: &StateEvent, copied: &CopiedField) -> TokenStream {
    let krate = &model.event.krate;
    let CopiedField { ident, conditions, when } = copied;
    // The field carries the span of the errors that it is unknown to the state, or of another type there.
    let set = quote_spanned!(ident.span()=> #krate::__private::SetFrom::set_from);
    match when {
        When::Always => quote! {
            #(#conditions)*
            #set(&mut self.#ident, &event.#ident);
        },
        When::IfSome => quote! {
            #(#conditions)*
            if let ::core::option::Option::Some(value) = &event.#ident {
                #set(&mut self.#ident, value);
            }
        },
    }
}
