//! libscorecam: the C API, described for its users in `include/scorecam.h`, which is generated from here.
//!
//! There is one file for each C object ([`host`], [`model`], [`image`], [`explanation`]) and for calls that need a page
//! ([`many`], [`classify`], [`overlay`], [`located`]). The
//! idioms that need care live once each: `handles` (a handle is a number that is looked up, never a pointer
//! that is followed), `export` (the only way out: panics, statuses, the last error) and `read` (strings,
//! arrays and structs of the caller). A function reads its arguments, calls `scorecam` or
//! `scorecam_core`, and writes its result; nothing is computed here.
//!
//! Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]
#![allow(
    clippy::missing_safety_doc,
    reason = "callers promise the same for all functions: the header's first lines say it"
)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("handles hold a kind, a generation and an index in 64 bits: build for a 64-bit target");

mod export;
mod handles;
#[cfg(test)]
mod layout;
mod read;

// In the order of an object's life, which is that of the header.
pub mod host;

pub mod model;

pub mod image;

pub mod explanation;

pub mod many;

pub mod classify;

pub mod overlay;

pub mod located;

pub mod version;
