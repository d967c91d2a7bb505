//! A guest whose address has become unique: as the older program knows the type, and as the newer one does.

use evercore::boundary::{Tag, TagName, Tags};
use evercore::format::Encoding;
use evercore::unique::{UniqueKey, UniqueValues};
use evercore::{
    Aggregate, AggregateId, Apply, Error, Event, EventMeta, EventStore, Registry, Result,
};
use serde::{Deserialize, Serialize};

use crate::domain::counter;

const NAME: &str = "guest";
const EMAIL: &str = "email";

#[derive(Debug, Default)]
pub(crate) struct OldGuest;

#[derive(Debug, Default)]
pub(crate) struct Guest {
    email: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OldInvited(pub(crate) Option<String>);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invited(pub(crate) Option<String>);

impl Aggregate for OldGuest {
    const NAME: &'static str = NAME;
}

impl Aggregate for Guest {
    const NAME: &'static str = NAME;
    const UNIQUE: Option<UniqueValues<Self>> =
        Some(UniqueValues::new(&[TagName::optional(EMAIL)], |guest| {
            let email = guest.email.as_ref().map(|email| Tag::new(EMAIL, email));
            Tags::new(email.transpose()?)
        }));
}

impl Event for OldInvited {
    type Aggregate = OldGuest;
    const NAME: &'static str = "invited";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Event for Invited {
    type Aggregate = Guest;
    const NAME: &'static str = "invited";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl Apply<OldInvited> for OldGuest {
    fn apply(&mut self, _event: &OldInvited, _meta: &EventMeta) {}
}

impl Apply<Invited> for Guest {
    fn apply(&mut self, event: &Invited, _meta: &EventMeta) {
        self.email.clone_from(&event.0);
    }
}

/// The types of the older program, one of them without values.
pub(crate) fn old_registry() -> Result<Registry> {
    Registry::builder().event::<OldInvited>().event::<counter::Added>().build()
}

pub(crate) fn new_registry() -> Result<Registry> {
    Registry::builder().event::<Invited>().build()
}

pub(crate) fn by_email(email: &str) -> UniqueKey<Guest> {
    UniqueKey::new(EMAIL, email)
}

pub(crate) async fn invite_before(store: &EventStore, email: Option<&str>) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut guest = ctx.create::<OldGuest>().await?;
            ctx.apply(&mut guest, OldInvited(email.map(str::to_owned)))?;
            Ok::<_, Error>(guest.id())
        })
        .await
}

/// Gives a guest another address, by the older program.
pub(crate) async fn change_before(store: &EventStore, id: AggregateId, email: &str) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut guest = ctx.load::<OldGuest>(id).await?;
            ctx.apply(&mut guest, OldInvited(Some(email.to_owned())))
        })
        .await
}

pub(crate) async fn invite(store: &EventStore, email: &str) -> Result<AggregateId> {
    store
        .with_context(async |ctx| {
            let mut guest = ctx.create::<Guest>().await?;
            ctx.apply(&mut guest, Invited(Some(email.to_owned())))?;
            Ok::<_, Error>(guest.id())
        })
        .await
}

pub(crate) async fn change(store: &EventStore, id: AggregateId, email: &str) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut guest = ctx.load::<Guest>(id).await?;
            ctx.apply(&mut guest, Invited(Some(email.to_owned())))
        })
        .await
}

pub(crate) async fn find(store: &EventStore, email: &str) -> Result<Option<AggregateId>> {
    store
        .with_context(async |ctx| {
            Ok(ctx.find_by_unique(by_email(email)).await?.map(|guest| guest.id()))
        })
        .await
}
