//! Writes the code of `#[event]`.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

use super::field_types;
use super::model::Event;
use super::shape::Part;
use super::versions::Versions;
use crate::rules;
use crate::value::{Codec, CodecKind, Older};

/// Writes the item, its implementation and its registration.
pub(crate) fn event(model: &Event) -> TokenStream {
    let Event { krate, item, derives, aggregate, .. } = model;
    let ident = &item.ident;
    let bounds = derives.as_ref().filter(|derives| derives.are_missing());
    let bounds = bounds.and_then(|_| field_types::bounds(krate, item));
    let derives = derives.as_ref().map(|derives| derives.attributes(krate));
    let implementation = implementation(model, quote!(#aggregate));
    // The event's name is the span of the error that `Apply` is missing.
    let event_type = quote_spanned!(ident.span()=> #krate::registry::EventType::of::<#ident>());
    let announcement = rules::announcement(krate, model.allowed.as_ref(), event_type);
    quote! {
        #derives
        #bounds
        #item

        #implementation
        #announcement
    }
}

/// Writes the mistakes as errors, and as much of the event as keeps the rest of the program from adding errors to them.
pub(crate) fn rejected(model: &Event, mistakes: darling::Error) -> TokenStream {
    let Event { krate, item, derives, .. } = model;
    let mistakes = mistakes.write_errors();
    if !model.can_stand_in() {
        return quote!(#mistakes #item);
    }
    let derives = derives.as_ref().map(|derives| derives.attributes(krate));
    let implementation = implementation(model, stand_in_aggregate(model));
    quote! {
        #mistakes
        #derives
        #item
        #implementation
    }
}

/// Returns the aggregate, or a placeholder if it is missing, which is reported as a mistake.
pub(crate) fn stand_in_aggregate(model: &Event) -> TokenStream {
    let Event { krate, aggregate, .. } = model;
    match aggregate {
        Some(path) => quote!(#path),
        None => quote!(#krate::__private::UnknownAggregate),
    }
}

/// Writes the constants by which stored events are found and read.
pub(crate) fn stored_constants(model: &Event) -> TokenStream {
    let Event { krate, name, aliases, versions: Versions { current, oldest, .. }, .. } = model;
    let aliases = rules::aliases_constant(krate, aliases);
    let number = quote!(#krate::__private::core::primitive::u32);
    let oldest = oldest.map(|oldest| quote!(const OLDEST_VERSION: #number = #oldest;));
    let upcasters = upcasters(model);
    let upcasters = (!upcasters.is_empty()).then(
        || quote!(const UPCASTERS: &'static [#krate::evolution::Upcaster] = &[#(#upcasters),*];),
    );
    quote! {
        const NAME: &'static #krate::__private::core::primitive::str = #name;
        const VERSION: #number = #current;
        #aliases
        #oldest
        #upcasters
    }
}

/// Writes an upcaster from each older shape to the next one.
fn upcasters(model: &Event) -> Vec<TokenStream> {
    let Event { krate, item, versions: Versions { older, .. }, .. } = model;
    let ident = &item.ident;
    let next = older.iter().skip(1).map(|next| match next {
        Older::Typed(path) => quote!(#path),
        Older::Raw { .. } => quote!(#krate::__private::serde_json::Value),
    });
    let steps = older.iter().zip(next.chain([quote!(#ident)]));
    steps
        .map(|(older, next)| match older {
            // All of its tokens have the span of the listed shape, so that the error about a missing `Upcast` is shown
            // there.
            Older::Typed(path) => {
                located(quote!(#krate::__private::upcaster::<#path, #next>()), older.span())
            }
            Older::Raw { upcast } => {
                quote_spanned!(older.span()=> #krate::evolution::Upcaster::raw(#upcast))
            }
        })
        .collect()
}

/// Moves tokens to another place for error messages, and keeps how their names resolve.
pub(crate) fn located(tokens: TokenStream, place: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            let mut moved = Group::new(group.delimiter(), located(group.stream(), place));
            moved.set_span(group.span().located_at(place));
            return TokenTree::Group(moved);
        }
        token.set_span(token.span().located_at(place));
        token
    });
    moved.collect()
}

fn implementation(model: &Event, aggregate: TokenStream) -> TokenStream {
    let Event { krate, item, allowed, tags, retired_tags, .. } = model;
    let ident = &item.ident;
    let tags = tags.items(krate);
    let retired_tags = retired_tags.constant(krate);
    let encoding = encoding(model);
    let constants = stored_constants(model);
    let parts = model
        .shape
        .iter()
        .map(|Part { name, ty, conditions }| quote!(#(#conditions)* (#name, #ty)));
    quote! {
        #[automatically_derived]
        #allowed
        impl #krate::Event for #ident {
            type Aggregate = #aggregate;
            #constants
            const SHAPE: #krate::__private::core::option::Option<#krate::evolution::Shape> =
                #krate::__private::core::option::Option::Some(#krate::evolution::Shape::new(&[#(#parts),*]));
            const ENCODING: #krate::format::Encoding<Self> = #encoding;
            #tags
            #retired_tags
        }
    }
}

/// Writes the encoding. Errors about the codec are shown at its name.
fn encoding(Event { krate, item, codec, .. }: &Event) -> TokenStream {
    // The event's name is the span of the error that a field cannot be written or read.
    let serde = located(quote!(#krate::format::Encoding::serde()), item.ident.span());
    let Some(Codec { kind, span }) = *codec else { return serde };
    let variant = match kind {
        CodecKind::Json => quote_spanned!(span=> Json),
        CodecKind::Cbor => quote_spanned!(span=> Cbor),
        CodecKind::MessagePack => quote_spanned!(span=> MessagePack),
        CodecKind::Protobuf => {
            return quote_spanned! {span=>
                #krate::__private::protobuf({
                    use #krate::__private::WithoutSerde as _;
                    #krate::__private::Serde::<Self>::ENCODING
                })
            };
        }
    };
    quote_spanned!(span=> #serde.codec(#krate::Codec::#variant))
}
