//! Reads the tags of an event, and writes the code that makes them.

use std::collections::HashSet;

use darling::error::Accumulator;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Fields, Ident, LitStr, Path, PathArguments, Token, Type,
    parse_quote,
};

use crate::conditional::cfgs;
use crate::option_type;
use crate::value::Value;

/// The most tags of an event, and the longest name with which a tag has room for a value; the same as in `evercore`.
const MAX_TAGS: usize = 32;
const MAX_NAME_BYTES: usize = 253;

// Names that no constant of the user should have: a pattern would compare with the constant.
const TAGS: &str = "__tags";
const VALUE: &str = "__value";

/// The tags as given: `course, student = student_id`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenTags(pub(crate) Vec<GivenTag>);

/// A tag as given: the name, and the field that has its values.
#[derive(Clone, Debug)]
pub(crate) struct GivenTag {
    pub(crate) name: LitStr,
    pub(crate) field: Ident,
}

/// The tags of an event.
#[derive(Default)]
pub(crate) struct Tags(Vec<Tag>);

/// A tag of an event.
struct Tag {
    name: LitStr,
    /// The place of errors about its value.
    span: Span,
    places: Vec<Place>,
    values: Values,
}

/// The struct, or one of the variants of the enum.
struct Place {
    path: TokenStream,
    conditions: Vec<Attribute>,
    /// The fields with the values of a tag. Several have the same name only under conditions that exclude one another.
    fields: Vec<Field>,
}

struct Field {
    ident: Ident,
    conditions: Vec<Attribute>,
    values: Values,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
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
    // A union is refused as an event.
    let given = given.filter(|_| !matches!(item.data, Data::Union(_)));
    for GivenTag { name, field } in given.into_iter().flat_map(|given| given.0) {
        if let Some(problem) = name_problem(&name.value()) {
            let problem = format!("the name of a tag {problem}");
            mistakes.push(darling::Error::custom(problem).with_span(&name));
            continue;
        }
        if !seen.insert(name.value()) {
            let problem = format!("the tag `{}` is given twice", name.value());
            mistakes.push(darling::Error::custom(problem).with_span(&name));
            continue;
        }
        let places = places(item, &field);
        if places.iter().all(|place| place.fields.is_empty()) {
            let problem = unknown(item, &field);
            mistakes.push(darling::Error::custom(problem).with_span(&field));
            continue;
        }
        let values = values_of_all(&places);
        tags.push(Tag { name, span: field.span(), places, values });
    }
    let always = tags.iter().filter(|tag| tag.values == Values::One);
    if let Some(last) = always.clone().nth(MAX_TAGS) {
        let problem =
            format!("an event has at most {MAX_TAGS} tags, and this one {}", always.count());
        mistakes.push(darling::Error::custom(problem).with_span(&last.name));
    }
    Tags(tags)
}

/// Reports a tag without a field.
fn unknown(item: &DeriveInput, field: &Ident) -> String {
    let names = match &item.data {
        Data::Struct(data) => named(&data.fields),
        Data::Enum(data) => data.variants.iter().flat_map(|it| named(&it.fields)).collect(),
        Data::Union(_) => Vec::new(),
    };
    if names.is_empty() {
        return format!(
            "the value of a tag is that of a named field, and `{}` has none; give its fields names, as in `{{ {field}: … }}`",
            item.ident
        );
    }
    let mut known: Vec<String> = Vec::new();
    for name in names {
        let name = format!("`{name}`");
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let known = known.join(", ");
    format!(
        "there is no field `{field}`; the value of a tag is that of a field, one of {known}, and `tags(name = field)` names the tag otherwise"
    )
}

fn named(fields: &Fields) -> Vec<&Ident> {
    fields.iter().filter_map(|field| field.ident.as_ref()).collect()
}

impl Tags {
    /// Returns whether there is a tag of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|tag| tag.name.value() == name)
    }

    /// Writes the constant of the declared tags, and the function that returns those of an event.
    pub(crate) fn items(&self, krate: &Path) -> Option<TokenStream> {
        if self.0.is_empty() {
            return None;
        }
        let declared = self.0.iter().map(|tag| {
            let Tag { name, values, .. } = tag;
            let (conditions, make) = (tag.conditions(), values.function());
            quote!(#(#conditions)* #krate::boundary::TagName::#make(#name))
        });
        let pushes = self.0.iter().map(Tag::push);
        let tags = Ident::new(TAGS, Span::call_site());
        Some(quote! {
            const TAGS: &'static [#krate::boundary::TagName] = &[#(#declared),*];

            fn tags(&self) -> #krate::Result<#krate::boundary::Tags> {
                let #tags = &mut #krate::__private::TagList::default();
                #(#pushes)*
                #tags.finish()
            }
        })
    }
}

impl Tag {
    /// Writes the code that adds the values of the tag.
    fn push(&self) -> TokenStream {
        // All tokens of the call have the span of the field, where the error about its `Display` is shown. The names
        // resolve as those around do, even if another macro wrote the field.
        let span = self.span.resolved_at(Span::call_site());
        let [tags, value] = [TAGS, VALUE].map(|name| Ident::new(name, span));
        let name = &self.name;
        let arms = self.places.iter().map(|Place { path, conditions, fields }| {
            let patterns = fields
                .iter()
                .map(|Field { ident, conditions, .. }| quote!(#(#conditions)* #ident: #value,));
            let calls = fields.iter().map(|Field { conditions, values, .. }| {
                let add = values.function();
                let add = Ident::new(&add.to_string(), span);
                let call = quote_spanned!(span=> #tags.#add(#name, #value););
                quote!(#(#conditions)* #call)
            });
            quote!(#(#conditions)* #path { #(#patterns)* .. } => { #(#calls)* })
        });
        quote!(match self { #(#arms)* })
    }

    /// Returns the conditions under which there is a field for it.
    fn conditions(&self) -> Vec<Attribute> {
        let mut cases = Vec::new();
        for place in &self.places {
            for field in &place.fields {
                cases.push([place.conditions.as_slice(), &field.conditions].concat());
            }
        }
        if cases.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        if cases.len() == 1 {
            return cases.remove(0);
        }
        let cases = cases.iter().map(|conditions| {
            let conditions = conditions.iter().map(|attr| {
                let list = attr.meta.require_list();
                &list.expect("BUG: a condition is a list").tokens
            });
            quote!(all(#(#conditions),*))
        });
        vec![parse_quote!(#[cfg(any(#(#cases),*))])]
    }
}

impl Values {
    /// Returns the name of the functions for a tag with so many values.
    pub(crate) fn function(self) -> Ident {
        let name = match self {
            Self::One => "one",
            Self::Optional => "optional",
            Self::Many => "many",
        };
        Ident::new(name, Span::call_site())
    }
}

/// Returns the struct or the variants, with the fields of this name.
fn places(item: &DeriveInput, field: &Ident) -> Vec<Place> {
    let name = field.unraw();
    let place = |path: TokenStream, attrs: &[Attribute], fields: &Fields| {
        let fields = fields.iter().filter_map(|field| {
            let ident = field.ident.clone().filter(|own| own.unraw() == name)?;
            Some(Field { ident, conditions: cfgs(&field.attrs), values: values(&field.ty) })
        });
        Place { path, conditions: cfgs(attrs), fields: fields.collect() }
    };
    match &item.data {
        Data::Struct(data) => vec![place(quote!(Self), &[], &data.fields)],
        Data::Enum(data) => {
            let variants = data.variants.iter().map(|variant| {
                let ident = &variant.ident;
                place(quote!(Self::#ident), &variant.attrs, &variant.fields)
            });
            variants.collect()
        }
        Data::Union(_) => Vec::new(),
    }
}

/// Returns how many values an event may have for a tag, whichever of its variants it is.
fn values_of_all(places: &[Place]) -> Values {
    let is_everywhere = places.iter().all(|place| !place.fields.is_empty());
    let mut fields = places.iter().flat_map(|place| &place.fields);
    if fields.clone().any(|field| field.values == Values::Many) {
        Values::Many
    } else if fields.any(|field| field.values == Values::Optional) || !is_everywhere {
        Values::Optional
    } else {
        Values::One
    }
}

/// Returns how many values a field gives. A macro sees only the tokens: an alias is not recognised.
pub(crate) fn values(ty: &Type) -> Values {
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
pub(crate) fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("cannot be empty".to_owned())
    } else if name.contains(':') {
        Some("cannot hold a colon, which separates it from the value".to_owned())
    } else if name.contains(char::is_control) {
        Some("cannot hold a control character".to_owned())
    } else if name.len() > MAX_NAME_BYTES {
        let bytes = name.len();
        Some(format!("is {bytes} bytes long, but the limit is {MAX_NAME_BYTES}"))
    } else {
        None
    }
}
