//! Writes `Debug` for an error: its message with all causes, then the variant and its fields.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DataEnum, DeriveInput, Error, Fields, Ident, parse2};

/// Derives `Debug` for an enum that implements `std::error::Error`.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    parse2(item).and_then(expand).unwrap_or_else(Error::into_compile_error)
}

fn expand(item: DeriveInput) -> syn::Result<TokenStream> {
    let DeriveInput { ident, generics, data, .. } = item;
    let Data::Enum(DataEnum { variants, .. }) = data else {
        return Err(Error::new(ident.span(), "`ErrorDebug` is for enums"));
    };
    let arms = variants.iter().map(|variant| arm(&variant.ident, &variant.fields));
    let (impls, types, wheres) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impls ::core::fmt::Debug for #ident #types #wheres {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::evercore::__private::debug_error(self, f, |f| match self { #(#arms)* })
            }
        }
    })
}

/// Shows one variant as the standard derive does.
fn arm(variant: &Ident, fields: &Fields) -> TokenStream {
    let name = variant.to_string();
    match fields {
        Fields::Unit => quote!(Self::#variant => f.write_str(#name),),
        Fields::Named(fields) => {
            let fields = fields.named.iter().filter_map(|field| field.ident.as_ref());
            // Renamed, since a field may be called `f`.
            let (own, bound): (Vec<_>, Vec<_>) =
                fields.map(|field| (field, format_ident!("field_{}", field))).unzip();
            let texts = own.iter().map(ToString::to_string);
            quote! {
                Self::#variant { #(#own: #bound),* } =>
                    f.debug_struct(#name) #(.field(#texts, #bound))* .finish(),
            }
        }
        Fields::Unnamed(fields) => {
            let bound: Vec<_> =
                (0..fields.unnamed.len()).map(|index| format_ident!("field_{index}")).collect();
            quote! {
                Self::#variant(#(#bound),*) => f.debug_tuple(#name) #(.field(#bound))* .finish(),
            }
        }
    }
}
