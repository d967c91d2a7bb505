//! Reads the tags of an event, and writes the code that makes them.

use std::collections::HashSet;

use darling::error::Accumulator;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Path, PathArguments, Token, Type};

use crate::option_type;
use crate::value::Value;

/// The tags as given: `course, student = student_id`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenTags(Vec<GivenTag>);

/// A tag as given: the name, and the field that has its values.
#[derive(Clone, Debug)]
struct GivenTag {
    name: LitStr,
    field: Ident,
}

/// The tags of an event.
#[derive(Default)]
pub(crate) struct Tags(Vec<Tag>);

/// A tag of an event.
struct Tag {
    name: LitStr,
    field: Ident,
    /// The variants that have the field, or the struct itself.
    places: Vec<Place>,
    values: Values,
}

/// A struct or a variant that has the field of a tag.
struct Place {
    path: TokenStream,
    values: Values,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    One,
    Optional,
    Many,
}

impl Value for GivenTags {
    const EXPECTED: &'static str = "expected the fields that are tags, as in `tags(course, student)`, or `tags(course = course_id)` to name a tag otherwise than its field";
}

impl Parse for GivenTags {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let tags = Punctuated::<GivenTag, Token![,]>::parse_terminated(input)?;
        if tags.is_empty() {
            return Err(input.error(Self::EXPECTED));
        }
        Ok(Self(tags.into_iter().collect()))
    }
}

impl Parse for GivenTag {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            let name = input.parse()?;
            let _: Token![=] = input.parse()?;
            return Ok(Self { name, field: Ident::parse_any(input)? });
        }
        let first = Ident::parse_any(input)?;
        let name = LitStr::new(&first.unraw().to_string(), first.span());
        if input.parse::<Option<Token![=]>>()?.is_some() {
            return Ok(Self { name, field: Ident::parse_any(input)? });
        }
        Ok(Self { name, field: first })
    }
}

/// Finds the fields of the tags, and reports mistakes.
pub(crate) fn read(
    given: Option<GivenTags>,
    item: &DeriveInput,
    mistakes: &mut Accumulator,
) -> Tags {
    let mut seen = HashSet::new();
    let mut tags = Vec::new();
    for GivenTag { name, field } in given.into_iter().flat_map(|given| given.0) {
        let problem = if let Some(problem) = name_problem(&name.value()) {
            Some(format!("the name of a tag {problem}"))
        } else if !seen.insert(name.value()) {
            Some("this tag is given twice".to_owned())
        } else {
            None
        };
        let places = places(item, &field);
        let problem = problem.or_else(|| {
            let unknown = format!(
                "there is no field `{field}`; a tag is a named field of the event, whose `Display` is the tag's value"
            );
            places.is_empty().then_some(unknown)
        });
        if let Some(problem) = problem {
            mistakes.push(darling::Error::custom(problem).with_span(&field));
            continue;
        }
        let values = values_of_all(&places, item);
        tags.push(Tag { name, field, places, values });
    }
    Tags(tags)
}

impl Tags {
    /// Writes the constant of the declared tags, and the function that returns those of an event.
    pub(crate) fn items(&self, krate: &Path) -> Option<TokenStream> {
        if self.0.is_empty() {
            return None;
        }
        let declared = self.0.iter().map(|Tag { name, values, .. }| {
            let make = match values {
                Values::One => quote!(one),
                Values::Optional => quote!(optional),
                Values::Many => quote!(many),
            };
            quote!(#krate::boundary::TagName::#make(#name))
        });
        let pushes = self.0.iter().map(Tag::push);
        Some(quote! {
            const TAGS: &'static [#krate::boundary::TagName] = &[#(#declared),*];

            fn tags(&self) -> #krate::Result<#krate::boundary::Tags> {
                let mut tags = #krate::__private::TagList::default();
                #(#pushes)*
                tags.finish()
            }
        })
    }
}

impl Tag {
    /// Writes the code that adds the values of the tag.
    fn push(&self) -> TokenStream {
        let Self { name, field, places, .. } = self;
        // All tokens of the call have the span of the field, where the error about its `Display` is shown.
        let arms = places.iter().map(|Place { path, values }| {
            let add = match values {
                Values::One => quote_spanned!(field.span()=> one),
                Values::Optional => quote_spanned!(field.span()=> optional),
                Values::Many => quote_spanned!(field.span()=> many),
            };
            let call = quote_spanned!(field.span()=> tags.#add(#name, value));
            quote!(#path { #field: value, .. } => #call,)
        });
        quote! {
            #[allow(unreachable_patterns, reason = "a struct has one place, an enum may have others")]
            match self {
                #(#arms)*
                _ => {}
            }
        }
    }
}

/// Returns the struct or the variants that have a field.
fn places(item: &DeriveInput, field: &Ident) -> Vec<Place> {
    let place = |path: TokenStream, fields: &Fields| {
        let found = fields.iter().find(|own| own.ident.as_ref().is_some_and(|own| own == field))?;
        Some(Place { path, values: values(&found.ty) })
    };
    match &item.data {
        Data::Struct(data) => place(quote!(Self), &data.fields).into_iter().collect(),
        Data::Enum(data) => {
            let variants = data.variants.iter();
            variants
                .filter_map(|variant| {
                    let ident = &variant.ident;
                    place(quote!(Self::#ident), &variant.fields)
                })
                .collect()
        }
        Data::Union(_) => Vec::new(),
    }
}

/// Returns how many values an event may have for a tag, whichever of its variants it is.
fn values_of_all(places: &[Place], item: &DeriveInput) -> Values {
    let is_everywhere = match &item.data {
        Data::Enum(data) => data.variants.len() == places.len(),
        Data::Struct(_) | Data::Union(_) => true,
    };
    let has = |values| places.iter().any(|place| place.values == values);
    if has(Values::Many) {
        Values::Many
    } else if has(Values::Optional) || !is_everywhere {
        Values::Optional
    } else {
        Values::One
    }
}

/// Returns how many values a field gives. A macro sees only the tokens: an alias is not recognised.
fn values(ty: &Type) -> Values {
    if option_type::inner(ty).is_some() {
        return Values::Optional;
    }
    match ty {
        Type::Group(group) => values(&group.elem),
        Type::Paren(paren) => values(&paren.elem),
        Type::Array(_) => Values::Many,
        Type::Path(path) => {
            let last = path.path.segments.last();
            let is_list = last.is_some_and(|last| {
                ["Vec", "VecDeque", "BTreeSet", "HashSet"].iter().any(|list| last.ident == list)
                    && matches!(last.arguments, PathArguments::AngleBracketed(_))
            });
            if is_list { Values::Many } else { Values::One }
        }
        _ => Values::One,
    }
}

/// Returns why no tag can have this name; the same as in `evercore`.
fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is not empty")
    } else if name.contains(':') {
        Some("has no colon")
    } else if name.contains(char::is_control) {
        Some("has no control character")
    } else {
        None
    }
}
