//! Computes a fingerprint of the shape of a state.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Field, Fields};

/// Returns a number that changes when the shape of the state does: the names, order and types of its fields and
/// variants, and their serde options. Comments, line breaks and the type's own name do not change it.
///
/// It must be the same in every build, so it is a hash by [FNV-1a](http://www.isthe.com/chongo/tech/comp/fnv/) over
/// tokens, and not by a hasher of the standard library over text that a compiler formats.
pub(crate) fn fingerprint(item: &DeriveInput, version: u32) -> u64 {
    let mut hash = Fnv1a::new();
    hash.write(&version.to_le_bytes());
    hash.serde(&item.attrs);
    match &item.data {
        Data::Struct(data) => {
            hash.token("struct");
            hash.fields(&data.fields);
        }
        Data::Enum(data) => {
            hash.token("enum");
            for variant in &data.variants {
                hash.serde(&variant.attrs);
                hash.token(&variant.ident.unraw().to_string());
                hash.fields(&variant.fields);
            }
        }
        Data::Union(_) => {}
    }
    hash.finish()
}

/// FNV-1a with 64 bits.
pub(super) struct Fnv1a(u64);

impl Fnv1a {
    pub(super) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(super) const fn finish(&self) -> u64 {
        self.0
    }

    /// Writes a token and a terminator that no token contains.
    fn token(&mut self, text: &str) {
        self.write(text.as_bytes());
        self.write(&[0]);
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for tree in tokens {
            match tree {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        // Invisible delimiters come from another macro that passed the tokens on.
                        Delimiter::None => {
                            self.tokens(group.stream());
                            continue;
                        }
                    };
                    self.token(open);
                    self.tokens(group.stream());
                    self.token(close);
                }
                // Written one by one: whether two of them are adjacent is a matter of layout.
                TokenTree::Punct(punct) => self.token(punct.as_char().encode_utf8(&mut [0; 4])),
                // A later edition may require the raw form.
                TokenTree::Ident(ident) => self.token(&ident.unraw().to_string()),
                TokenTree::Literal(literal) => self.token(&literal.to_string()),
            }
        }
    }

    fn serde(&mut self, attrs: &[Attribute]) {
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            self.tokens(attr.meta.to_token_stream());
        }
    }

    fn fields(&mut self, fields: &Fields) {
        let kind = match fields {
            Fields::Named(_) => "{",
            Fields::Unnamed(_) => "(",
            Fields::Unit => ";",
        };
        self.token(kind);
        for Field { attrs, ident, ty, .. } in fields {
            self.serde(attrs);
            self.tokens(ident.to_token_stream());
            self.token(":");
            self.tokens(ty.to_token_stream());
            self.token(",");
        }
    }
}
