//! What the compiler says of each mistake: one clear error, at the token that is wrong.

use trybuild::TestCases;

#[test]
fn every_mistake_is_one_error_at_its_token() {
    let cases = TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

/// Together with the other crates this one has all codecs, and alone none of those that are features.
#[test]
fn every_mistake_about_codecs_is_one_error_at_its_token() {
    let cases = TestCases::new();
    if cfg!(all(feature = "cbor", feature = "protobuf")) {
        cases.compile_fail("tests/ui/with_codecs/*.rs");
        cases.pass("tests/ui/with_codecs/pass/*.rs");
    } else if cfg!(not(any(feature = "cbor", feature = "protobuf"))) {
        cases.compile_fail("tests/ui/without_codecs/*.rs");
    }
}
