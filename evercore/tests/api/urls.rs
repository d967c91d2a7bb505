//! The engine that a URL selects.

use evercore::{Error, EventStore};

#[tokio::test]
async fn a_scheme_that_no_engine_answers_to_is_named() {
    let refused = EventStore::connect("mysql://app:hunter2@localhost/bank").await;
    let error = refused.expect_err("there is no such engine");
    assert!(matches!(&error, Error::UnknownScheme { scheme, .. } if scheme == "mysql"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

/// For a scheme without an engine in evercore, no crate can be recommended.
#[test]
fn only_an_engine_that_there_is_is_recommended() {
    let advice = |scheme: &str| {
        let linked = "linked: none".to_owned();
        Error::UnknownScheme { scheme: scheme.to_owned(), linked }.to_string()
    };
    for (scheme, engine) in [
        ("memory", "evercore_memory"),
        ("sqlite", "evercore_sqlite"),
        ("postgres", "evercore_postgres"),
        ("postgresql", "evercore_postgres"),
    ] {
        assert!(advice(scheme).contains(&format!("`use {engine} as _;`")), "{}", advice(scheme));
        let package = engine.replace('_', "-");
        assert!(advice(scheme).contains(&format!("`cargo add {package}`")), "{}", advice(scheme));
    }
    for scheme in ["sqlit", "mysql"] {
        let advice = advice(scheme);
        assert!(!advice.contains("evercore_"), "{advice}");
        assert!(advice.contains("`sqlite:`") && advice.contains("`postgres:`"), "{advice}");
    }
}

/// The text before the colon may be a password.
#[tokio::test]
async fn a_url_without_a_scheme_is_not_repeated() {
    for url in
        ["hunter2@localhost:5432/bank", "//app:hunter2@localhost/bank", ":hunter2", "hunter2", ""]
    {
        let error = EventStore::connect(url).await.expect_err("it has no scheme");
        assert!(matches!(error, Error::InvalidUrl { .. }), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}
