//! Writes the code of `#[state_event]`.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::model::{CopiedField, StateEvent, When};
use crate::event::expand as event;

const STATE: &str = "self";
// Names that no constant of the user should have: a pattern would compare with the constant.
const EVENT: &str = "__event";
const VALUE: &str = "__value";

/// Writes the event, and how it changes the state.
pub(crate) fn state_event(model: &StateEvent) -> TokenStream {
    let event = event::event(&model.event);
    let copies = model.copies.iter().map(|copied| copy(model, copied));
    let apply = apply(model, quote!(#(#copies)*));
    quote!(#event #apply)
}

/// Writes the mistakes as errors, and as much of the event as keeps the rest of the program from adding errors to them.
pub(crate) fn rejected(model: &StateEvent, mistakes: darling::Error) -> TokenStream {
    let event = event::rejected(&model.event, mistakes);
    let apply = (model.event.can_stand_in()).then(|| apply(model, TokenStream::new()));
    quote!(#event #apply)
}

fn apply(model: &StateEvent, body: TokenStream) -> Option<TokenStream> {
    let (krate, allowed) = (&model.event.krate, &model.event.allowed);
    let ident = &model.event.item.ident;
    let aggregate = model.event.aggregate.as_ref()?;
    let [state, event] = [STATE, EVENT].map(|name| Ident::new(name, ident.span()));
    Some(quote! {
        #[automatically_derived]
        #allowed
        impl #krate::Apply<#ident> for #aggregate {
            fn apply(&mut #state, #event: &#ident, _: &#krate::EventMeta) {
                #body
            }
        }
    })
}

fn copy(model: &StateEvent, copied: &CopiedField) -> TokenStream {
    let krate = &model.event.krate;
    let CopiedField { ident, conditions, when } = copied;
    // All tokens of the expression have the field's span: only then is the error shown at the field if the state has no
    // such field, or one of another type. The names resolve as the item's does, even if another macro wrote the field.
    let place = ident.span().resolved_at(model.event.item.ident.span());
    let mut ident = ident.clone();
    ident.set_span(place);
    let [state, event, value] = [STATE, EVENT, VALUE].map(|name| Ident::new(name, place));
    match when {
        When::Always => quote_spanned! {place=>
            #(#conditions)*
            #krate::__private::set(&#event.#ident, &mut #state.#ident);
        },
        When::IfSome => quote_spanned! {place=>
            #(#conditions)*
            if let #krate::__private::core::option::Option::Some(#value) = &#event.#ident {
                #krate::__private::set(#value, &mut #state.#ident);
            }
        },
    }
}
