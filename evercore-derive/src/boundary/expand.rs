//! Writes the code of `#[derive(Boundary)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, LitStr, Path, Type};

use super::model::{Boundary, Event};

/// Writes the implementation, and the function that makes a key.
pub(crate) fn boundary(model: &Boundary<'_>) -> TokenStream {
    let Boundary { krate, ident, allowed, name, events, .. } = model;
    let checks = events.iter().flat_map(|event| checks(krate, ident, event));
    let declared = events.iter().map(|Event { ty, tags }| {
        let tags = tags.iter().map(tag_name);
        // The event's name is the span of the error that `Apply` is missing.
        quote_spanned!(ty.span()=> #krate::boundary::BoundaryEvent::of::<#ty>(&[#(#tags),*]))
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
fn checks(krate: &Path, ident: &Ident, Event { ty, tags }: &Event) -> Vec<TokenStream> {
    let event = ty.to_token_stream().to_string().replace(' ', "");
    tags.iter()
        .map(|tag| {
            let name = tag_name(tag);
            let problem = format!(
                "`{event}` has no tag `{0}`, by which `{ident}` finds it; add `tags({0})` to its `#[event(…)]`, or list the tags that it has, as in `{event}(…)`",
                name.value()
            );
            quote_spanned! {ty.span()=>
                const _: () = #krate::__private::core::assert!(
                    #krate::__private::declares_tag(<#ty as #krate::Event>::TAGS, #name),
                    #problem
                );
            }
        })
        .collect()
}

/// Writes the function that makes a key from the values of its tags.
fn of(Boundary { krate, ident, vis, key, .. }: &Boundary<'_>) -> TokenStream {
    let parameters = key.iter().map(|(name, ty)| match is_text(ty) {
        true => quote!(#name: impl #krate::__private::core::convert::AsRef<#krate::__private::core::primitive::str>),
        false => quote!(#name: impl #krate::__private::core::borrow::Borrow<#ty>),
    });
    let tags = key.iter().map(|(name, ty)| {
        let tag = tag_name(name);
        let value = match is_text(ty) {
            true => quote!(#name.as_ref()),
            false => quote!(#krate::__private::core::borrow::Borrow::<#ty>::borrow(&#name)),
        };
        quote_spanned!(ty.span()=> #krate::boundary::Tag::new(#tag, #value))
    });
    let text = format!("Makes the key of a [`{ident}`] from the values of its tags.");
    quote! {
        impl #ident {
            #[doc = #text]
            #vis fn of(#(#parameters),*) -> #krate::boundary::BoundaryKey<Self> {
                #krate::boundary::BoundaryKey::new([#(#tags),*])
            }
        }
    }
}

fn tag_name(ident: &Ident) -> LitStr {
    LitStr::new(&ident.unraw().to_string(), ident.span())
}

/// Returns whether a type is written as `String`, so that a key can be made of any text.
fn is_text(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "String"),
        _ => false,
    }
}
