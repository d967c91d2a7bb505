//! Writes the code of `#[derive(Boundary)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Ident, Type};

use super::input::KeyPart;
use super::model::{Boundary, Event};
use crate::event::expand::located;

/// Writes the implementation, and the function that makes a key.
pub(crate) fn boundary(model: &Boundary<'_>) -> TokenStream {
    let Boundary { krate, ident, allowed, name, events, .. } = model;
    let checks = events.iter().flat_map(|event| checks(model, event));
    let declared = events.iter().map(|Event { ty, tags }| {
        // The event's name is the span of the error that `Apply` is missing.
        located(quote!(#krate::__private::boundary_event::<Self, #ty>(&[#(#tags),*])), ty.span())
    });
    let of = of(model);
    quote! {
        #(#checks)*

        #[automatically_derived]
        #allowed
        impl #krate::boundary::Boundary for #ident {
            const NAME: &'static #krate::__private::core::primitive::str = #name;
            const EVENTS: &'static [#krate::boundary::BoundaryEvent<Self>] = &[#(#declared),*];
        }

        #of
    }
}

/// Writes the mistakes as errors, and an implementation that keeps the rest of the program from adding errors to them.
pub(crate) fn rejected(model: &Boundary<'_>, mistakes: darling::Error) -> TokenStream {
    let Boundary { krate, ident, generics, name, .. } = model;
    let mistakes = mistakes.write_errors();
    if !generics.params.is_empty() {
        return mistakes;
    }
    let of = of(model);
    quote! {
        #mistakes

        #[automatically_derived]
        impl #krate::boundary::Boundary for #ident {
            const NAME: &'static #krate::__private::core::primitive::str = #name;
            const EVENTS: &'static [#krate::boundary::BoundaryEvent<Self>] = &[];
        }

        #of
    }
}

/// Writes a compile error for each tag that an event does not have.
fn checks(model: &Boundary<'_>, Event { ty, tags }: &Event) -> Vec<TokenStream> {
    let Boundary { krate, ident, allowed, .. } = model;
    let event = ty.to_token_stream().to_string().replace(' ', "");
    tags.iter()
        .map(|name| {
            let tag = name.value();
            let declared = match syn::parse_str::<Ident>(&tag) {
                Ok(field) => format!("tags({field})"),
                Err(_) => format!("tags({tag:?} = …)"),
            };
            let problem = format!(
                "`{event}` has no tag `{tag}`, by which `{ident}` finds it; declare it with `#[event({declared})]`, or name the tags of the key that `{event}` has: `events({event}(…))`"
            );
            let required = quote!(#krate::__private::require_tag::<#ty>(#name, #problem));
            let required = located(required, ty.span());
            quote!(#allowed const _: () = #required;)
        })
        .collect()
}

/// Writes the function that makes a key from the values of its tags.
fn of(Boundary { krate, ident, vis, key, allowed, .. }: &Boundary<'_>) -> TokenStream {
    let parameters = key.iter().map(|KeyPart { name, ty, .. }| match is_text(ty) {
        true => quote!(#name: impl #krate::__private::core::convert::AsRef<#krate::__private::core::primitive::str>),
        false => quote!(#name: impl #krate::__private::core::borrow::Borrow<#ty>),
    });
    let tags = key.iter().map(|KeyPart { tag, name, ty }| {
        let value = match is_text(ty) {
            true => quote! {
                #krate::__private::core::convert::AsRef::<#krate::__private::core::primitive::str>::as_ref(&#name)
            },
            false => quote!(#krate::__private::core::borrow::Borrow::<#ty>::borrow(&#name)),
        };
        located(quote!(#krate::__private::tag(#tag, #value)), ty.span())
    });
    let text = format!("Makes the key of a [`{ident}`] from the values of its tags.");
    quote! {
        #allowed
        impl #ident {
            #[doc = #text]
            #vis fn of(#(#parameters),*) -> #krate::boundary::BoundaryKey<Self> {
                #krate::boundary::BoundaryKey::new([#(#tags),*])
            }
        }
    }
}

/// Returns whether a type is written as `String`, so that a key can be made of any text.
fn is_text(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "String"),
        _ => false,
    }
}
