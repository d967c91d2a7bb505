//! Which of serde's derives an event still needs.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Path, Token};

/// The derives that an item does not name itself.
pub(crate) struct Derives {
    serialize: bool,
    deserialize: bool,
    /// Whether the item tells serde itself where it is.
    has_crate: bool,
}

impl Derives {
    /// None are added.
    pub(crate) const fn none() -> Self {
        Self { serialize: false, deserialize: false, has_crate: false }
    }

    /// Looks at the attributes of an item. Those above the macro's own are gone by now.
    pub(crate) fn missing(attrs: &[Attribute]) -> Self {
        let derived: Vec<String> = attrs
            .iter()
            .filter(|attr| attr.path().is_ident("derive"))
            .filter_map(|attr| {
                attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated).ok()
            })
            .flatten()
            .filter_map(|path| path.segments.last().map(|segment| segment.ident.to_string()))
            .collect();
        Self {
            serialize: !derived.iter().any(|name| name == "Serialize"),
            deserialize: !derived.iter().any(|name| name == "Deserialize"),
            has_crate: serde_options(attrs).any(|option| option == "crate"),
        }
    }

    /// The attributes that add them.
    pub(crate) fn attributes(&self, krate: &Path) -> TokenStream {
        let serialize =
            self.serialize.then(|| quote!(#[derive(#krate::__private::serde::Serialize)]));
        let deserialize =
            self.deserialize.then(|| quote!(#[derive(#krate::__private::serde::Deserialize)]));
        let place = ((self.serialize || self.deserialize) && !self.has_crate).then(|| {
            let path = spelled(krate, "__private::serde");
            quote!(#[serde(crate = #path)])
        });
        quote!(#serialize #deserialize #place)
    }
}

/// The names of the options in all `#[serde(…)]`. What serde would not understand is left for it to say.
pub(crate) fn serde_options(attrs: &[Attribute]) -> impl Iterator<Item = String> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .filter_map(|attr| attr.meta.require_list().ok())
        .filter_map(|list| darling::ast::NestedMeta::parse_meta_list(list.tokens.clone()).ok())
        .flatten()
        .filter_map(|option| match option {
            darling::ast::NestedMeta::Meta(meta) => {
                meta.path().get_ident().map(ToString::to_string)
            }
            _ => None,
        })
}

/// A path below the crate's, as the text that serde's attributes take.
pub(crate) fn spelled(krate: &Path, below: &str) -> String {
    let krate: String =
        krate.to_token_stream().into_iter().map(|token| token.to_string()).collect();
    format!("{krate}::{below}")
}
