//! Target for names: natural keys, subscriptions, and labels of events.

use evercore::limits::{
    MAX_IDEMPOTENCY_KEY_BYTES, MAX_LABEL_BYTES, MAX_NATURAL_KEY_BYTES, MAX_SUBSCRIPTION_NAME_BYTES,
};
use evercore::{EventDraft, EventOptions, IdempotencyKey, Metadata, NaturalKey, SubscriptionName};

use crate::domain::{Account, Moved};

/// The maximum length of an error message, including the part of the name that it repeats.
const MOST_MESSAGE_BYTES: usize = 1_000;

/// A name is accepted unchanged, or refused for a documented reason in a short message.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(bytes) else { return };
    let is_text = |most: usize| !name.is_empty() && name.len() <= most && !name.contains('\0');

    let key = NaturalKey::new(name);
    expect(
        "natural key",
        name,
        is_text(MAX_NATURAL_KEY_BYTES),
        key.as_ref().map(|key| key.as_str()),
    );
    let idempotency = IdempotencyKey::new(name);
    let taken = idempotency.as_ref().map(|key| key.as_str());
    expect("idempotency key", name, is_text(MAX_IDEMPOTENCY_KEY_BYTES), taken);
    let subscription = SubscriptionName::new(name);
    let fits = is_text(MAX_SUBSCRIPTION_NAME_BYTES) && !name.contains(char::is_control);
    expect("subscription", name, fits, subscription.as_ref().map(|name| name.as_str()));

    let said = [
        EventOptions::new().reference(name),
        EventOptions::new().metadata(Metadata::new().correlation(name)),
        EventOptions::new().metadata(Metadata::new().causation(name)),
        EventOptions::new().metadata(Metadata::new().principal(name)),
        EventOptions::new().metadata(Metadata::new().with(name, 1)),
    ];
    for (place, options) in said.into_iter().enumerate() {
        let draft: EventDraft<Account> = Moved::default().into();
        let row = draft.with(options).into_row(Default::default());
        let fits = is_text(MAX_LABEL_BYTES) && (place != 4 || name != "principal");
        expect("label", name, fits, row.as_ref().map(|_| name));
    }
}

fn expect(what: &str, name: &str, fits: bool, found: Result<&str, &evercore::Error>) {
    match found {
        Ok(taken) => assert!(fits && taken == name, "a {what} of {name:?} became {taken:?}"),
        Err(error) => {
            assert!(!fits, "{name:?} is refused as a {what}: {error}");
            let message = error.to_string();
            assert!(message.len() < MOST_MESSAGE_BYTES, "{} bytes", message.len());
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "NL91ABNA0417164300",
        "ada@example.org",
        "Ünïcödé 漢字 🎉",
        "principal",
        "",
        "a\0b",
        "a\nb\u{202e}",
    ]
    .map(|name| name.as_bytes().to_vec())
    .into();
    // At each limit and above it, in characters of one byte and of several.
    for letter in ["x", "é", "🎉"] {
        for limit in [MAX_SUBSCRIPTION_NAME_BYTES, MAX_NATURAL_KEY_BYTES] {
            let count = limit / letter.len();
            seeds.extend([count, count + 1].map(|count| letter.repeat(count).into_bytes()));
        }
    }
    seeds
}
