//! The customers, and what they do.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::{Story, order_number};
use crate::cancel::{CancelOrder, Reason};
use crate::mail::{About, SendMail};
use crate::order::Status;
use crate::pay::PayOrder;
use crate::place::{PlaceOrder, Terms};

const PRICE: u64 = 700;

pub(super) struct Customer {
    pub(super) name: &'static str,
    mail: &'static str,
    quantity: u32,
    then: Then,
    /// The end of the order.
    pub(super) ends: Status,
    /// The mails that are certain to be sent.
    pub(super) gets: &'static [About],
}

/// The behaviour of a customer after an order is placed.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Pay,
    PayWhenReminded,
    Forget,
    Withdraw,
}

pub(super) static CUSTOMERS: [Customer; 7] = [
    Customer {
        name: "Ada",
        mail: "ada@example.com",
        quantity: 2,
        then: Then::Pay,
        ends: Status::Shipped,
        gets: &[],
    },
    Customer {
        name: "Bob",
        mail: "bob@busy.example",
        quantity: 3,
        then: Then::PayWhenReminded,
        ends: Status::Shipped,
        gets: &[About::Reminder],
    },
    Customer {
        name: "Cleo",
        mail: "cleo@example.com",
        quantity: 1,
        then: Then::Forget,
        ends: Status::Cancelled,
        gets: &[About::Reminder, About::Cancelled],
    },
    // More than a parcel holds.
    Customer {
        name: "Dora",
        mail: "dora@example.com",
        quantity: 25,
        then: Then::Pay,
        ends: Status::Refunded,
        gets: &[About::Refunded],
    },
    // More than there is.
    Customer {
        name: "Eve",
        mail: "eve@example.com",
        quantity: 90,
        then: Then::Forget,
        ends: Status::Cancelled,
        gets: &[About::Cancelled],
    },
    Customer {
        name: "Finn",
        mail: "finn@example.com",
        quantity: 1,
        then: Then::Withdraw,
        ends: Status::Cancelled,
        gets: &[About::Cancelled],
    },
    Customer {
        name: "Gus",
        mail: "gus@nowhere.example",
        quantity: 1,
        then: Then::Forget,
        ends: Status::Cancelled,
        gets: &[About::Reminder, About::Cancelled],
    },
];

/// Has all customers do what they do.
pub(super) async fn act(story: &Story, run: &str, sku: &str) -> anyhow::Result<()> {
    let acts = CUSTOMERS.iter().enumerate().map(|(number, customer)| {
        let order = order_number(run, number);
        customer.act(story, order, sku)
    });
    try_join_all(acts).await.map(drop)
}

impl Customer {
    async fn act(&self, story: &Story, order: String, sku: &str) -> anyhow::Result<()> {
        let total = u64::from(self.quantity) * PRICE;
        let place = PlaceOrder {
            order: order.clone(),
            customer: self.mail.to_owned(),
            sku: sku.to_owned(),
            quantity: self.quantity,
            total,
            terms: self.terms(story.day),
        };
        story.store.dispatch(place).await?;
        match self.then {
            Then::Forget => return Ok(()),
            Then::Withdraw => {
                let cancel = CancelOrder { order, reason: Reason::Withdrawn };
                story.store.dispatch(cancel).await?;
                return Ok(());
            }
            Then::Pay => {}
            Then::PayWhenReminded => {
                story.outbox.wait_for(&self.mail(&order, About::Reminder)).await;
            }
        }
        story.store.dispatch(PayOrder { order, amount: total }).await?;
        Ok(())
    }

    pub(super) fn mail(&self, order: &str, about: About) -> SendMail {
        SendMail { to: self.mail.to_owned(), order: order.to_owned(), about }
    }

    pub(super) fn can_be_reached(&self) -> bool {
        !self.mail.ends_with("@nowhere.example")
    }

    /// Customers who pay have agreed on terms that are long enough on the slowest computer.
    fn terms(&self, day: Duration) -> Terms {
        let usual = Terms::in_days_of(day);
        match self.then {
            Then::Pay | Then::PayWhenReminded => Terms { cancel_after: 90 * day, ..usual },
            Then::Forget | Then::Withdraw => usual,
        }
    }
}
