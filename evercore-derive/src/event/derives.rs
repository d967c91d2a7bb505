//! Finds out which of serde's derives an event still needs.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Path, Token};

use crate::conditional::{self, Presence};

/// The derives of serde that an item has by itself.
pub(crate) struct Derives {
    serialize: Presence,
    deserialize: Presence,
    /// Whether the item names the path of serde.
    krate: Presence,
}

/// An option of `#[serde(…)]`.
pub(crate) struct SerdeOption {
    pub(crate) name: String,
    pub(crate) conditions: Vec<TokenStream>,
}

impl Derives {
    /// Reads the attributes of an item. Those above the macro's own have been expanded already.
    pub(crate) fn of(attrs: &[Attribute]) -> Self {
        let mut derived = Vec::new();
        for attr in conditional::all(attrs) {
            // The attribute may be named by any path.
            let is_derive = attr.meta.path().segments.last().is_some_and(|it| it.ident == "derive");
            let Some(list) = is_derive.then(|| attr.meta.require_list().ok()).flatten() else {
                continue;
            };
            let paths = list.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
            for path in paths.into_iter().flatten() {
                let name = path.segments.last().map(|segment| segment.ident.to_string());
                derived.push((name.unwrap_or_default(), attr.conditions.clone()));
            }
        }
        let derives = |name: &str| {
            Presence::new(derived.iter().filter(|it| it.0 == name).map(|it| it.1.as_slice()))
        };
        Self {
            serialize: derives("Serialize"),
            deserialize: derives("Deserialize"),
            krate: given(&serde_options(attrs), &["crate"]),
        }
    }

    /// Whether the item has none of them by itself.
    pub(crate) fn are_missing(&self) -> bool {
        self.serialize.is_impossible() && self.deserialize.is_impossible()
    }

    /// Returns the attributes that add the missing derives.
    pub(crate) fn attributes(&self, krate: &Path) -> TokenStream {
        let serialize = self.serialize.unless(derive(krate, quote!(Serialize)));
        self.with_reading(serialize, krate)
    }

    /// Like [`attributes`](Self::attributes), for a type that is no longer written.
    pub(crate) fn for_reading(&self, krate: &Path) -> TokenStream {
        self.with_reading(None, krate)
    }

    fn with_reading(&self, serialize: Option<Attribute>, krate: &Path) -> TokenStream {
        let deserialize = self.deserialize.unless(derive(krate, quote!(Deserialize)));
        let place = (serialize.is_some() || deserialize.is_some()).then(|| {
            let path = spelled(krate, "__private::serde");
            self.krate.unless(quote!(serde(crate = #path)))
        });
        let place = place.flatten();
        quote!(#serialize #deserialize #place)
    }
}

fn derive(krate: &Path, name: TokenStream) -> TokenStream {
    quote!(derive(#krate::__private::serde::#name))
}

/// Returns the options of all `#[serde(…)]` attributes. Malformed ones are skipped, since serde itself reports them.
pub(crate) fn serde_options(attrs: &[Attribute]) -> Vec<SerdeOption> {
    let mut options = Vec::new();
    for attr in conditional::named(attrs, "serde") {
        let Ok(list) = attr.meta.require_list() else { continue };
        let said = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        let names = said
            .into_iter()
            .flatten()
            .filter_map(|option| option.path().get_ident().map(ToString::to_string));
        let conditions = &attr.conditions;
        options.extend(names.map(|name| SerdeOption { name, conditions: conditions.clone() }));
    }
    options
}

/// Returns the conditions under which one of these options is given.
pub(crate) fn given(options: &[SerdeOption], names: &[&str]) -> Presence {
    let named = options.iter().filter(|option| names.contains(&&*option.name));
    Presence::new(named.map(|option| option.conditions.as_slice()))
}

/// Returns a path below the crate's, as the text that serde's attributes take.
pub(crate) fn spelled(krate: &Path, below: &str) -> String {
    let krate: String =
        krate.to_token_stream().into_iter().map(|token| token.to_string()).collect();
    format!("{krate}::{below}")
}
