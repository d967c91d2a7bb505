//! Writes the code of `#[derive(Aggregate)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::DeriveInput;

use super::model::{Aggregate, Snapshots};
use crate::rules;
use crate::value::UnknownEvents;

/// Writes the implementation and its registration.
pub(crate) fn aggregate(model: &Aggregate<'_>, item: &DeriveInput) -> TokenStream {
    let Aggregate { krate, ident, allowed, name, aliases, snapshots, unknown_events, .. } = model;
    let aliases = rules::aliases_constant(krate, aliases);
    let described = quote!(#krate::registry::AggregateType::of::<#ident>());
    let announcement = rules::announcement(krate, allowed.as_ref(), described);
    let snapshots = snapshots.as_ref().map(|Snapshots { every, fingerprint }| {
        let policy = quote_spanned! {ident.span()=>
            #krate::__private::snapshots::<#ident>(#every, #fingerprint)
        };
        quote! {
            const SNAPSHOTS: #krate::__private::core::option::Option<#krate::SnapshotPolicy<Self>> =
                #krate::__private::core::option::Option::Some(#policy);
        }
    });
    let unknown_events = unknown_events.as_ref().map(|policy| {
        let policy = match policy {
            UnknownEvents::Fail => quote!(Fail),
            UnknownEvents::Skip => quote!(Skip),
            UnknownEvents::HandTo(hand_to) => quote!(HandTo(#hand_to)),
        };
        quote! {
            const UNKNOWN_EVENTS: #krate::evolution::UnknownEvents<Self> = #krate::evolution::UnknownEvents::#policy;
        }
    });
    let (unique, functions) = (model.unique.constant(krate), model.unique.functions(krate, item));
    quote! {
        #[automatically_derived]
        #allowed
        impl #krate::Aggregate for #ident {
            const NAME: &'static #krate::__private::core::primitive::str = #name;
            #aliases
            #snapshots
            const CLONE: #krate::__private::core::option::Option<fn(&Self) -> Self> = {
                use #krate::__private::WithoutClone as _;
                #krate::__private::Copying::<Self>::CLONE
            };
            #unknown_events
            #unique
        }

        #functions

        #announcement
    }
}

/// Writes the mistakes as errors, and an implementation that keeps the rest of the program from adding errors to them.
pub(crate) fn rejected(model: &Aggregate<'_>, mistakes: darling::Error) -> TokenStream {
    let Aggregate { krate, ident, generics, name, .. } = model;
    let mistakes = mistakes.write_errors();
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let bounds = (!generics.params.is_empty()).then(|| {
        let predicates = where_clause.map(|clause| &clause.predicates);
        quote! {
            where
                Self: #krate::__private::core::default::Default
                    + #krate::__private::core::marker::Send
                    + #krate::__private::core::marker::Sync
                    + 'static,
                #predicates
        }
    });
    quote! {
        #mistakes

        #[automatically_derived]
        impl #impl_generics #krate::Aggregate for #ident #ty_generics #bounds {
            const NAME: &'static #krate::__private::core::primitive::str = #name;
        }
    }
}
