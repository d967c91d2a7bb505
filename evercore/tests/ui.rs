//! Each mistake causes one clear compiler error, at the token that is wrong.

#[test]
fn every_mistake_is_one_error_at_its_token() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
    #[cfg(not(any(feature = "cbor", feature = "protobuf")))]
    cases.compile_fail("tests/ui/without_codecs/*.rs");
    #[cfg(all(feature = "cbor", feature = "protobuf"))]
    {
        cases.compile_fail("tests/ui/with_codecs/*.rs");
        cases.pass("tests/ui/with_codecs/pass/*.rs");
    }
}
