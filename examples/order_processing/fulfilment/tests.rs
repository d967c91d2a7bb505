//! Tests the process in scenarios, in which days pass at once.

use std::time::Duration;

use evercore_testing::ProcessScenario;

use super::*;
use crate::cancel::tests::{cancel, cancelled};
use crate::pack::tests::pack;
use crate::pay::tests::paid;
use crate::place::tests::{ADA, placed};
use crate::refund::tests::{refund, refunded};
use crate::ship::tests::shipped;
use crate::stock::tests::{release, reserve, reserved};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn mail(about: About) -> SendMail {
    SendMail { to: ADA.to_owned(), order: "42".to_owned(), about }
}

fn given_placed() -> ProcessScenario<Fulfilment> {
    ProcessScenario::given([placed()])
}

#[test]
fn a_placed_order_reserves_stock_and_is_to_be_paid_within_three_days() {
    ProcessScenario::<Fulfilment>::new()
        .when(placed())
        .then_sent([reserve(2)])
        .then_deadlines([("remind", DAY), ("give up", 3 * DAY)]);
}

#[test]
fn an_order_is_packed_when_it_is_paid_and_its_stock_is_reserved() {
    given_placed()
        .when(reserved(2))
        .then_sent(())
        .when(paid())
        .then_sent([pack()])
        .then_deadlines([]);
    given_placed().when(paid()).then_sent(()).when(reserved(2)).then_sent([pack()]);
}

#[test]
fn a_shipped_order_has_reached_its_end() {
    given_placed().and([reserved(2)]).and([paid()]).when(shipped()).then_nothing().then_ended();
}

#[test]
fn an_unpaid_order_is_reminded_after_a_day_and_cancelled_after_three() {
    given_placed()
        .and([reserved(2)])
        .when_time_passes(DAY)
        .then_enqueued([mail(About::Reminder)])
        .when_time_passes(DAY)
        .then_nothing()
        .when_time_passes(DAY)
        .then_sent([cancel(Reason::NotPaid)])
        .when(cancelled())
        .then_enqueued([mail(About::Cancelled)])
        .then_sent([release()])
        .then_ended();
}

#[test]
fn a_payment_that_is_faster_than_the_cancellation_counts() {
    given_placed()
        .and([reserved(2)])
        .when_time_passes(3 * DAY)
        .then_sent([cancel(Reason::NotPaid)])
        .when(paid())
        .then_sent([pack()]);
}

#[test]
fn an_order_that_cannot_be_packed_is_refunded() {
    let why = "it does not fit into a parcel";
    given_placed()
        .and([reserved(2)])
        .and([paid()])
        .when_rejected(pack(), why)
        .then_sent([refund(why)])
        .when(refunded())
        .then_enqueued([mail(About::Refunded)])
        .then_sent([release()])
        .then_ended();
}

#[test]
fn an_order_without_stock_is_cancelled() {
    given_placed()
        .when_rejected(reserve(2), "only 1 are available")
        .then_sent([cancel(Reason::OutOfStock)])
        .when(cancelled())
        .then_sent(())
        .then_deadlines([])
        .then_ended();
}

#[test]
fn an_order_without_stock_that_is_paid_is_refunded() {
    let refund = || [refund("it is out of stock")];
    given_placed()
        .and([paid()])
        .when_rejected(reserve(2), "only 1 are available")
        .then_sent(refund());
    // The payment is faster than the cancellation.
    given_placed()
        .when_rejected(reserve(2), "only 1 are available")
        .then_sent([cancel(Reason::OutOfStock)])
        .when(paid())
        .then_sent(refund());
}

#[test]
fn stock_that_is_reserved_after_the_cancellation_is_released() {
    given_placed()
        .when(cancelled())
        .then_enqueued([mail(About::Cancelled)])
        .then_sent(())
        .when(reserved(2))
        .then_sent([release()])
        .then_ended();
}
