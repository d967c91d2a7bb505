//! What `#[event]` writes.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Path;

use super::model::Event;
use crate::value::{Codec, CodecKind};

/// The item, its implementation and its announcement.
pub(crate) fn event(model: &Event) -> TokenStream {
    let Event { krate, item, derives, aggregate, .. } = model;
    let ident = &item.ident;
    let derives = derives.attributes(krate);
    let implementation = implementation(model, quote!(#aggregate));
    // The name carries the span of the error that `Apply` is missing.
    let event_type = quote_spanned!(ident.span()=> #krate::EventType::of::<#ident>());
    quote! {
        #derives
        #item

        #implementation

        #krate::__private::inventory::submit! { #event_type }
    }
}

/// The mistakes, and as much of the event as keeps the rest of the program from adding to them.
pub(crate) fn rejected(model: &Event, mistakes: darling::Error) -> TokenStream {
    let Event { krate, item, derives, aggregate, .. } = model;
    let mistakes = mistakes.write_errors();
    if !model.can_stand_in() {
        return quote!(#mistakes #item);
    }
    let aggregate = match aggregate {
        Some(path) => quote!(#path),
        None => quote!(#krate::__private::UnknownAggregate),
    };
    let derives = derives.attributes(krate);
    let implementation = implementation(model, aggregate);
    quote! {
        #mistakes
        #derives
        #item
        #implementation
    }
}

fn implementation(model: &Event, aggregate: TokenStream) -> TokenStream {
    let Event { krate, item, name, version, aliases, codec, .. } = model;
    let ident = &item.ident;
    let encoding = encoding(krate, *codec);
    let aliases = (!aliases.is_empty())
        .then(|| quote!(const ALIASES: &'static [&'static str] = &[#(#aliases),*];));
    quote! {
        #[automatically_derived]
        impl #krate::Event for #ident {
            type Aggregate = #aggregate;
            const NAME: &'static str = #name;
            const VERSION: u32 = #version;
            #aliases
            const ENCODING: #krate::Encoding<Self> = #encoding;
        }
    }
}

/// What is wrong with the codec is said at its name.
fn encoding(krate: &Path, codec: Option<Codec>) -> TokenStream {
    let serde = quote!(#krate::Encoding::serde());
    let Some(Codec { kind, span }) = codec else { return serde };
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
