//! The values that options take.

use darling::FromMeta;
use darling::ast::MetaNameValueInvalidExpr;
use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, LitStr, Meta, Path, Token, TypePath, bracketed};

/// The value that was given for an option, `name = value`, if it was given.
///
/// Not an `Option` itself: darling would take only those values for one that are expressions, and some types are not.
#[derive(Debug)]
pub(crate) struct Given<T>(pub(crate) Option<T>);

/// What can be given for an option.
pub(crate) trait Value: Parse {
    /// Says what is expected, with an example.
    const EXPECTED: &'static str;
}

/// The type of an aggregate.
#[derive(Clone, Debug)]
pub(crate) struct AggregateType(pub(crate) TypePath);

/// The path of the crate `evercore`.
#[derive(Clone, Debug)]
pub(crate) struct CratePath(pub(crate) Path);

/// A number of 32 bits without a sign, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) value: u32,
    pub(crate) span: Span,
}

/// Several texts: `["a", "b"]`.
#[derive(Clone, Debug)]
pub(crate) struct Texts(pub(crate) Vec<LitStr>);

/// The name of a codec, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codec {
    pub(crate) kind: CodecKind,
    pub(crate) span: Span,
}

/// Which codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodecKind {
    Json,
    Cbor,
    MessagePack,
    Protobuf,
}

/// Whether an option is there that takes no value.
#[derive(Debug, Default)]
pub(crate) struct Word(pub(crate) bool);

impl<T> Default for Given<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl FromMeta for Word {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        match meta {
            Meta::Path(_) => Ok(Self(true)),
            Meta::List(list) => Err(takes_no_value(list.tokens.to_token_stream())),
            Meta::NameValue(pair) => Err(takes_no_value(pair.value.to_token_stream())),
        }
    }

    fn from_invalid_expr(pair: &MetaNameValueInvalidExpr) -> darling::Result<Self> {
        Err(takes_no_value(pair.value.clone()))
    }
}

impl<T: Value> FromMeta for Given<T> {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        match meta {
            Meta::NameValue(pair) => parse(pair.value.to_token_stream()),
            Meta::Path(_) | Meta::List(_) => Err(expected::<T>(meta.path().to_token_stream())),
        }
    }

    fn from_invalid_expr(pair: &MetaNameValueInvalidExpr) -> darling::Result<Self> {
        if pair.value.is_empty() {
            return Err(expected::<T>(pair.path.to_token_stream()));
        }
        parse(pair.value.clone())
    }
}

impl Value for LitStr {
    const EXPECTED: &'static str = "expected a text, as in `name = \"money-deposited\"`";
}

impl Value for AggregateType {
    const EXPECTED: &'static str =
        "expected the aggregate's type, as in `aggregate = Account` or `aggregate = bank::Account`";
}

impl Parse for AggregateType {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.parse().map(Self)
    }
}

impl Value for CratePath {
    const EXPECTED: &'static str =
        "expected the path of the crate `evercore`, as in `crate = \"my_facade::evercore\"`";
}

impl Parse for CratePath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = match input.parse::<Option<LitStr>>()? {
            Some(text) => text.parse_with(Path::parse_mod_style)?,
            None => input.call(Path::parse_mod_style)?,
        };
        Ok(Self(path))
    }
}

impl Value for Number {
    const EXPECTED: &'static str = "expected a whole number below 4294967296, as in `version = 2`";
}

impl Parse for Number {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let literal: LitInt = input.parse()?;
        Ok(Self { value: literal.base10_parse()?, span: literal.span() })
    }
}

impl Value for Texts {
    const EXPECTED: &'static str =
        "expected texts in brackets, as in `aliases = [\"Deposited\", \"deposit\"]`";
}

impl Parse for Texts {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        bracketed!(content in input);
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
        Ok(Self(texts.into_iter().collect()))
    }
}

impl Value for Codec {
    const EXPECTED: &'static str = "expected one of the codecs `json`, `cbor`, `messagepack` and `protobuf`, as in `codec = cbor`";
}

impl Parse for Codec {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: Ident = input.parse()?;
        let kind = match &*name.to_string() {
            "json" => CodecKind::Json,
            "cbor" => CodecKind::Cbor,
            "messagepack" => CodecKind::MessagePack,
            "protobuf" => CodecKind::Protobuf,
            _ => return Err(syn::Error::new(name.span(), Self::EXPECTED)),
        };
        Ok(Self { kind, span: name.span() })
    }
}

fn parse<T: Value>(tokens: TokenStream) -> darling::Result<Given<T>> {
    syn::parse2(tokens.clone()).map(Some).map(Given).map_err(|_| expected::<T>(tokens))
}

fn takes_no_value(found: TokenStream) -> darling::Error {
    darling::Error::custom("this option is a word alone, without a value").with_span(&found)
}

fn expected<T: Value>(found: TokenStream) -> darling::Error {
    darling::Error::custom(T::EXPECTED).with_span(&found)
}
