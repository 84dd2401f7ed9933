//! A plugin's entry table: `export` makes one from Rust items, `import` reads one.

mod export;
mod import;

pub use export::{Item, descriptor, interface, table};
pub use import::{Descriptor, ImportedPlugin};
