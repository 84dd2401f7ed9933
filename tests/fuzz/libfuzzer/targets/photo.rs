#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    scorecam_fuzz::photo::check(bytes);
});
