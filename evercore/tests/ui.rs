//! Each mistake causes one clear compiler error, at the token that is wrong.
//!
//! Programs without a mistake are in `tests/programs`: with one of them here, trybuild would build all dependencies, and
//! the cases one by one, where it now checks all cases together.

#[test]
fn every_mistake_is_one_error_at_its_token() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    #[cfg(not(any(feature = "cbor", feature = "protobuf")))]
    cases.compile_fail("tests/ui/without_codecs/*.rs");
    #[cfg(all(feature = "cbor", feature = "protobuf"))]
    cases.compile_fail("tests/ui/with_codecs/*.rs");
}
