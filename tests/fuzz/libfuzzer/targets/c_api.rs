#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    scorecam_fuzz::c_api::check(bytes);
});
