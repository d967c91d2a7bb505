//! Three generations of one program.

use evercore::{BoxError, EventStore, Registry};
use evercore_memory::MemoryEngine;

/// The first generation.
pub(crate) mod first {
    use evercore::{Aggregate, Apply, EventMeta, event, state_event};

    #[derive(Aggregate, Default)]
    #[aggregate(name = "client")]
    pub(crate) struct Client {
        name: String,
        city: String,
        pub(crate) euros: i64,
    }

    #[state_event(aggregate = Client, name = "changed")]
    pub(crate) struct Changed {
        pub(crate) name: String,
        pub(crate) city: Option<String>,
    }

    #[event(aggregate = Client, name = "deposited")]
    pub(crate) struct Deposited(pub(crate) i64);

    #[event(aggregate = Client, name = "printed")]
    pub(crate) struct Printed {
        pub(crate) pages: u32,
    }

    impl Apply<Deposited> for Client {
        fn apply(&mut self, event: &Deposited, _: &EventMeta) {
            self.euros += event.0;
        }
    }

    impl Apply<Printed> for Client {
        fn apply(&mut self, _: &Printed, _: &EventMeta) {}
    }
}

/// Counts in cents.
pub(crate) mod second {
    use evercore::evolution::Upcast;
    use evercore::{Aggregate, Apply, BoxError, EventMeta, event, state_event};
    use serde::Deserialize;

    #[derive(Aggregate, Default)]
    #[aggregate(name = "client")]
    pub(crate) struct Client {
        name: String,
        city: String,
        pub(crate) cents: i64,
    }

    #[state_event(aggregate = Client, name = "changed")]
    pub(crate) struct Changed {
        pub(crate) name: String,
        pub(crate) city: Option<String>,
    }

    #[event(aggregate = Client, name = "deposited", version = 2, upcast_from = [DepositedV1])]
    pub(crate) struct Deposited {
        pub(crate) cents: i64,
    }

    #[event(aggregate = Client, name = "printed")]
    pub(crate) struct Printed {
        pub(crate) pages: u32,
    }

    #[derive(Deserialize)]
    struct DepositedV1(i64);

    impl Upcast<DepositedV1> for Deposited {
        fn upcast(old: DepositedV1) -> Result<Self, BoxError> {
            Ok(Self { cents: old.0 * 100 })
        }
    }

    impl Apply<Deposited> for Client {
        fn apply(&mut self, event: &Deposited, _: &EventMeta) {
            self.cents += event.cents;
        }
    }

    impl Apply<Printed> for Client {
        fn apply(&mut self, _: &Printed, _: &EventMeta) {}
    }
}

/// Renames clients to customers, has currencies, and splits one event in two.
pub(crate) mod third {
    use evercore::evolution::{Parts, Split, Upcast};
    use evercore::{Aggregate, Apply, BoxError, EventMeta, event, retired_event, state_event};
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    #[derive(Aggregate, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[aggregate(name = "customer", aliases = ["client"], snapshot_every = 3)]
    pub(crate) struct Customer {
        pub(crate) name: String,
        pub(crate) city: String,
        pub(crate) cents: i64,
    }

    #[event(
        aggregate = Customer,
        name = "money-deposited",
        aliases = ["deposited"],
        version = 3,
        upcast_from = [raw(in_cents), DepositedV2],
    )]
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) struct MoneyDeposited {
        pub(crate) cents: i64,
        pub(crate) currency: String,
    }

    #[derive(Deserialize)]
    struct DepositedV2 {
        cents: i64,
    }

    #[state_event(aggregate = Customer, name = "renamed")]
    #[derive(Debug, PartialEq)]
    pub(crate) struct Renamed {
        pub(crate) name: String,
    }

    #[state_event(aggregate = Customer, name = "moved")]
    #[derive(Debug, PartialEq)]
    pub(crate) struct Moved {
        pub(crate) city: String,
    }

    #[retired_event(aggregate = Customer, name = "changed", into = [Renamed, Moved])]
    struct Changed {
        name: String,
        city: Option<String>,
    }

    #[retired_event(aggregate = Customer, name = "printed")]
    struct Printed {
        pages: u32,
    }

    fn in_cents(old: Value) -> Result<Value, BoxError> {
        let euros = old.as_i64().ok_or("the amount is no number")?;
        let cents = euros.checked_mul(100).ok_or("the amount is out of range")?;
        Ok(json!({ "cents": cents }))
    }

    impl Upcast<DepositedV2> for MoneyDeposited {
        fn upcast(old: DepositedV2) -> Result<Self, BoxError> {
            if old.cents == 0 {
                return Err("nothing was deposited".into());
            }
            Ok(Self { cents: old.cents, currency: "EUR".to_owned() })
        }
    }

    impl Split for Changed {
        fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
            if self.name.is_empty() {
                return Err("the name is empty".into());
            }
            parts.push(Renamed { name: self.name });
            if let Some(city) = self.city {
                parts.push(Moved { city });
            }
            Ok(())
        }
    }

    impl Apply<MoneyDeposited> for Customer {
        fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) {
            self.cents += event.cents;
        }
    }

    pub(super) fn registry() -> evercore::Result<evercore::Registry> {
        evercore::Registry::builder()
            .event::<MoneyDeposited>()
            .event::<Renamed>()
            .event::<Moved>()
            .retired::<Changed>()
            .dropped::<Printed>()
            .build()
    }
}

pub(crate) async fn open(
    engine: &MemoryEngine,
    registry: evercore::Result<Registry>,
) -> EventStore {
    let registry = registry.expect("the types of one generation fit each other");
    EventStore::builder().registry(registry).open(engine.clone()).await.expect("memory opens")
}

pub(crate) async fn open_first(engine: &MemoryEngine) -> EventStore {
    let registry = Registry::builder()
        .event::<first::Changed>()
        .event::<first::Deposited>()
        .event::<first::Printed>()
        .build();
    open(engine, registry).await
}

pub(crate) async fn open_second(engine: &MemoryEngine) -> EventStore {
    let registry = Registry::builder()
        .event::<second::Changed>()
        .event::<second::Deposited>()
        .event::<second::Printed>()
        .build();
    open(engine, registry).await
}

pub(crate) async fn open_third(engine: &MemoryEngine) -> EventStore {
    open(engine, third::registry()).await
}

/// Returns the messages of an error and all its causes.
pub(crate) fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

/// Writes Ada's history, a part by each generation.
pub(crate) async fn ada(engine: &MemoryEngine) -> Result<evercore::AggregateId, BoxError> {
    use evercore::Error;
    let (one, two, three) =
        (open_first(engine).await, open_second(engine).await, open_third(engine).await);
    one.with_context(async |ctx| {
        let mut ada = ctx.create_with_key::<first::Client>("ada").await?;
        let (name, city) = ("Ada".to_owned(), Some("London".to_owned()));
        ctx.apply(&mut ada, first::Changed { name, city })?;
        ctx.apply(&mut ada, first::Deposited(1))?;
        ctx.apply(&mut ada, first::Printed { pages: 7 })
    })
    .await?;
    two.with_context(async |ctx| {
        let mut ada = ctx.load_by_key::<second::Client>("ada").await?;
        ctx.apply(&mut ada, second::Deposited { cents: 20 })?;
        let (name, city) = ("Ada Lovelace".to_owned(), None);
        ctx.apply(&mut ada, second::Changed { name, city })
    })
    .await?;
    let id = three
        .with_context(async |ctx| {
            let mut ada = ctx.load_by_key::<third::Customer>("ada").await?;
            let currency = "EUR".to_owned();
            ctx.apply(&mut ada, third::MoneyDeposited { cents: 3, currency })?;
            Ok::<_, Error>(ada.id())
        })
        .await?;
    Ok(id)
}
