//! Reads attributes that stand behind conditions: when a macro runs, the `cfg_attr` attributes of the items below it
//! are not expanded yet.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token, parse_quote};

/// An attribute, and the conditions under which it applies.
pub(crate) struct Conditional {
    pub(crate) meta: Meta,
    /// The conditions, all of which must hold. Empty for an unconditional attribute.
    pub(crate) conditions: Vec<TokenStream>,
}

/// The conditions under which something that would be added exists already.
pub(crate) struct Presence {
    /// The cases in which it exists. In each, all conditions of the list hold.
    cases: Vec<Vec<TokenStream>>,
}

impl Conditional {
    /// Returns the conditions as a `cfg` attribute, for code that depends on them.
    pub(crate) fn cfg(&self) -> Option<Attribute> {
        let Self { conditions, .. } = self;
        (!conditions.is_empty()).then(|| parse_quote!(#[cfg(all(#(#conditions),*))]))
    }

    /// Like [`cfg`](Self::cfg), for code that applies unless the conditions hold.
    pub(crate) fn cfg_not(&self) -> Attribute {
        let Self { conditions, .. } = self;
        parse_quote!(#[cfg(not(all(#(#conditions),*)))])
    }
}

impl Presence {
    /// Creates it from the conditions of each occurrence.
    pub(crate) fn new<'a>(said: impl IntoIterator<Item = &'a [TokenStream]>) -> Self {
        Self { cases: said.into_iter().map(<[TokenStream]>::to_vec).collect() }
    }

    /// Whether it exists under all conditions.
    pub(crate) fn is_certain(&self) -> bool {
        self.cases.iter().any(Vec::is_empty)
    }

    /// Whether it exists under no condition.
    pub(crate) fn is_impossible(&self) -> bool {
        self.cases.is_empty()
    }

    /// Returns the presence of either of the two.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self { cases: self.cases.iter().chain(&other.cases).cloned().collect() }
    }

    /// Returns an attribute that applies unless it is present already.
    pub(crate) fn unless(&self, meta: TokenStream) -> Option<Attribute> {
        let cases = &self.cases;
        if self.is_certain() {
            None
        } else if cases.is_empty() {
            Some(parse_quote!(#[#meta]))
        } else {
            Some(parse_quote!(#[cfg_attr(not(any(#(all(#(#cases),*)),*)), #meta)]))
        }
    }
}

/// Returns the attributes with this name.
pub(crate) fn named(attrs: &[Attribute], name: &str) -> impl Iterator<Item = Conditional> {
    all(attrs).into_iter().filter(move |attr| attr.meta.path().is_ident(name))
}

/// Returns all attributes, with their conditions.
pub(crate) fn all(attrs: &[Attribute]) -> Vec<Conditional> {
    let mut found = Vec::new();
    for attr in attrs {
        collect(attr.meta.clone(), &[], &mut found);
    }
    found
}

/// Returns the conditions under which the item with these attributes exists, as attributes.
pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    named(attrs, "cfg")
        .filter_map(|Conditional { meta, conditions }| {
            let condition = meta.require_list().ok()?.tokens.clone();
            Some(if conditions.is_empty() {
                parse_quote!(#[cfg(#condition)])
            } else {
                parse_quote!(#[cfg(any(not(all(#(#conditions),*)), #condition))])
            })
        })
        .collect()
}

/// Removes the attributes with this name, and returns them.
pub(crate) fn take(attrs: &mut Vec<Attribute>, name: &str) -> Vec<Meta> {
    let mut taken = Vec::new();
    attrs.retain_mut(|attr| match without(attr.meta.clone(), name, &mut taken) {
        Some(meta) => {
            attr.meta = meta;
            true
        }
        None => false,
    });
    taken
}

fn collect(meta: Meta, conditions: &[TokenStream], found: &mut Vec<Conditional>) {
    match parts(&meta) {
        Some((condition, attrs)) => {
            let conditions = [conditions, &[condition]].concat();
            for attr in attrs {
                collect(attr, &conditions, found);
            }
        }
        None => found.push(Conditional { meta, conditions: conditions.to_vec() }),
    }
}

fn without(meta: Meta, name: &str, taken: &mut Vec<Meta>) -> Option<Meta> {
    if meta.path().is_ident(name) {
        taken.push(meta);
        return None;
    }
    let Some((condition, attrs)) = parts(&meta) else { return Some(meta) };
    let before = taken.len();
    let attrs: Vec<Meta> =
        attrs.into_iter().filter_map(|attr| without(attr, name, taken)).collect();
    if taken.len() == before {
        return Some(meta);
    }
    let path = meta.path();
    (!attrs.is_empty()).then(|| parse_quote!(#path(#condition, #(#attrs),*)))
}

/// Returns the condition of a `cfg_attr`, and the attributes behind it. `None` for one that is malformed.
fn parts(meta: &Meta) -> Option<(TokenStream, Vec<Meta>)> {
    if !meta.path().is_ident("cfg_attr") {
        return None;
    }
    let list = meta.require_list().ok()?;
    let mut tokens = list.tokens.clone().into_iter();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(it) if it.as_char() == ',');
    let condition = tokens.by_ref().take_while(|token| !is_comma(token)).collect();
    let attrs = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens.collect()).ok()?;
    Some((condition, attrs.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn written(attrs: &[Attribute]) -> Vec<String> {
        attrs.iter().map(|attr| quote!(#attr).to_string().replace(' ', "")).collect()
    }

    #[test]
    fn attributes_are_found_behind_conditions_within_conditions() {
        let attrs: Vec<Attribute> = vec![
            parse_quote!(#[serde(default)]),
            parse_quote!(#[cfg_attr(unix, cfg_attr(feature = "x", serde(skip)), doc = "y", cfg(test))]),
            parse_quote!(#[cfg_attr(true, serde(rename = "z"))]),
        ];
        let found: Vec<String> = named(&attrs, "serde")
            .map(|Conditional { meta, conditions }| {
                quote!(#meta #(if #conditions)*).to_string().replace(' ', "")
            })
            .collect();
        let expected =
            ["serde(default)", "serde(skip)ifunixiffeature=\"x\"", "serde(rename=\"z\")iftrue"];
        assert_eq!(found, expected);
        assert_eq!(written(&cfgs(&attrs)), ["#[cfg(any(not(all(unix)),test))]"]);
    }

    #[test]
    fn taken_attributes_leave_the_rest_behind_their_conditions() {
        let mut attrs: Vec<Attribute> = vec![
            parse_quote!(#[state(skip)]),
            parse_quote!(#[cfg_attr(unix, state(skip), serde(default))]),
            parse_quote!(#[cfg_attr(unix, cfg_attr(test, state(skip)))]),
            parse_quote!(#[doc = "x"]),
        ];
        assert_eq!(take(&mut attrs, "state").len(), 3);
        assert_eq!(written(&attrs), ["#[cfg_attr(unix,serde(default))]", "#[doc=\"x\"]"]);
    }

    #[test]
    fn attributes_given_under_conditions_are_added_under_the_opposite_conditions() {
        let attribute = |cases: &[&[TokenStream]]| {
            let given = Presence::new(cases.iter().copied());
            written(given.unless(quote!(serde(default))).as_slice())
        };
        assert_eq!(attribute(&[]), ["#[serde(default)]"]);
        assert!(attribute(&[&[quote!(unix)], &[]]).is_empty());
        assert_eq!(
            attribute(&[&[quote!(unix), quote!(test)], &[quote!(windows)]]),
            ["#[cfg_attr(not(any(all(unix,test),all(windows))),serde(default))]"]
        );
    }
}
