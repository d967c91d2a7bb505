//! An account as an entity, which holds its events.

use es_entity::*;
use peer_protocol::{Books, Deposit, deposit};
use serde::{Deserialize, Serialize};

es_entity::entity_id! { AccountId }

/// The events of an account.
#[derive(Debug, EsEvent, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[es_event(id = "AccountId")]
pub enum AccountEvent {
    MoneyDeposited(Deposit),
}

#[derive(EsEntity)]
pub struct Account {
    pub id: AccountId,
    pub books: Books,
    events: EntityEvents<AccountEvent>,
}

/// An account that is not stored yet.
pub struct NewAccount {
    pub id: AccountId,
    pub deposits: u64,
}

impl Account {
    /// Makes the next deposit, which is stored by the next update.
    pub(crate) fn deposit(&mut self) {
        let next = self.books.next();
        self.books.take(&next);
        self.events.push(AccountEvent::MoneyDeposited(next));
    }
}

impl IntoEvents<AccountEvent> for NewAccount {
    type IdSource = FromCaller;

    fn into_events(
        self,
        builder: EntityEventsBuilder<AccountEvent, FromCaller>,
    ) -> EntityEvents<AccountEvent> {
        let amounts = 1..=self.deposits.cast_signed();
        builder.initial_events(
            self.id,
            amounts.map(|amount| AccountEvent::MoneyDeposited(deposit(amount))),
        )
    }
}

impl TryFromEvents<AccountEvent> for Account {
    fn try_from_events(events: EntityEvents<AccountEvent>) -> Result<Self, EntityHydrationError> {
        let mut books = Books::default();
        for AccountEvent::MoneyDeposited(deposit) in events.iter_all() {
            books.take(deposit);
        }
        let mut hydrator = Self::hydrator();
        hydrator.id(*events.id()).books(books);
        hydrator.build(events)
    }
}
