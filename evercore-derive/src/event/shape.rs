//! Describes the shape of an event as text.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Meta, Token};

use crate::conditional::{self, cfgs};

/// A field, a variant, or the serde and prost options of the whole item.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) ty: String,
    /// The conditions under which it exists.
    pub(crate) conditions: Vec<Attribute>,
}

/// The serde and prost options of a field or variant.
struct Told {
    name: Option<String>,
    is_skipped: bool,
    /// The other serde options, as they are written.
    serde: Vec<String>,
    /// The prost options, as they are written.
    prost: Vec<String>,
    /// The options of either behind a condition, and the condition.
    conditional: Vec<(String, Attribute)>,
}

/// Returns the parts of an item, in order.
pub(crate) fn shape(item: &DeriveInput) -> Vec<Part> {
    let mut parts = Vec::new();
    let told = Told::of(&item.attrs);
    let whole = told.spelled();
    if !whole.is_empty() {
        parts.push(Part { name: whole, ty: String::new(), conditions: Vec::new() });
    }
    parts.extend(told.conditional.into_iter().map(|(told, condition)| Part {
        name: told,
        ty: String::new(),
        conditions: vec![condition],
    }));
    match &item.data {
        Data::Struct(data) => {
            if matches!(data.fields, Fields::Unit) {
                let (name, ty) = ("()".to_owned(), String::new());
                parts.push(Part { name, ty, conditions: Vec::new() });
            }
            fields("", &[], &data.fields, &mut parts);
        }
        Data::Enum(data) => {
            for variant in &data.variants {
                let told = Told::of(&variant.attrs);
                if told.is_skipped {
                    continue;
                }
                let kind = match &variant.fields {
                    Fields::Named(_) => " {}",
                    Fields::Unnamed(_) => "()",
                    Fields::Unit => "",
                };
                let conditions = cfgs(&variant.attrs);
                let name = told.name.clone().unwrap_or_else(|| unraw(&variant.ident));
                let of_variant = format!("{name}.");
                let ty = told.spelled();
                told.push(
                    Part { name: name + kind, ty, conditions: conditions.clone() },
                    &mut parts,
                );
                fields(&of_variant, &conditions, &variant.fields, &mut parts);
            }
        }
        // A union is refused as an event.
        Data::Union(_) => {}
    }
    parts
}

fn fields(before: &str, of_variant: &[Attribute], fields: &Fields, parts: &mut Vec<Part>) {
    for (index, Field { attrs, ident, ty, .. }) in fields.iter().enumerate() {
        let told = Told::of(attrs);
        if told.is_skipped {
            continue;
        }
        let declared = ident.as_ref().map_or_else(|| index.to_string(), unraw);
        let name = before.to_owned() + told.name.as_deref().unwrap_or(&declared);
        let mut ty = spelled(ty.to_token_stream());
        let said = told.spelled();
        if !said.is_empty() {
            ty = format!("{ty} {said}");
        }
        let conditions = of_variant.iter().cloned().chain(cfgs(attrs)).collect();
        told.push(Part { name, ty, conditions }, parts);
    }
}

fn unraw(ident: &Ident) -> String {
    ident.unraw().to_string()
}

impl Told {
    fn of(attrs: &[Attribute]) -> Self {
        let mut told = Self {
            name: None,
            is_skipped: false,
            serde: Vec::new(),
            prost: Vec::new(),
            conditional: Vec::new(),
        };
        for attr in conditional::all(attrs) {
            let is_prost = attr.meta.path().is_ident("prost");
            if !is_prost && !attr.meta.path().is_ident("serde") {
                continue;
            }
            let condition = attr.cfg();
            if is_prost {
                let text = format!("#[{}]", spelled(attr.meta.to_token_stream()));
                match condition {
                    Some(condition) => told.conditional.push((text, condition)),
                    None => told.prost.push(text),
                }
                continue;
            }
            // A malformed attribute is skipped, since serde itself reports it.
            let Ok(list) = attr.meta.require_list() else { continue };
            let options = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let options = options.into_iter().flatten().filter(|option| !is_place(option));
            match condition {
                Some(condition) => {
                    let options: Vec<String> =
                        options.map(|option| spelled(option.to_token_stream())).collect();
                    if !options.is_empty() {
                        told.conditional.push((in_serde(&options), condition));
                    }
                }
                None => options.for_each(|option| told.take(option)),
            }
        }
        told
    }

    /// Adds a part, and its conditional options.
    fn push(self, part: Part, parts: &mut Vec<Part>) {
        let (name, conditions) = (part.name.clone(), part.conditions.clone());
        parts.push(part);
        parts.extend(self.conditional.into_iter().map(|(told, condition)| Part {
            name: name.clone(),
            ty: told,
            conditions: conditions.iter().cloned().chain([condition]).collect(),
        }));
    }

    fn take(&mut self, option: Meta) {
        match &option {
            Meta::NameValue(pair) if pair.path.is_ident("rename") => {
                match syn::parse2::<LitStr>(pair.value.to_token_stream()) {
                    Ok(name) => self.name = Some(name.value()),
                    Err(_) => self.serde.push(spelled(option.to_token_stream())),
                }
            }
            Meta::Path(path) if path.is_ident("skip") => self.is_skipped = true,
            _ => self.serde.push(spelled(option.to_token_stream())),
        }
    }

    fn spelled(&self) -> String {
        let serde = (!self.serde.is_empty()).then(|| in_serde(&self.serde));
        let said: Vec<String> = self.prost.iter().cloned().chain(serde).collect();
        said.join(" ")
    }
}

fn in_serde(options: &[String]) -> String {
    format!("#[serde({})]", options.join(", "))
}

/// Whether an option only says where a crate is found, which does not change what is written.
fn is_place(option: &Meta) -> bool {
    option.path().is_ident("crate")
}

/// Formats tokens in the usual notation. The text is the same in every build, which a compiler does not promise of its
/// own formatting.
fn spelled(tokens: TokenStream) -> String {
    let mut text = String::new();
    spell(tokens, &mut text);
    text
}

fn spell(tokens: TokenStream, text: &mut String) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    // Invisible delimiters come from another macro that passed the tokens on.
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                spell(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match punct.as_char() {
                separator @ (',' | ';') => {
                    text.push(separator);
                    text.push(' ');
                }
                sign @ ('+' | '=') => {
                    text.push(' ');
                    text.push(sign);
                    text.push(' ');
                }
                sign => text.push(sign),
            },
            TokenTree::Ident(ident) => word(&unraw(&ident), text),
            TokenTree::Literal(literal) => word(&literal.to_string(), text),
        }
    }
}

/// Appends a word, with a space after another word.
fn word(word: &str, text: &mut String) {
    if text.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
        text.push(' ');
    }
    text.push_str(word);
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[track_caller]
    fn assert_shape(item: &DeriveInput, expected: &[(&str, &str)]) {
        let parts = shape(item);
        let parts: Vec<_> = parts.iter().map(|part| (&*part.name, &*part.ty)).collect();
        assert_eq!(parts, expected);
    }

    #[test]
    fn types_are_spelled_as_one_would_write_them() {
        let item = parse_quote! {
            struct Moved {
                to: Option< Vec<u8 > >,
                by: std::collections::HashMap<String,(u8,[i64;4])>,
                note: Box<dyn Note+Send>,
                label: &'static str,
            }
        };
        assert_shape(
            &item,
            &[
                ("to", "Option<Vec<u8>>"),
                ("by", "std::collections::HashMap<String, (u8, [i64; 4])>"),
                ("note", "Box<dyn Note + Send>"),
                ("label", "&'static str"),
            ],
        );
    }

    #[test]
    fn names_are_those_that_are_written() {
        let item = parse_quote! {
            #[serde(deny_unknown_fields)]
            struct Moved {
                r#type: u8,
                #[serde(rename = "amount", default)]
                sum: i64,
                #[serde(skip)]
                cached: String,
                #[serde(rename(serialize = "a", deserialize = "b"))]
                both: bool,
            }
        };
        assert_shape(
            &item,
            &[
                ("#[serde(deny_unknown_fields)]", ""),
                ("type", "u8"),
                ("amount", "i64 #[serde(default)]"),
                ("both", "bool #[serde(rename(serialize = \"a\", deserialize = \"b\"))]"),
            ],
        );
    }

    #[test]
    fn the_numbers_of_a_messages_fields_are_part_of_it() {
        let item = parse_quote! {
            struct Moved {
                #[prost(int64, tag = "1")]
                amount: i64,
            }
        };
        assert_shape(&item, &[("amount", "i64 #[prost(int64, tag = \"1\")]")]);
    }

    #[test]
    fn fields_written_differently_are_not_the_same_shape() {
        assert_shape(
            &parse_quote!(
                struct Closed;
            ),
            &[("()", "")],
        );
        assert_shape(
            &parse_quote!(
                struct Closed {}
            ),
            &[],
        );
        assert_shape(
            &parse_quote!(
                struct Closed(u8, i64);
            ),
            &[("0", "u8"), ("1", "i64")],
        );
        let item = parse_quote! {
            enum Moved { In { amount: i64 }, #[serde(rename = "out")] Out(i64), Nowhere, #[serde(skip)] Lost }
        };
        assert_shape(
            &item,
            &[
                ("In {}", ""),
                ("In.amount", "i64"),
                ("out()", ""),
                ("out.0", "i64"),
                ("Nowhere", ""),
            ],
        );
    }
}
