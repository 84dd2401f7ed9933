//! `scorecam.bake/1`, both ways.

pub(crate) mod export;
pub(crate) mod import;
