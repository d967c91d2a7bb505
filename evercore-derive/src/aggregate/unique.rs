//! Reads the unique values of an aggregate, and writes the code that returns them.

use std::collections::HashSet;

use darling::error::Accumulator;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Path};

use crate::conditional::cfgs;
use crate::event::tags::{GivenTag, GivenTags, Values, name_problem, values};
use crate::value::Value;

// Names that no constant of the user should have: a pattern would compare with the constant.
const LIST: &str = "__values";
const VALUE: &str = "__value";

/// The unique values as given: `email, seat = seat_number`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenUnique(Vec<GivenTag>);

/// The unique values of an aggregate.
#[derive(Default)]
pub(crate) struct Unique(Vec<UniqueField>);

/// A unique value, and the field that has it.
struct UniqueField {
    name: LitStr,
    span: Span,
    ident: Ident,
    conditions: Vec<Attribute>,
    values: Values,
}

impl Value for GivenUnique {
    const EXPECTED: &'static str = "expected the fields that are unique, as in `unique(email)`, or `unique(seat = seat_number)` to name a value otherwise than its field";
}

impl Parse for GivenUnique {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Err(input.error(Self::EXPECTED));
        }
        input.parse().map(|GivenTags(given)| Self(given))
    }
}

/// Finds the fields of the values, and reports mistakes.
pub(crate) fn read(
    given: Option<GivenUnique>,
    item: &DeriveInput,
    mistakes: &mut Accumulator,
) -> Unique {
    let Some(GivenUnique(given)) = given else { return Unique::default() };
    let fields = match &item.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(_) => {
            let problem = format!(
                "the unique values of an aggregate are fields of a struct, and `{}` is an enum; put the enum into a field of a struct beside them",
                item.ident
            );
            let first = given.first().map(|given| given.field.span());
            let error = darling::Error::custom(problem);
            mistakes.push(error.with_span(&first.unwrap_or_else(Span::call_site)));
            return Unique::default();
        }
        // A union is refused as an aggregate.
        Data::Union(_) => return Unique::default(),
    };
    let (mut names, mut functions) = (HashSet::new(), HashSet::new());
    let mut unique = Vec::new();
    for GivenTag { name, field } in given {
        let own = fields_named(fields, &field).next();
        let problem = if let Some(problem) = name_problem(&name.value()) {
            Some((name.span(), format!("the name of a unique value {problem}")))
        } else if !names.insert(name.value()) {
            Some((name.span(), format!("the unique value `{}` is given twice", name.value())))
        } else if own.is_none() {
            Some((field.span(), unknown(item, fields, &field)))
        } else if !functions.insert(function(&name)) {
            let function = function(&name);
            Some((name.span(), format!("two unique values would have the function `{function}`")))
        } else {
            None
        };
        if let Some((span, problem)) = problem {
            mistakes.push(darling::Error::custom(problem).with_span(&span));
            continue;
        }
        unique.extend(fields_named(fields, &field).filter_map(|own| {
            Some(UniqueField {
                name: name.clone(),
                span: field.span(),
                ident: own.ident.clone()?,
                conditions: cfgs(&own.attrs),
                values: values(&own.ty),
            })
        }));
    }
    Unique(unique)
}

/// Returns the fields with a name: several only under conditions that exclude one another.
fn fields_named<'a>(fields: &'a Fields, name: &Ident) -> impl Iterator<Item = &'a Field> {
    let name = name.unraw();
    fields.iter().filter(move |own| own.ident.as_ref().is_some_and(|own| own.unraw() == name))
}

/// Reports a value without a field.
fn unknown(item: &DeriveInput, fields: &Fields, field: &Ident) -> String {
    let known: Vec<_> =
        fields.iter().filter_map(|own| Some(format!("`{}`", own.ident.as_ref()?))).collect();
    if known.is_empty() {
        return format!(
            "a unique value is that of a named field, and `{}` has none; give its fields names, as in `{{ {field}: … }}`",
            item.ident
        );
    }
    let known = known.join(", ");
    format!(
        "there is no field `{field}`; a unique value is that of a field, one of {known}, and `unique(name = field)` names the value otherwise"
    )
}

/// Returns the name of the function that makes a key of a value.
fn function(name: &LitStr) -> String {
    let mut function = "by_".to_owned();
    function.extend(name.value().chars().map(|c| {
        let is_part =
            c.is_ascii_alphanumeric() || syn::parse_str::<Ident>(&format!("x{c}")).is_ok();
        if is_part { c } else { '_' }
    }));
    function
}

impl Unique {
    /// Writes the constant of the trait.
    pub(crate) fn constant(&self, krate: &Path) -> Option<TokenStream> {
        if self.0.is_empty() {
            return None;
        }
        let declared = self.0.iter().map(|UniqueField { name, conditions, values, .. }| {
            let make = values.function();
            quote!(#(#conditions)* #krate::boundary::TagName::#make(#name))
        });
        let pushes = self.0.iter().map(UniqueField::push);
        let list = Ident::new(LIST, Span::call_site());
        Some(quote! {
            const UNIQUE: #krate::__private::core::option::Option<#krate::unique::UniqueValues<Self>> =
                #krate::__private::core::option::Option::Some(#krate::unique::UniqueValues::new(
                    &[#(#declared),*],
                    |state| {
                        let #list = &mut #krate::__private::UniqueList::default();
                        #(#pushes)*
                        #list.finish()
                    },
                ));
        })
    }

    /// Writes the functions that make keys.
    pub(crate) fn functions(&self, krate: &Path, item: &DeriveInput) -> Option<TokenStream> {
        if self.0.is_empty() {
            return None;
        }
        let (ident, visibility) = (&item.ident, &item.vis);
        let functions = self.0.iter().map(|UniqueField { name, conditions, .. }| {
            let doc =
                format!("Names the aggregate with this `{}`, which no other has.", name.value());
            let function = Ident::new(&function(name), name.span());
            quote! {
                #(#conditions)*
                #[doc = #doc]
                #[must_use]
                #[allow(dead_code)]
                #visibility fn #function(
                    value: impl #krate::__private::core::fmt::Display,
                ) -> #krate::unique::UniqueKey<Self> {
                    #krate::unique::UniqueKey::new(#name, value)
                }
            }
        });
        Some(quote! {
            #[automatically_derived]
            impl #ident {
                #(#functions)*
            }
        })
    }
}

impl UniqueField {
    /// Writes the code that adds the values of the field.
    fn push(&self) -> TokenStream {
        // All tokens of the call have the span of the field, where the error about its `Display` is shown.
        let span = self.span.resolved_at(Span::call_site());
        let [list, value] = [LIST, VALUE].map(|name| Ident::new(name, span));
        let Self { name, ident, conditions, values, .. } = self;
        let add = Ident::new(&values.function().to_string(), span);
        let call = quote_spanned!(span=> #list.#add(#name, #value););
        quote! {
            #(#conditions)*
            {
                let Self { #ident: #value, .. } = state;
                #call
            }
        }
    }
}
