//! What the `scorecam` program makes of files that are not its own.
//!
//! The program proper is `main`. This much of it is a library, because what reads foreign bytes is tested by
//! itself, on bytes that no program ever wrote.

pub mod input;
