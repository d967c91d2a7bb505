//! Writes the code of `#[retired_event]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::model::RetiredEvent;
use crate::event::expand as event;
use crate::rules;

/// Writes the item, its implementation and its registration.
pub(crate) fn retired_event(model: &RetiredEvent) -> TokenStream {
    let krate = &model.event.krate;
    let ident = &model.event.item.ident;
    let item = item(model);
    let aggregate = &model.event.aggregate;
    let implementation = implementation(model, quote!(#aggregate));
    let described = if model.into.is_empty() { quote!(dropped) } else { quote!(split) };
    // The event's name is the span of the error that `Split` is missing.
    let retired =
        quote_spanned!(ident.span()=> #krate::registry::RetiredType::#described::<#ident>());
    let announcement = rules::announcement(krate, model.event.allowed.as_ref(), retired);
    quote! {
        #item
        #implementation
        #announcement
    }
}

/// Writes the mistakes as errors, and as much of the event as keeps the rest of the program from adding errors to them.
pub(crate) fn rejected(model: &RetiredEvent, mistakes: darling::Error) -> TokenStream {
    let mistakes = mistakes.write_errors();
    let krate = &model.event.krate;
    if !model.event.can_stand_in() {
        let item = &model.event.item;
        return quote!(#mistakes #item);
    }
    let item = item(model);
    // If the aggregate is missing, it is that of the first event in `into`.
    let aggregate = match (&model.event.aggregate, model.into.first()) {
        (None, Some(part)) => quote!(<#part as #krate::Event>::Aggregate),
        _ => event::stand_in_aggregate(&model.event),
    };
    let implementation = implementation(model, aggregate);
    quote!(#mistakes #item #implementation)
}

fn item(model: &RetiredEvent) -> TokenStream {
    let krate = &model.event.krate;
    let derives = model.event.derives.as_ref().map(|derives| derives.for_reading(krate));
    let item = &model.event.item;
    // The fields of a dropped event are never read.
    let allowed = model.into.is_empty().then(|| quote!(#[allow(dead_code)]));
    quote!(#derives #allowed #item)
}

fn implementation(model: &RetiredEvent, aggregate: TokenStream) -> TokenStream {
    let RetiredEvent { event, into } = model;
    let (krate, allowed) = (&event.krate, &event.allowed);
    let ident = &event.item.ident;
    let constants = event::stored_constants(event);
    let parts = into.iter().map(|part| {
        event::located(quote!(#krate::__private::part::<#ident, #part>()), part.span())
    });
    let parts = (!into.is_empty())
        .then(|| quote!(const INTO: &'static [#krate::registry::EventType] = &[#(#parts),*];));
    quote! {
        #[automatically_derived]
        #allowed
        impl #krate::evolution::RetiredEvent for #ident {
            type Aggregate = #aggregate;
            #constants
            #parts
        }

        #(
            #[automatically_derived]
            #allowed
            impl #krate::evolution::SplitInto<#into> for #ident {}
        )*
    }
}
