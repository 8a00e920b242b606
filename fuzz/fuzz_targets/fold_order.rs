#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| handle_audit::fold_order(data));
