//! Parses the values of options.

use darling::FromMeta;
use darling::ast::MetaNameValueInvalidExpr;
use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Expr, Ident, LitInt, LitStr, Meta, Path, Token, TypePath, bracketed, parenthesized, token,
};

/// The value that was given for an option, `name = value`, if it was given.
///
/// It is not an `Option` itself: for that, darling would accept only values that are expressions, and some types are
/// not.
#[derive(Debug)]
pub(crate) struct Given<T>(pub(crate) Option<T>);

/// The list that was given for an option, `name(…)`, if it was given.
#[derive(Debug)]
pub(crate) struct Listed<T>(pub(crate) Option<T>);

/// A value that an option can take.
pub(crate) trait Value: Parse {
    /// The expected form, with an example.
    const EXPECTED: &'static str;
}

/// The type of an aggregate.
#[derive(Clone, Debug)]
pub(crate) struct AggregateType(pub(crate) TypePath);

/// The path of the crate `evercore`.
#[derive(Clone, Debug)]
pub(crate) struct CratePath(pub(crate) Path);

/// An unsigned 32-bit number, and its place.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) value: u32,
    pub(crate) span: Span,
}

/// Several texts: `["a", "b"]`.
#[derive(Clone, Debug)]
pub(crate) struct Texts(pub(crate) Vec<LitStr>);

/// The older shapes of an event, the oldest first: `[DepositedV1, raw(name_the_amount)]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct OlderShapes(pub(crate) Vec<Older>);

/// An older shape of an event.
#[derive(Clone, Debug)]
pub(crate) enum Older {
    /// A shape that has a type.
    Typed(TypePath),
    /// A shape that has no type any more, with the function that converts its JSON to the next shape.
    Raw { upcast: Box<Expr> },
}

/// Several events: `[MoneyWithdrawn, FeeCharged]`.
#[derive(Clone, Debug)]
pub(crate) struct Events(pub(crate) Vec<TypePath>);

/// The treatment of events that the program does not know.
#[derive(Clone, Debug)]
pub(crate) enum UnknownEvents {
    Fail,
    Skip,
    HandTo(Box<Expr>),
}

/// The name of a codec, and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codec {
    pub(crate) kind: CodecKind,
    pub(crate) span: Span,
}

/// A codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodecKind {
    Json,
    Cbor,
    MessagePack,
    Protobuf,
}

/// Whether an option without a value is given.
#[derive(Debug, Default)]
pub(crate) struct Word(pub(crate) bool);

impl<T> Default for Given<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Value> FromMeta for Listed<T> {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        match meta {
            // An error about nothing would be shown at the whole attribute.
            Meta::List(list) if list.tokens.is_empty() => {
                Err(expected::<T>(list.path.to_token_stream()))
            }
            Meta::List(list) => {
                let Given(list) = parse(list.tokens.clone())?;
                Ok(Self(list))
            }
            Meta::Path(_) | Meta::NameValue(_) => Err(expected::<T>(meta.path().to_token_stream())),
        }
    }

    fn from_invalid_expr(pair: &MetaNameValueInvalidExpr) -> darling::Result<Self> {
        Err(expected::<T>(pair.path.to_token_stream()))
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
    const EXPECTED: &'static str = "expected a string, as in `name = \"money-deposited\"`";
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
        "expected strings in brackets, as in `aliases = [\"Deposited\", \"deposit\"]`";
}

impl Parse for Texts {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        bracketed!(content in input);
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
        Ok(Self(texts.into_iter().collect()))
    }
}

impl Value for OlderShapes {
    const EXPECTED: &'static str = "expected the older shapes in brackets, the oldest first: types, and `raw(…)` for shapes that no longer have a type, as in `upcast_from = [DepositedV1, raw(name_the_amount)]`";
}

impl Parse for OlderShapes {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        bracketed!(content in input);
        let shapes = Punctuated::<Older, Token![,]>::parse_terminated(&content)?;
        Ok(Self(shapes.into_iter().collect()))
    }
}

impl Parse for Older {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let is_raw = input.fork().parse::<Ident>().is_ok_and(|ident| ident == "raw");
        if is_raw && input.peek2(token::Paren) {
            let _: Ident = input.parse()?;
            let content;
            parenthesized!(content in input);
            let upcast = content.parse()?;
            return if content.is_empty() {
                Ok(Self::Raw { upcast })
            } else {
                Err(content.error(""))
            };
        }
        input.parse().map(Self::Typed)
    }
}

impl Older {
    /// Returns its place in the list.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Typed(path) => path.span(),
            Self::Raw { upcast } => upcast.span(),
        }
    }
}

impl Value for Events {
    const EXPECTED: &'static str =
        "expected events in brackets, as in `into = [MoneyWithdrawn, FeeCharged]`";
}

impl Parse for Events {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let content;
        bracketed!(content in input);
        let events = Punctuated::<TypePath, Token![,]>::parse_terminated(&content)?;
        Ok(Self(events.into_iter().collect()))
    }
}

impl Value for UnknownEvents {
    const EXPECTED: &'static str = "expected `fail`, `skip`, or `hand_to(…)` with a `fn(&mut Self, &RecordedEvent)`, as in `unknown_events = hand_to(Account::note)`";
}

impl Parse for UnknownEvents {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let word: Ident = input.parse()?;
        if word == "fail" {
            Ok(Self::Fail)
        } else if word == "skip" {
            Ok(Self::Skip)
        } else if word == "hand_to" {
            let content;
            parenthesized!(content in input);
            content.parse().map(Self::HandTo)
        } else {
            Err(syn::Error::new(word.span(), Self::EXPECTED))
        }
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
    darling::Error::custom("this option takes no value").with_span(&found)
}

fn expected<T: Value>(found: TokenStream) -> darling::Error {
    darling::Error::custom(T::EXPECTED).with_span(&found)
}
