//! A member of a hall, with an address and seats that no other member has.

use evercore::boundary::{Tag, TagName, Tags};
use evercore::format::Encoding;
use evercore::unique::{UniqueKey, UniqueValues};
use evercore::{
    Aggregate, AggregateId, Apply, Context, Error, Event, EventMeta, EventStore, Result,
    StateAggregate,
};
use serde::{Deserialize, Serialize};

pub(crate) const EMAIL: &str = "email";
pub(crate) const SEAT: &str = "seat";

#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) email: Option<String>,
    pub(crate) seats: Vec<u32>,
}

/// Sets the address and the seats whatever they were.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) email: Option<String>,
    pub(crate) seats: Vec<u32>,
}

/// Changes no unique value.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Greeted;

impl Aggregate for Member {
    const NAME: &'static str = "member";
    const CLONE: Option<fn(&Self) -> Self> = Some(Self::clone);
    const UNIQUE: Option<UniqueValues<Self>> =
        Some(UniqueValues::new(&[TagName::optional(EMAIL), TagName::many(SEAT)], |member| {
            let email = member.email.iter().map(|email| Tag::new(EMAIL, email));
            let seats = member.seats.iter().map(|seat| Tag::new(SEAT, seat));
            Tags::new(email.chain(seats).collect::<Result<Vec<_>>>()?)
        }));
}

impl Event for Registered {
    type Aggregate = Member;
    const NAME: &'static str = "registered";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Greeted {
    type Aggregate = Member;
    const NAME: &'static str = "greeted";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<Registered> for Member {
    fn apply(&mut self, event: &Registered, _meta: &EventMeta) {
        let Registered { email, seats } = event.clone();
        *self = Self { email, seats };
    }
}

impl Apply<Greeted> for Member {
    fn apply(&mut self, _event: &Greeted, _meta: &EventMeta) {}
}

pub(crate) fn with_email(email: &str) -> Registered {
    Registered { email: Some(email.to_owned()), seats: Vec::new() }
}

pub(crate) fn by_email(email: &str) -> UniqueKey<Member> {
    UniqueKey::new(EMAIL, email)
}

pub(crate) fn by_seat(seat: u32) -> UniqueKey<Member> {
    UniqueKey::new(SEAT, seat)
}

/// Stages a new member.
pub(crate) async fn stage(ctx: &mut Context, registered: Registered) -> Result<AggregateId> {
    let mut member = ctx.create::<Member>().await?;
    ctx.apply(&mut member, registered)?;
    Ok(member.id())
}

pub(crate) async fn create(store: &EventStore, registered: Registered) -> Result<AggregateId> {
    store.with_context(async |ctx| stage(ctx, registered.clone()).await).await
}

/// Gives a member another address and other seats.
pub(crate) async fn change(
    store: &EventStore,
    id: AggregateId,
    registered: Registered,
) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut member: StateAggregate<Member> = ctx.load(id).await?;
            ctx.apply(&mut member, registered.clone())?;
            Ok::<_, Error>(())
        })
        .await
}

pub(crate) async fn find(
    store: &EventStore,
    key: UniqueKey<Member>,
) -> Result<Option<AggregateId>> {
    read!(store, |ctx| {
        Ok(ctx.find_by_unique::<Member>(key.clone()).await?.map(|member| member.id()))
    })
}
