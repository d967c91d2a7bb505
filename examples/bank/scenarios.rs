//! Tests the bank's rules with scenarios: `cargo test -p evercore-examples --test bank`.

mod domain;

use std::panic::catch_unwind;

use evercore_testing::{Scenario, assert_catalogue};
use expect_test::expect;

use domain::{
    Account, AccountClosed, AccountOpened, BankError, Close, Deposit, MoneyDeposited,
    MoneyWithdrawn, Open, Withdraw,
};

fn opened() -> AccountOpened {
    AccountOpened { owner: "Ada".into(), balance: 0 }
}

fn deposited(amount: i64) -> MoneyDeposited {
    MoneyDeposited { amount }
}

#[test]
fn an_account_is_opened_empty_and_once() {
    Scenario::<Account>::new()
        .when(Open { owner: "Ada".into() })
        .then([opened()])
        .when(Open { owner: "Grace".into() })
        .then_rejected(BankError::AlreadyOpen)
        .then_state(|account| assert_eq!(account.owner, "Ada"));
}

#[test]
fn money_that_is_there_can_be_withdrawn() {
    Scenario::<Account>::given((opened(), deposited(100)))
        .when(Withdraw { amount: 30 })
        .then([MoneyWithdrawn { amount: 30 }])
        .when(Withdraw { amount: 70 })
        .then([MoneyWithdrawn { amount: 70 }])
        .then_state(|account| assert_eq!(account.balance, 0));
}

#[test]
fn a_withdrawal_above_the_balance_is_refused() {
    Scenario::<Account>::given((opened(), deposited(50)))
        .when(Withdraw { amount: 51 })
        .then_rejected(BankError::InsufficientFunds {
            owner: "Ada".into(),
            balance: 50,
            amount: 51,
        })
        .then_state(|account| assert_eq!(account.balance, 50));
}

#[test]
fn only_amounts_above_zero_are_moved() {
    Scenario::<Account>::given([opened()])
        .when(Deposit { amount: 0 })
        .then_rejected(BankError::NoAmount(0))
        .when(Withdraw { amount: -5 })
        .then_rejected(BankError::NoAmount(-5));
}

#[test]
fn a_closed_account_has_paid_out_what_was_left() {
    Scenario::<Account>::given((opened(), deposited(20)))
        .when(Close)
        .then((MoneyWithdrawn { amount: 20 }, AccountClosed))
        .then_state(|account| assert_eq!((account.balance, account.is_closed), (0, true)));
}

#[test]
fn a_closed_account_stays_closed() {
    Scenario::<Account>::given((opened(), AccountClosed))
        .when(Deposit { amount: 10 })
        .then_rejected(BankError::Closed)
        .when(Close)
        .then_nothing();
}

#[test]
fn rules_hold_from_a_snapshot_on() {
    let account = Account { owner: "Ada".into(), balance: 500, is_closed: false };
    Scenario::given_snapshot(300, account)
        .and([MoneyWithdrawn { amount: 450 }])
        .when(Withdraw { amount: 60 })
        .then_rejected_as(|error| {
            assert!(matches!(error, BankError::InsufficientFunds { balance: 50, .. }));
        });
}

#[test]
fn a_wrong_expectation_names_the_event_and_the_field() {
    let wrong = catch_unwind(|| {
        Scenario::<Account>::given((opened(), deposited(100)))
            .when(Withdraw { amount: 20 })
            .then([MoneyWithdrawn { amount: 30 }]);
    });
    let said = wrong.expect_err("20 is not 30");
    expect![[r#"
        Withdraw: the events are not the expected ones

          money-withdrawn: amount: expected 30, got 20
    "#]]
    .assert_eq(said.downcast_ref::<String>().expect("a message"));
}

#[test]
fn released_events_keep_their_shape() {
    assert_catalogue!("bank/events.lock");
}
