//! The needs of a method that a model lacks, with the backends that offer them.
//!
//! Core also rejects such a pair, but knows only one model. A host knows every backend, so callers with a host check
//! here, before the first image is read.

use scorecam_core::{Abilities, Error, MethodInfo, Result};
use scorecam_plugin::backend::ImportedLoader;

use crate::{Host, Model};

impl Host {
    /// An error if `model` lacks an ability that `method` needs. It names the other backends that offer it, and
    /// searches for plugins if none is known.
    pub fn check_needs(&self, method: &MethodInfo, model: &Model) -> Result<()> {
        let lacking = method.needs.without(model.info().abilities);
        if lacking == Abilities::NONE {
            return Ok(());
        }
        let (own, others) = self.backends_with(lacking, model.backend_id());
        // A backend that could says so of itself; then it is the model that cannot.
        let but = if own { format!(" for {}", model.name()) } else { String::new() };
        let others = match others.is_empty() {
            true => "no other available backend offers it".to_owned(),
            false => format!("backends that offer it: {}", others.join(", ")),
        };
        Err(Error::unsupported(format!(
            "method {:?} needs {lacking}, which backend {:?} does not offer{but}; {others}",
            method.id,
            model.backend_id()
        )))
    }

    /// Whether backend `own` offers the abilities, and the other backends that do, with their files.
    fn backends_with(&self, abilities: Abilities, own: &str) -> (bool, Vec<String>) {
        let having =
            || self.backends().into_iter().filter(|b| abilities.without(b.abilities()) == Abilities::NONE);
        let named = |b: &ImportedLoader| format!("{} (.{})", b.id(), b.extensions().join(", ."));
        let others = || having().filter(|b| b.id() != own).map(|b| named(&b)).collect::<Vec<_>>();
        let found = self.find_or_search(|| Some(others()).filter(|o| !o.is_empty()));
        (having().any(|b| b.id() == own), found.unwrap_or_default())
    }
}
