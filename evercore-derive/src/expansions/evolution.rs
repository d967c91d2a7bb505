//! Tests the expansions of older shapes, aliases and retired events.

use expect_test::expect;
use quote::quote;

use super::check;
use crate::{aggregate, event, retired_event};

#[test]
fn an_aggregate_with_aliases_and_unknown_events() {
    check(
        aggregate::derive(quote! {
            #[aggregate(name = "customer", aliases = ["client"], unknown_events = hand_to(Self::note))]
            struct Customer;
        }),
        expect![[r##"
            #[automatically_derived]
            impl ::evercore::Aggregate for Customer {
                const NAME: &'static ::evercore::__private::core::primitive::str = "customer";
                const ALIASES: &'static [&'static ::evercore::__private::core::primitive::str] = &[
                    "client",
                ];
                const CLONE: ::evercore::__private::core::option::Option<fn(&Self) -> Self> = {
                    use ::evercore::__private::WithoutClone as _;
                    ::evercore::__private::Copying::<Self>::CLONE
                };
                const UNKNOWN_EVENTS: ::evercore::evolution::UnknownEvents<Self> = ::evercore::evolution::UnknownEvents::HandTo(
                    Self::note,
                );
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::AggregateType::of:: < Customer > ()
                }
            };
        "##]],
    );
}

#[test]
fn an_event_with_older_shapes() {
    check(
        event::attribute(
            quote! {
                aggregate = Account,
                version = 5,
                oldest_version = 2,
                upcast_from = [raw(in_cents), DepositedV3, raw(|json| Ok(json))],
            },
            quote! {
                struct Deposited { cents: i64 }
            },
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Serialize)]
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct Deposited {
                cents: i64,
            }
            #[automatically_derived]
            impl ::evercore::Event for Deposited {
                type Aggregate = Account;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Deposited";
                const VERSION: ::evercore::__private::core::primitive::u32 = 5u32;
                const OLDEST_VERSION: ::evercore::__private::core::primitive::u32 = 2u32;
                const UPCASTERS: &'static [::evercore::evolution::Upcaster] = &[
                    ::evercore::evolution::Upcaster::raw(in_cents),
                    ::evercore::__private::upcaster::<
                        DepositedV3,
                        ::evercore::__private::serde_json::Value,
                    >(),
                    ::evercore::evolution::Upcaster::raw(|json| Ok(json)),
                ];
                const SHAPE: ::evercore::__private::core::option::Option<
                    ::evercore::evolution::Shape,
                > = ::evercore::__private::core::option::Option::Some(
                    ::evercore::evolution::Shape::new(&[("cents", "i64")]),
                );
                const ENCODING: ::evercore::format::Encoding<Self> = ::evercore::format::Encoding::serde();
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::EventType::of:: < Deposited > ()
                }
            };
        "##]],
    );
}

#[test]
fn a_retired_event_that_is_split() {
    check(
        retired_event::attribute(
            quote!(aggregate = Customer, name = "changed", into = [Renamed, address::Moved]),
            quote! {
                struct Changed { name: String, city: Option<Option<String>> }
            },
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            struct Changed {
                name: String,
                #[serde(with = "::evercore::__private::double_option")]
                #[serde(default)]
                #[serde(
                    skip_serializing_if = "::evercore::__private::core::option::Option::is_none"
                )]
                city: Option<Option<String>>,
            }
            #[automatically_derived]
            impl ::evercore::evolution::RetiredEvent for Changed {
                type Aggregate = Customer;
                const NAME: &'static ::evercore::__private::core::primitive::str = "changed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 1u32;
                const INTO: &'static [::evercore::registry::EventType] = &[
                    ::evercore::__private::part::<Changed, Renamed>(),
                    ::evercore::__private::part::<Changed, address::Moved>(),
                ];
            }
            #[automatically_derived]
            impl ::evercore::evolution::SplitInto<Renamed> for Changed {}
            #[automatically_derived]
            impl ::evercore::evolution::SplitInto<address::Moved> for Changed {}
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::RetiredType::split:: < Changed > ()
                }
            };
        "##]],
    );
}

#[test]
fn a_retired_event_that_is_dropped() {
    check(
        retired_event::attribute(
            quote!(aggregate = Customer, version = 2, aliases = ["Print"]),
            quote! {
                struct Printed { pages: u32 }
            },
        ),
        expect![[r##"
            #[derive(::evercore::__private::serde::Deserialize)]
            #[serde(crate = "::evercore::__private::serde")]
            #[allow(dead_code)]
            struct Printed {
                pages: u32,
            }
            #[automatically_derived]
            impl ::evercore::evolution::RetiredEvent for Printed {
                type Aggregate = Customer;
                const NAME: &'static ::evercore::__private::core::primitive::str = "Printed";
                const VERSION: ::evercore::__private::core::primitive::u32 = 2u32;
                const ALIASES: &'static [&'static ::evercore::__private::core::primitive::str] = &[
                    "Print",
                ];
            }
            const _: () = {
                ::evercore::__private::inventory::submit! {
                    ::evercore::registry::RetiredType::dropped:: < Printed > ()
                }
            };
        "##]],
    );
}

#[test]
fn a_retired_event_that_is_rejected() {
    check(
        retired_event::attribute(
            quote!(into = [Renamed, Renamed], crate = "some::path"),
            quote! {
                struct Changed { name: String }
            },
        ),
        expect![[r#"
            ::core::compile_error! {
                "`#[retired_event]` needs the aggregate of the event: `aggregate = …`"
            }
            ::core::compile_error! {
                "this event is given twice"
            }
            #[derive(some::path::__private::serde::Deserialize)]
            #[serde(crate = "some::path::__private::serde")]
            struct Changed {
                name: String,
            }
            #[automatically_derived]
            impl some::path::evolution::RetiredEvent for Changed {
                type Aggregate = <Renamed as some::path::Event>::Aggregate;
                const NAME: &'static some::path::__private::core::primitive::str = "Changed";
                const VERSION: some::path::__private::core::primitive::u32 = 1u32;
                const INTO: &'static [some::path::registry::EventType] = &[
                    some::path::__private::part::<Changed, Renamed>(),
                ];
            }
            #[automatically_derived]
            impl some::path::evolution::SplitInto<Renamed> for Changed {}
        "#]],
    );
}
