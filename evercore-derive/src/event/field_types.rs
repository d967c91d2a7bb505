//! Lets a field that serde cannot write or read be one error, which names its type.
//!
//! Serde's derives would report such a field four times. With bounds on the types of the fields, the derived code takes
//! them for granted, and the one place that needs the event's encoding reports the bound that does not hold. The bounds
//! are over all lifetimes, since the compiler reports others at each derived implementation.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Data, DeriveInput, Field, LitStr, Path, Type, parse_str};

use super::derives::{serde_options, spelled};

/// The serde options that leave it to the fields' types how they are written. With any other, serde's own bounds are
/// kept.
const OF_ITEMS: [&str; 9] = [
    "rename",
    "rename_all",
    "rename_all_fields",
    "deny_unknown_fields",
    "default",
    "tag",
    "content",
    "untagged",
    "transparent",
];
const OF_VARIANTS: [&str; 3] = ["rename", "rename_all", "alias"];
const OF_FIELDS: [&str; 4] = ["rename", "alias", "default", "skip_serializing_if"];

/// Types that need no bound.
const WRITABLE: [&str; 15] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64",
    "u128", "String",
];

/// Returns the `#[serde(bound(…))]` for the fields of an event, if there is anything to require.
pub(crate) fn bounds(krate: &Path, item: &DeriveInput) -> Option<TokenStream> {
    if !has_only(&item.attrs, &OF_ITEMS) {
        return None;
    }
    let fields: Vec<&Field> = match &item.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data
            .variants
            .iter()
            .filter(|variant| has_only(&variant.attrs, &OF_VARIANTS))
            .flat_map(|variant| variant.fields.iter())
            .collect(),
        Data::Union(_) => return None,
    };
    let field_type = spelled(krate, "__private::FieldType");
    let mut bounds = Vec::new();
    for field in fields.into_iter().filter(|field| has_only(&field.attrs, &OF_FIELDS)) {
        let Some(ty) = as_text(field, item) else { continue };
        let bound = format!("for<'__field> {ty}: {field_type}<'__field>");
        if !bounds.contains(&bound) {
            bounds.push(bound);
        }
    }
    let place = item.ident.span();
    let bounds = (!bounds.is_empty()).then(|| LitStr::new(&bounds.join(", "), place))?;
    Some(quote!(#[serde(bound(serialize = #bounds, deserialize = #bounds))]))
}

/// Whether no condition decides about the part, and it has no other serde options than these.
fn has_only(attrs: &[Attribute], names: &[&str]) -> bool {
    let is_conditional =
        attrs.iter().any(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"));
    !is_conditional && serde_options(attrs).iter().all(|option| names.contains(&&*option.name))
}

/// Returns the field's type as the text that serde parses; `None` if it needs no bound, if it names the event itself, so
/// that the bound would depend on itself, or if no text stands for it.
fn as_text(field: &Field, item: &DeriveInput) -> Option<String> {
    let tokens = field.ty.to_token_stream();
    let text = tokens.to_string();
    if WRITABLE.contains(&&*text) || names_itself(tokens, &item.ident.to_string()) {
        return None;
    }
    // `$crate`, as in the types of a `macro_rules!`, is no text.
    parse_str::<Type>(&text).is_ok().then_some(text)
}

fn names_itself(ty: TokenStream, item: &str) -> bool {
    ty.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == item || ident == "Self",
        TokenTree::Group(group) => names_itself(group.stream(), item),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
