//! Boundaries, pages and filters find events of types that were renamed, retired or split since.

use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use evercore::boundary::Tag;
use evercore::{Context, Error, EventStore, Position, Received, RecordedEvent, Registry, Router};
use evercore_memory::MemoryEngine;

/// The first program.
mod before {
    use evercore::event;

    #[event(name = "taken", tags(course))]
    pub(crate) struct Taken {
        pub(crate) course: u32,
    }

    #[event(name = "swapped", tags(course))]
    pub(crate) struct Swapped {
        pub(crate) course: u32,
        pub(crate) given: u32,
    }

    #[event(name = "seen", tags(course))]
    pub(crate) struct Seen {
        pub(crate) course: u32,
    }
}

/// The second program. It has renamed `Taken`, split `Swapped`, and dropped `Seen`.
mod after {
    use evercore::boundary::Facts;
    use evercore::evolution::{Parts, Split};
    use evercore::{Apply, Boundary, BoxError, EventMeta, event, retired_event};

    #[event(name = "seat-taken", aliases = ["taken"], tags(course))]
    pub(crate) struct Taken {
        pub(crate) course: u32,
    }

    #[event(name = "seat-given", tags(course))]
    pub(crate) struct Given {
        pub(crate) course: u32,
        pub(crate) seats: u32,
    }

    #[retired_event(aggregate = Facts, name = "swapped", into = [Given, Taken])]
    pub(crate) struct Swapped {
        course: u32,
        given: u32,
    }

    #[retired_event(aggregate = Facts, name = "seen")]
    pub(crate) struct Seen;

    impl Split for Swapped {
        fn split(self, parts: &mut Parts<Self>) -> Result<(), BoxError> {
            let Self { course, given } = self;
            parts.push(Given { course, seats: given });
            parts.push(Taken { course });
            Ok(())
        }
    }

    #[derive(Boundary, Default)]
    #[boundary(key(course: u32), events(Taken, Given))]
    pub(crate) struct Seats {
        pub(crate) taken: u32,
        pub(crate) given: u32,
    }

    impl Apply<Taken> for Seats {
        fn apply(&mut self, _: &Taken, _: &EventMeta) {
            self.taken += 1;
        }
    }

    impl Apply<Given> for Seats {
        fn apply(&mut self, event: &Given, _: &EventMeta) {
            self.given += event.seats;
        }
    }
}

async fn stores() -> Result<(EventStore, EventStore), Error> {
    let engine = Arc::new(MemoryEngine::new());
    let old = Registry::builder()
        .event::<before::Taken>()
        .event::<before::Swapped>()
        .event::<before::Seen>()
        .build()?;
    let old = EventStore::builder().registry(old).open_shared(engine.clone()).await?;
    old.with_context(async |ctx| {
        ctx.emit(before::Taken { course: 1 })?;
        ctx.emit(before::Swapped { course: 1, given: 7 })?;
        ctx.emit(before::Taken { course: 2 })?;
        ctx.emit(before::Seen { course: 1 })
    })
    .await?;
    let new = Registry::builder()
        .event::<after::Taken>()
        .event::<after::Given>()
        .retired::<after::Swapped>()
        .dropped::<after::Seen>()
        .build()?;
    let new = EventStore::builder().registry(new).open_shared(engine).await?;
    Ok((old, new))
}

#[tokio::test]
async fn a_boundary_finds_events_of_renamed_and_retired_types() -> Result<(), Error> {
    let (old, new) = stores().await?;
    let attempts = AtomicU32::new(0);
    let found = new.with_context(async |ctx| {
        let seats = ctx.read(after::Seats::of(1)).await?;
        if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            let swapped =
                async |ctx: &mut Context| ctx.emit(before::Swapped { course: 1, given: 1 });
            old.with_context(swapped).await?;
        }
        ctx.emit(after::Given { course: 1, seats: 1 })?;
        Ok::<_, Error>((seats.taken, seats.given))
    });
    assert_eq!(found.await?, (3, 8), "an event of a retired type is a conflict as well");
    assert_eq!(attempts.into_inner(), 2);
    Ok(())
}

#[tokio::test]
async fn pages_and_filters_by_tags_pass_events_of_renamed_and_retired_types() -> Result<(), Error> {
    let (_, new) = stores().await?;
    let course = Tag::new("course", 1)?;
    let page = new.read_tagged(slice::from_ref(&course), Position::START).await?;
    let names: Vec<_> = page.events.iter().map(RecordedEvent::event_type).collect();
    assert_eq!(names, ["taken", "swapped"], "nothing reads a dropped event");

    let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
    let (taken, given) = (Arc::clone(&seen), Arc::clone(&seen));
    let router = Router::new()
        .on(async move |event: Received<after::Taken>| {
            taken.lock().expect("no thread panics").push(event.course);
            Ok::<_, Error>(())
        })
        .on(async move |event: Received<after::Given>| {
            given.lock().expect("no thread panics").push(event.seats);
            Ok::<_, Error>(())
        });
    let worker = new.subscription("seats").tag(course).spawn(router)?;
    new.wait_until_idle("seats").await?;
    worker.shutdown().await?;
    assert_eq!(*seen.lock().expect("no thread panics"), [1, 7, 1]);
    Ok(())
}
