//! Tests the expansions of the macros, as formatted Rust. `UPDATE_EXPECT=1 cargo test -p evercore-derive` updates them.

mod evolution;

use expect_test::{Expect, expect};
use proc_macro2::TokenStream;
use quote::quote;

use crate::{aggregate, boundary, command, event, retired_event, state_event, task};

fn check(expansion: TokenStream, expected: Expect) {
    let file = syn::parse2(expansion).expect("an expansion is Rust");
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn an_aggregate_without_options() {
    check(
        aggregate::derive(quote! {
            struct Account { balance: i64 }
        }),
        expect![[r##"
            #[automatically_derived]
            impl ::evercore::Aggregate for Account {
                const NAME: &'static ::evercore::__private::core::primitive::str = "Account";
                const CLONE: ::evercore::__private::core::option::Option<fn(&Self) -> Self> = {
                    use ::evercore::__private::WithoutClone as _;
                    ::evercore::__private::Copying::<Self>::CLONE
                };
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::AggregateType::of:: < Account > ()
                }
            };
        "##]],
    );
}

#[test]
fn an_aggregate_with_all_options() {
    check(
        aggregate::derive(quote! {
            #[aggregate(name = "account", snapshot_every = 100,)]
            #[aggregate(snapshot_version = 2, crate = "facade::evercore")]
            struct Account { balance: i64 }
        }),
        expect![[r##"
            #[automatically_derived]
            impl facade::evercore::Aggregate for Account {
                const NAME: &'static facade::evercore::__private::core::primitive::str = "account";
                const SNAPSHOTS: facade::evercore::__private::core::option::Option<
                    facade::evercore::SnapshotPolicy<Self>,
                > = facade::evercore::__private::core::option::Option::Some(
                    facade::evercore::__private::snapshots::<
                        Account,
                    >(100u32, 17936386212721918796u64),
                );
                const CLONE: facade::evercore::__private::core::option::Option<fn(&Self) -> Self> = {
                    use facade::evercore::__private::WithoutClone as _;
                    facade::evercore::__private::Copying::<Self>::CLONE
                };
            }
            const _: () = {
                facade::evercore::__private::inventory::submit! {
                    facade::evercore::registry::AggregateType::of:: < Account > ()
                }
            };
        "##]],
    );
}

#[test]
fn an_aggregate_that_is_rejected() {
    check(
        aggregate::derive(quote! {
            #[aggregate(name = "")]
            struct Account<'a, T> where T: Clone { owner: &'a T }
        }),
        expect![[r#"
            ::core::compile_error! {
                "an aggregate cannot be generic: its stored name stands for exactly one type"
            }
            ::core::compile_error! {
                "a stored name cannot be empty"
            }
            #[automatically_derived]
            impl<'a, T> ::evercore::Aggregate for Account<'a, T>
            where
                Self: ::evercore::__private::core::default::Default
                    + ::evercore::__private::core::marker::Send
                    + ::evercore::__private::core::marker::Sync + 'static,
                T: Clone,
            {
                const NAME: &'static ::evercore::__private::core::primitive::str = "";
            }
        "#]],
    );
}

#[test]
fn an_event_without_options() {
    check(
        event::attribute(
            quote!(aggregate = Account),
            quote! {
                /// Money came in.
                #[derive(Clone)]
                pub(crate) struct MoneyDeposited { amount: i64 }
            },
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            /// Money came in.
            #[derive(Clone)]
            pub(crate) struct MoneyDeposited {
                amount: i64,
            }
            #[automatically_derived]
            impl ::evercore::Event for MoneyDeposited {
                type Aggregate = Account;
                const NAME: &'static ::evercore::__private::core::primitive::str = "MoneyDeposited";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("amount", "i64")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < MoneyDeposited > ()
                }
            };
        "##]],
    );
}

#[test]
fn an_event_with_all_options_and_derives_of_its_own() {
    check(
        event::attribute(
            quote! {
                aggregate = bank::Account,
                name = "money-moved",
                version = 3,
                aliases = ["MoneyMoved", "moved"],
                crate = "facade::evercore",
            },
            quote! {
                #[derive(Debug, serde::Serialize)]
                #[serde(tag = "kind")]
                enum MoneyMoved { In { amount: i64 }, Out { amount: i64 } }
            },
        ),
        expect![[r##"
            #[derive(facade::evercore::__private::serde::Deserialize)]
            #[serde(crate = "facade::evercore::__private::serde")]
            #[derive(Debug, serde::Serialize)]
            #[serde(tag = "kind")]
            enum MoneyMoved {
                In { amount: i64 },
                Out { amount: i64 },
            }
            #[automatically_derived]
            impl facade::evercore::Event for MoneyMoved {
                type Aggregate = bank::Account;
                const NAME: &'static facade::evercore::__private::core::primitive::str = "money-moved";
                const VERSION: facade::evercore::__private::core::primitive::u32 = 3u32;
                const ALIASES: &'static [&'static facade::evercore::__private::core::primitive::str] = &[
                    "MoneyMoved",
                    "moved",
                ];
                const SHAPE: facade::evercore::__private::core::option::Option<
                    facade::evercore::evolution::Shape,
                > = facade::evercore::__private::core::option::Option::Some(
                    facade::evercore::evolution::Shape::new(
                        &[
                            ("#[serde(tag = \"kind\")]", ""),
                            ("In {}", ""),
                            ("In.amount", "i64"),
                            ("Out {}", ""),
                            ("Out.amount", "i64"),
                        ],
                    ),
                );
                const ENCODING: facade::evercore::format::Encoding<Self> = facade::evercore::format::Encoding::serde();
            }
            const _: () = {
                facade::evercore::__private::inventory::submit! {
                    facade::evercore::registry::EventType::of:: < MoneyMoved > ()
                }
            };
        "##]],
    );
}

#[test]
fn an_event_that_leaves_serde_to_the_item() {
    check(
        event::attribute(
            quote!(aggregate = Account),
            quote! {
                #[derive(serde::Serialize, serde::Deserialize)]
                struct Closed;
            },
        ),
        expect![[r##"
            #[derive(serde::Serialize, serde::Deserialize)]
            struct Closed;
            #[automatically_derived]
            impl ::evercore::Event for Closed {
                type Aggregate = Account;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Closed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("()", "")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < Closed > ()
                }
            };
        "##]],
    );
}

#[test]
fn an_event_with_its_own_serde_path() {
    check(
        event::attribute(
            quote!(aggregate = Account),
            quote! {
                #[derive(facade::Serialize)]
                #[serde(crate = "facade::serde")]
                struct Closed;
            },
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Deserialize)]
            #[derive(facade::Serialize)]
            #[serde(crate = "facade::serde")]
            struct Closed;
            #[automatically_derived]
            impl ::evercore::Event for Closed {
                type Aggregate = Account;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Closed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("()", "")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < Closed > ()
                }
            };
        "##]],
    );
}

#[test]
fn an_event_with_a_codec_of_its_own() {
    check(
        event::attribute(
            quote!(aggregate = Account, codec = cbor),
            quote!(
                struct Closed;
            ),
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct Closed;
            #[automatically_derived]
            impl ::evercore::Event for Closed {
                type Aggregate = Account;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Closed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("()", "")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde()
                    .codec(::evercore::Codec::Cbor);
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < Closed > ()
                }
            };
        "##]],
    );
}

#[test]
fn a_message_of_protocol_buffers() {
    check(
        event::attribute(
            quote!(aggregate = Account, codec = protobuf),
            quote!(
                #[derive(Clone, PartialEq, prost::Message)]
                struct Closed {
                    #[prost(string, optional, tag = "1")]
                    reason: Option<String>,
                }
            ),
        ),
        expect![[r##"
            #[derive(Clone, PartialEq, prost::Message)]
            struct Closed {
                #[prost(string, optional, tag = "1")]
                reason: Option<String>,
            }
            #[automatically_derived]
            impl ::evercore::Event for Closed {
                type Aggregate = Account;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Closed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(
                        &[("reason", "Option<String> #[prost(string, optional, tag = \"1\")]")],
                    ),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::__private::protobuf({
                    use ::evercore::__private::WithoutSerde as _;
                    ::evercore::__private::Serde::<Self>::ENCODING
                });
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < Closed > ()
                }
            };
        "##]],
    );
}

#[test]
fn an_event_that_is_rejected() {
    check(
        event::attribute(
            quote!(version = 0),
            quote!(
                struct Closed(#[state(skip)] String);
            ),
        ),
        expect![[r#"
            ::core::compile_error! {
                "`#[state(…)]` goes on the fields of a `#[state_event]`; an `#[event]` changes the state by its `Apply`"
            }
            ::core::compile_error! {
                "`#[event]` needs the aggregate of the event: `aggregate = …`; an event that belongs to none needs tags, as in `tags(course)`"
            }
            ::core::compile_error! {
                "versions start at 1"
            }
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct Closed(String);
            #[automatically_derived]
            impl ::evercore::Event for Closed {
                type Aggregate = ::evercore::__private::UnknownAggregate;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Closed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 0u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("0", "String")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
        "#]],
    );
}

#[test]
fn a_state_event() {
    check(
        state_event::attribute(
            quote!(aggregate = Account),
            quote! {
                struct Changed {
                    owner: String,
                    r#type: Option<u8>,
                    /// Clears with `Some(None)`.
                    limit: Option<Option<i64>>,
                    #[serde(default, rename = "memo")]
                    note: std::option::Option<Option<String>>,
                    #[serde(with = "my_own")]
                    opened: Option<Option<Date>>,
                    #[cfg(feature = "branches")]
                    branch: u32,
                    #[state(skip)]
                    reason: String,
                }
            },
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            #[serde(
                bound(
                    serialize = "for<'__field> Option < u8 >: ::evercore::__private::FieldType<'__field>",
                    deserialize = "for<'__field> Option < u8 >: ::evercore::__private::FieldType<'__field>"
                )
            )]
            struct Changed {
                owner: String,
                r#type: Option<u8>,
                /// Clears with `Some(None)`.
                #[serde(with = "::evercore::__private::double_option")]
                #[serde(default)]
                #[serde(
                    skip_serializing_if = "::evercore::__private::core::option::Option::is_none"
                )]
                limit: Option<Option<i64>>,
                #[serde(default, rename = "memo")]
                #[serde(with = "::evercore::__private::double_option")]
                #[serde(
                    skip_serializing_if = "::evercore::__private::core::option::Option::is_none"
                )]
                note: std::option::Option<Option<String>>,
                #[serde(with = "my_own")]
                opened: Option<Option<Date>>,
                #[cfg(feature = "branches")]
                branch: u32,
                reason: String,
            }
            #[automatically_derived]
            impl ::evercore::Event for Changed {
                type Aggregate = Account;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Changed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(
                        &[
                            ("owner", "String"),
                            ("type", "Option<u8>"),
                            ("limit", "Option<Option<i64>>"),
                            ("memo", "std::option::Option<Option<String>> #[serde(default)]"),
                            ("opened", "Option<Option<Date>> #[serde(with = \"my_own\")]"),
                            #[cfg(feature = "branches")]
                            ("branch", "u32"),
                            ("reason", "String"),
                        ],
                    ),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < Changed > ()
                }
            };
            #[automatically_derived]
            impl ::evercore::Apply<Changed> for Account {
                fn apply(&mut self, __event: &Changed, _: &::evercore::EventMeta) {
                    ::evercore::__private::set(&__event.owner, &mut self.owner);
                    if let ::evercore::__private::core::option::Option::Some(__value) = &__event
                        .r#type
                    {
                        ::evercore::__private::set(__value, &mut self.r#type);
                    }
                    if let ::evercore::__private::core::option::Option::Some(__value) = &__event
                        .limit
                    {
                        ::evercore::__private::set(__value, &mut self.limit);
                    }
                    if let ::evercore::__private::core::option::Option::Some(__value) = &__event.note
                    {
                        ::evercore::__private::set(__value, &mut self.note);
                    }
                    if let ::evercore::__private::core::option::Option::Some(__value) = &__event
                        .opened
                    {
                        ::evercore::__private::set(__value, &mut self.opened);
                    }
                    #[cfg(feature = "branches")]
                    ::evercore::__private::set(&__event.branch, &mut self.branch);
                }
            }
        "##]],
    );
}

#[test]
fn a_state_event_that_is_rejected() {
    check(
        state_event::attribute(
            quote!(aggregate = Account, nmae = "changed"),
            quote! {
                struct Changed { #[state(skipp)] owner: String }
            },
        ),
        expect![[r#"
            ::core::compile_error! {
                "there is no option `nmae`; did you mean `name`?"
            }
            ::core::compile_error! {
                "there is no option `skipp`; did you mean `skip`?"
            }
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct Changed {
                owner: String,
            }
            #[automatically_derived]
            impl ::evercore::Event for Changed {
                type Aggregate = Account;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Changed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("owner", "String")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            #[automatically_derived]
            impl ::evercore::Apply<Changed> for Account {
                fn apply(&mut self, __event: &Changed, _: &::evercore::EventMeta) {}
            }
        "#]],
    );
}

/// Expansions of all kinds, with the crate under another path.
fn elsewhere() -> [TokenStream; 16] {
    let of = quote!(aggregate = Account, crate = "some::path");
    [
        boundary::derive(quote! {
            #[boundary(key(course: String, room: u32), events(Planned), crate = "some::path")]
            struct Seats;
        }),
        boundary::derive(quote! {
            #[boundary(key(course: String), crate = "some::path")]
            struct Seats;
        }),
        command::attribute(
            quote!(aggregate = Account, target = key_or_new(iban), crate = some::path),
            quote!(
                struct Deposit {
                    iban: String,
                }
            ),
        ),
        event::attribute(
            quote!(tags(course), crate = some::path),
            quote!(
                struct Planned {
                    course: String,
                }
            ),
        ),
        aggregate::derive(quote! {
            #[aggregate(snapshot_every = 1, crate = "some::path")]
            struct Account;
        }),
        aggregate::derive(quote! {
            #[aggregate(name = "", crate = "some::path")]
            struct Account<T>(T);
        }),
        event::attribute(
            of.clone(),
            quote!(
                struct Closed;
            ),
        ),
        event::attribute(
            quote!(
                aggregate = Account,
                version = 3,
                upcast_from = [V1, raw(v2)],
                crate = some::path
            ),
            quote!(
                struct Closed;
            ),
        ),
        retired_event::attribute(
            quote!(aggregate = Account, into = [Closed], crate = some::path),
            quote!(
                struct Shut;
            ),
        ),
        event::attribute(
            quote!(aggregate = Account, codec = messagepack, crate = some::path),
            quote!(
                struct Closed;
            ),
        ),
        event::attribute(
            quote!(aggregate = Account, codec = protobuf, crate = some::path),
            quote!(
                struct Closed;
            ),
        ),
        event::attribute(
            quote!(version = 0, crate = some::path),
            quote!(
                struct Closed;
            ),
        ),
        state_event::attribute(
            of.clone(),
            quote!(
                struct Changed {
                    limit: Option<Option<i64>>,
                }
            ),
        ),
        state_event::attribute(
            of,
            quote!(
                struct Changed(i64);
            ),
        ),
        task::attribute(
            quote!(queue = "mail", version = 2, upcast_from = [V1], crate = some::path),
            quote!(
                struct SendReceipt {
                    order: u32,
                }
            ),
        ),
        task::attribute(
            quote!(queue = "", crate = some::path),
            quote!(
                struct SendReceipt;
            ),
        ),
    ]
}

#[test]
fn a_boundary() {
    check(
        boundary::derive(quote! {
            #[boundary(key(course: String, "room-number" = room: u32), events(Planned(course), Moved))]
            pub struct Seats { taken: u32 }
        }),
        expect![[r#"
            const _: () = ::evercore::__private::require_tag::<
                Planned,
            >(
                "course",
                "`Planned` has no tag `course`, by which `Seats` finds it; declare it with `#[event(tags(course))]`, or name the tags of the key that `Planned` has: `events(Planned(…))`",
            );
            const _: () = ::evercore::__private::require_tag::<
                Moved,
            >(
                "course",
                "`Moved` has no tag `course`, by which `Seats` finds it; declare it with `#[event(tags(course))]`, or name the tags of the key that `Moved` has: `events(Moved(…))`",
            );
            const _: () = ::evercore::__private::require_tag::<
                Moved,
            >(
                "room-number",
                "`Moved` has no tag `room-number`, by which `Seats` finds it; declare it with `#[event(tags(\"room-number\" = …))]`, or name the tags of the key that `Moved` has: `events(Moved(…))`",
            );
            #[automatically_derived]
            impl ::evercore::boundary::Boundary for Seats {
                const NAME: &'static ::evercore::__private::core::primitive::str = "Seats";
                const EVENTS: &'static [::evercore::boundary::BoundaryEvent<Self>] = &[
                    ::evercore::__private::boundary_event::<Self, Planned>(&["course"]),
                    ::evercore::__private::boundary_event::<Self, Moved>(&["course", "room-number"]),
                ];
            }
            impl Seats {
                ///Makes the key of a [`Seats`] from the values of its tags.
                pub fn of(
                    course: impl ::evercore::__private::core::convert::AsRef<
                        ::evercore::__private::core::primitive::str,
                    >,
                    room: impl ::evercore::__private::core::borrow::Borrow<u32>,
                ) -> ::evercore::boundary::BoundaryKey<Self> {
                    ::evercore::boundary::BoundaryKey::new([
                        ::evercore::__private::tag(
                            "course",
                            ::evercore::__private::core::convert::AsRef::<
                                ::evercore::__private::core::primitive::str,
                            >::as_ref(&course),
                        ),
                        ::evercore::__private::tag(
                            "room-number",
                            ::evercore::__private::core::borrow::Borrow::<u32>::borrow(&room),
                        ),
                    ])
                }
            }
        "#]],
    );
}

#[test]
fn a_boundary_that_is_rejected() {
    check(
        boundary::derive(quote! {
            #[boundary(key(course: String))]
            struct Seats { taken: u32 }
        }),
        expect![[r#"
            ::core::compile_error! {
                "a boundary needs `#[boundary(events(CourseDefined, StudentSubscribed))]`"
            }
            #[automatically_derived]
            impl ::evercore::boundary::Boundary for Seats {
                const NAME: &'static ::evercore::__private::core::primitive::str = "Seats";
                const EVENTS: &'static [::evercore::boundary::BoundaryEvent<Self>] = &[];
            }
            impl Seats {
                ///Makes the key of a [`Seats`] from the values of its tags.
                fn of(
                    course: impl ::evercore::__private::core::convert::AsRef<
                        ::evercore::__private::core::primitive::str,
                    >,
                ) -> ::evercore::boundary::BoundaryKey<Self> {
                    ::evercore::boundary::BoundaryKey::new([
                        ::evercore::__private::tag(
                            "course",
                            ::evercore::__private::core::convert::AsRef::<
                                ::evercore::__private::core::primitive::str,
                            >::as_ref(&course),
                        ),
                    ])
                }
            }
        "#]],
    );
}

#[test]
fn an_event_with_tags() {
    check(
        event::attribute(
            quote!(tags(to, "gift-card" = card)),
            quote! {
                enum Packed {
                    Sent {
                        to: Vec<u32>,
                        #[cfg(cards)]
                        card: Option<String>,
                    },
                    #[cfg(shops)]
                    Fetched { to: u32 },
                    Lost,
                }
            },
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            #[serde(
                bound(
                    serialize = "for<'__field> Vec < u32 >: ::evercore::__private::FieldType<'__field>",
                    deserialize = "for<'__field> Vec < u32 >: ::evercore::__private::FieldType<'__field>"
                )
            )]
            enum Packed {
                Sent { to: Vec<u32>, #[cfg(cards)] card: Option<String> },
                #[cfg(shops)]
                Fetched { to: u32 },
                Lost,
            }
            #[automatically_derived]
            impl ::evercore::Event for Packed {
                type Aggregate = ::evercore::boundary::Facts;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Packed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(
                        &[
                            ("Sent {}", ""),
                            ("Sent.to", "Vec<u32>"),
                            #[cfg(cards)]
                            ("Sent.card", "Option<String>"),
                            #[cfg(shops)]
                            ("Fetched {}", ""),
                            #[cfg(shops)]
                            ("Fetched.to", "u32"),
                            ("Lost", ""),
                        ],
                    ),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
                const TAGS: &'static [::evercore::boundary::TagName] = &[
                    ::evercore::boundary::TagName::many("to"),
                    #[cfg(cards)]
                    ::evercore::boundary::TagName::optional("gift-card"),
                ];
                fn tags(&self) -> ::evercore::Result<::evercore::boundary::Tags> {
                    let __tags = &mut ::evercore::__private::TagList::default();
                    match self {
                        Self::Sent { to: __value, .. } => {
                            __tags.many("to", __value);
                        }
                        #[cfg(shops)]
                        Self::Fetched { to: __value, .. } => {
                            __tags.one("to", __value);
                        }
                        Self::Lost { .. } => {}
                    }
                    match self {
                        Self::Sent { #[cfg(cards)] card: __value, .. } => {
                            #[cfg(cards)] __tags.optional("gift-card", __value);
                        }
                        #[cfg(shops)]
                        Self::Fetched { .. } => {}
                        Self::Lost { .. } => {}
                    }
                    __tags.finish()
                }
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < Packed > ()
                }
            };
        "##]],
    );
}

#[test]
fn a_task() {
    check(
        task::attribute(
            quote!(queue = "mail", name = "send-receipt"),
            quote!(
                struct SendReceipt {
                    order: u32,
                }
            ),
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct SendReceipt {
                order: u32,
            }
            #[automatically_derived]
            impl ::evercore::Event for SendReceipt {
                type Aggregate = ::evercore::task::TaskBodies;
                const NAME: &'static ::evercore::__private::core::primitive::str = "send-receipt";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("order", "u32")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < SendReceipt > ()
                }
            };
            #[automatically_derived]
            impl ::evercore::task::TaskBody for SendReceipt {
                const QUEUE: &'static ::evercore::__private::core::primitive::str = "mail";
            }
        "##]],
    );
}

#[test]
fn a_task_with_a_mistake_still_stands_in() {
    check(
        task::attribute(
            quote!(name = "send-receipt"),
            quote!(
                struct SendReceipt {
                    order: u32,
                }
            ),
        ),
        expect![[r#"
            ::core::compile_error! {
                "`#[task]` needs the queue of the task: `queue = \"…\"`"
            }
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct SendReceipt {
                order: u32,
            }
            #[automatically_derived]
            impl ::evercore::Event for SendReceipt {
                type Aggregate = ::evercore::task::TaskBodies;
                const NAME: &'static ::evercore::__private::core::primitive::str = "send-receipt";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("order", "u32")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            #[automatically_derived]
            impl ::evercore::task::TaskBody for SendReceipt {
                const QUEUE: &'static ::evercore::__private::core::primitive::str = "";
            }
        "#]],
    );
}

#[test]
fn a_command() {
    check(
        command::attribute(
            quote!(aggregate = Account, target = account, name = "withdraw"),
            quote!(
                struct Withdraw {
                    account: String,
                }
            ),
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct Withdraw {
                account: String,
            }
            #[automatically_derived]
            impl ::evercore::Event for Withdraw {
                type Aggregate = ::evercore::task::TaskBodies;
                const NAME: &'static ::evercore::__private::core::primitive::str = "withdraw";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("account", "String")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < Withdraw > ()
                }
            };
            #[automatically_derived]
            impl ::evercore::task::TaskBody for Withdraw {
                const QUEUE: &'static ::evercore::__private::core::primitive::str = "commands";
            }
            #[automatically_derived]
            impl ::evercore::command::Command for Withdraw {
                type Aggregate = Account;
                fn target(&self) -> ::evercore::Result<::evercore::Target> {
                    ::evercore::__private::target(&self.account)
                }
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::command::CommandType::of:: < Withdraw > ()
                }
            };
        "##]],
    );
}

#[test]
fn commands_that_create() {
    for (target, expected) in [
        (quote!(new()), "Ok(::evercore::Target::New)"),
        (quote!(new_with_key(0)), "::evercore::__private::new_with_key(&self.0)"),
        (quote!(key_or_new(0)), "::evercore::__private::key_or_new(&self.0)"),
    ] {
        let item = quote!(
            struct Open(String);
        );
        let expansion = command::attribute(quote!(aggregate = Account, target = #target), item);
        let text = expansion.to_string().replace(' ', "");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_command_with_a_mistake_still_stands_in() {
    check(
        command::attribute(
            quote!(aggregate = Account, target = acount),
            quote!(
                struct Withdraw {
                    account: String,
                }
            ),
        ),
        expect![[r#"
            ::core::compile_error! {
                "`Withdraw` has no field `acount`"
            }
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct Withdraw {
                account: String,
            }
            #[automatically_derived]
            impl ::evercore::Event for Withdraw {
                type Aggregate = ::evercore::task::TaskBodies;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Withdraw";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("account", "String")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            #[automatically_derived]
            impl ::evercore::task::TaskBody for Withdraw {
                const QUEUE: &'static ::evercore::__private::core::primitive::str = "commands";
            }
            #[automatically_derived]
            impl ::evercore::command::Command for Withdraw {
                type Aggregate = Account;
                fn target(&self) -> ::evercore::Result<::evercore::Target> {
                    ::evercore::__private::core::unreachable!()
                }
            }
        "#]],
    );
}

#[test]
fn expansions_use_only_the_given_crate_path() {
    for expansion in elsewhere() {
        let text = expansion.to_string();
        assert!(text.contains("some :: path"), "{text}");
        assert!(!text.contains("evercore"), "{text}");
    }
}

#[test]
fn serde_and_inventory_are_reached_through_the_crate() {
    for expansion in elsewhere() {
        let text = expansion.to_string().replace(' ', "");
        for (at, name) in text.match_indices("serde").chain(text.match_indices("inventory")) {
            let before = &text[..at];
            let ours = ["some::path::__private::", "some::path::format::Encoding::", "#["];
            assert!(ours.iter().any(|ours| before.ends_with(ours)), "{name} after {before}");
        }
    }
}
