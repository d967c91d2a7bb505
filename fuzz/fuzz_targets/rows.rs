#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evercore_fuzz_targets::run("rows", bytes));
