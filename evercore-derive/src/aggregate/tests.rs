//! Tests the fingerprints of aggregates.

use proc_macro2::TokenStream;
use quote::quote;

use super::fingerprint::fingerprint;

fn of(item: TokenStream) -> u64 {
    fingerprint(&syn::parse2(item).expect("an item"), 1)
}

/// Computes the fingerprint of source text, with the layout and comments that `quote!` does not keep.
fn of_text(item: &str) -> u64 {
    fingerprint(&syn::parse_str(item).expect("an item"), 1)
}

fn account() -> TokenStream {
    quote! {
        struct Account { owner: String, limits: Vec<Option<i64>> }
    }
}

#[test]
fn the_fingerprint_is_the_same_in_every_build() {
    // Existing snapshots carry this number. A change would invalidate all of them.
    assert_eq!(of(account()), 0x29b0_18c7_3427_4636);
}

#[test]
fn layout_and_comments_leave_the_fingerprint_unchanged() {
    let text = "
        /// Whose it is.
        pub(crate) struct Account {
            /// The owner.
            pub owner:String, // by name
            limits: Vec < Option< i64 >>,
        }";
    assert_eq!(of_text(text), of(account()));
}

#[test]
fn unstored_names_and_attributes_leave_the_fingerprint_unchanged() {
    let renamed = quote! {
        #[aggregate(name = "bank-account")]
        struct BankAccount { owner: String, #[allow(dead_code)] limits: Vec<Option<i64>> }
    };
    assert_eq!(of(renamed), of(account()));
}

#[test]
fn every_part_of_the_shape_changes_it() {
    let mut shapes = vec![
        ("as it was", of(account())),
        ("another version", fingerprint(&syn::parse2(account()).expect("an item"), 2)),
    ];
    let others = [
        (
            "another name",
            quote!(
                struct A {
                    holder: String,
                    limits: Vec<Option<i64>>,
                }
            ),
        ),
        (
            "another type",
            quote!(
                struct A {
                    owner: Text,
                    limits: Vec<Option<i64>>,
                }
            ),
        ),
        (
            "another parameter",
            quote!(
                struct A {
                    owner: String,
                    limits: Vec<Option<u64>>,
                }
            ),
        ),
        (
            "another nesting",
            quote!(
                struct A {
                    owner: String,
                    limits: Option<Vec<i64>>,
                }
            ),
        ),
        (
            "another order",
            quote!(
                struct A {
                    limits: Vec<Option<i64>>,
                    owner: String,
                }
            ),
        ),
        (
            "one less",
            quote!(
                struct A {
                    owner: String,
                }
            ),
        ),
        (
            "one more",
            quote!(
                struct A {
                    owner: String,
                    limits: Vec<Option<i64>>,
                    open: bool,
                }
            ),
        ),
        (
            "a tuple",
            quote!(
                struct A(String, Vec<Option<i64>>);
            ),
        ),
        (
            "a unit",
            quote!(
                struct A;
            ),
        ),
        (
            "no fields",
            quote!(
                struct A {}
            ),
        ),
        (
            "serde on a field",
            quote! {
                struct A { #[serde(rename = "who")] owner: String, limits: Vec<Option<i64>> }
            },
        ),
        (
            "serde on another field",
            quote! {
                struct A { owner: String, #[serde(rename = "who")] limits: Vec<Option<i64>> }
            },
        ),
        (
            "serde on the type",
            quote! {
                #[serde(rename_all = "camelCase")]
                struct A { owner: String, limits: Vec<Option<i64>> }
            },
        ),
        (
            "variants",
            quote!(
                enum A {
                    Open { owner: String },
                    Closed,
                }
            ),
        ),
        (
            "variants in another order",
            quote!(
                enum A {
                    Closed,
                    Open { owner: String },
                }
            ),
        ),
        (
            "a variant's fields",
            quote!(
                enum A {
                    Open { owner: Text },
                    Closed,
                }
            ),
        ),
        (
            "a variant's kind",
            quote!(
                enum A {
                    Open(String),
                    Closed,
                }
            ),
        ),
        (
            "a variant's serde",
            quote!(
                enum A {
                    Open {
                        owner: String,
                    },
                    #[serde(other)]
                    Closed,
                }
            ),
        ),
    ];
    shapes.extend(others.map(|(what, item)| (what, of(item))));
    for (index, (what, fingerprint)) in shapes.iter().enumerate() {
        for (other, another) in &shapes[..index] {
            assert_ne!(fingerprint, another, "{what} and {other}");
        }
    }
}

/// The published test vectors of FNV-1a: <http://www.isthe.com/chongo/src/fnv/test_fnv.c>.
#[test]
fn the_hash_is_fnv_1a() {
    for (text, expected) in [
        ("", 0xcbf2_9ce4_8422_2325),
        ("a", 0xaf63_dc4c_8601_ec8c),
        ("foobar", 0x8594_4171_f739_67e8),
    ] {
        let mut hash = super::fingerprint::Fnv1a::new();
        hash.write(text.as_bytes());
        assert_eq!(hash.finish(), expected, "{text}");
    }
}
