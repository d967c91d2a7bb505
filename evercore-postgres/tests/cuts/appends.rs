//! Cuts the commit of a context: a single statement, which commits by itself.

use evercore::{Error, Expected, Stream};

use crate::proxy::{Cut, Passed, Side};
use crate::{Counted, Counter, Outcomes, Tapped, cuts};

impl Tapped {
    pub(crate) async fn append(&self, number: i64) -> Result<(), Error> {
        let events = [Counted { number }];
        let stream = Stream::Id(self.counter);
        self.store.append::<Counter, _>(stream, Expected::Any, events).await.map(|_| ())
    }

    /// Returns the bytes that pass for an append on a warm connection.
    async fn passes_for_an_append(&self, number: i64) -> Passed {
        self.append(number).await.expect("nothing is cut");
        self.proxy.disarm();
        self.append(number + 1).await.expect("nothing is cut");
        self.proxy.passed()
    }

    /// Appends a number, and repeats the append until it is acknowledged.
    async fn append_through(&self, cut: Cut, number: i64, outcomes: &mut Outcomes) {
        self.proxy.arm(cut);
        match self.append(number).await {
            Ok(()) => outcomes.landed += 1,
            Err(Error::Unavailable { .. }) => {
                outcomes.refused += 1;
                self.append(number).await.expect("it connects anew");
            }
            Err(error) => panic!("{cut:?}: {error:?}"),
        }
        assert!(!self.proxy.disarm(), "{cut:?} was made");
    }
}

#[tokio::test]
async fn an_append_that_is_cut_anywhere_lands_once() {
    let mut tapped = Tapped::new("cuts_append").await;
    let passed = tapped.passes_for_an_append(1).await;
    let mut number = 2;
    let mut outcomes = Outcomes::default();
    for cut in cuts(passed) {
        tapped.append_through(cut, number + 1, &mut outcomes).await;
        // Warms up the new connection.
        tapped.append(number + 2).await.expect("nothing is cut");
        number += 2;
    }
    println!("{passed:?}: {outcomes:?}");
    // A commit that the server has received completely is stored, unless the store asks for its outcome first.
    assert!(outcomes.landed == passed.answer || outcomes.landed == passed.answer + 1);
    assert!(outcomes.refused >= passed.request);
    let landed = tapped.landed(number).await;
    assert!(landed.iter().all(|times| *times == 1), "each number once: {landed:?}");
}

#[tokio::test]
async fn a_store_that_does_not_know_what_has_landed_is_caught() {
    let mut tapped = Tapped::new("cuts_forgetful").await;
    tapped.forget_commits().await;
    tapped.append(1).await.expect("nothing is cut");
    let mut outcomes = Outcomes::default();
    tapped.append_through(Cut { side: Side::Answer, after: 0 }, 2, &mut outcomes).await;
    assert_eq!(tapped.landed(2).await, [1, 1, 2], "the control: it was made again");
}
