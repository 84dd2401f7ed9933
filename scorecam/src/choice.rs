//! `backend = "auto"`: the choice among several backends for a model, and its reason.
//!
//! The candidates are the backends that load files with this extension. Plugins that the caller loaded by path take
//! precedence: the folders are searched only if none of their backends is ready. Ready backends are tried by rank, the
//! highest first, and at equal rank in order of registration. If none is ready, all are tried, because a setting may
//! name the missing part.
//!
//! If a backend cannot load the model, the next one is tried, and the reason is kept. But an error in the request
//! itself (a setting, a name) ends the search: another backend might interpret it differently, unnoticed by the caller.

use std::path::Path;
use std::sync::Arc;

use scorecam_core::{Error, ErrorKind, ModelConfig, Readiness, Result};
use scorecam_plugin::AUTO;
use scorecam_plugin::backend::{ImportedLoader, ImportedModel};

use crate::Host;

/// A backend and its readiness on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendHere {
    /// Its id.
    pub id: String,
    /// The extensions of its models' files, without dots.
    pub extensions: Vec<String>,
    /// Its device, or the missing part.
    pub readiness: Result<Readiness>,
}

/// The reason for the choice among several backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendChoice {
    reason: String,
    noteworthy: bool,
}

impl BackendChoice {
    /// One line that starts with the backend's id: "onnx-cpu on the CPU, since onnx-cuda is not ready: no driver".
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether to report the choice to the user: another backend failed to load the model, or one is not ready and the
    /// user explicitly requested the best one.
    pub fn is_noteworthy(&self) -> bool {
        self.noteworthy
    }
}

impl Host {
    /// Every backend in loading order with its readiness on this machine, on `device` if given.
    pub fn backends_here(&self, device: Option<&str>) -> Vec<BackendHere> {
        self.backends().iter().map(|b| here(b, device)).collect()
    }

    /// The backends for a file extension, in the order in which they are tried on `device`.
    pub fn backends_for(&self, extension: &str, device: Option<&str>) -> Vec<BackendHere> {
        self.candidates(extension, device).into_iter().map(|(_, here)| here).collect()
    }

    /// Loads a model with the best backend that can; `asked` is the user's value for the id. Returns the backend's id
    /// and the reason for the choice.
    pub(crate) fn load_by_best(
        &self,
        config: &ModelConfig,
        asked: Option<&str>,
    ) -> Result<(ImportedModel, String, Option<BackendChoice>)> {
        let extension = extension_of(&config.path);
        let (loaders, backends): (Vec<_>, Vec<_>) =
            self.candidates(&extension, config.device.as_deref()).into_iter().unzip();
        if backends.is_empty() {
            return Err(self.no_backend(None, &config.path));
        }
        let field = Field { backends: &backends, asked: asked == Some(AUTO) };
        let (model, index, choice) = field.first_that_loads(|i| loaders[i].load(config))?;
        if let Some(choice) = &choice {
            tracing::info!("backend {}", choice.reason());
        }
        Ok((model, backends[index].id.clone(), choice))
    }

    fn candidates(&self, extension: &str, device: Option<&str>) -> Vec<(Arc<ImportedLoader>, BackendHere)> {
        let fits = |b: &Arc<ImportedLoader>| b.extensions().iter().any(|e| e == extension);
        let assessed = |b: Arc<ImportedLoader>| {
            let here = here(&b, device);
            (b, here)
        };
        let mut found: Vec<_> = self.named_backends().into_iter().filter(fits).map(assessed).collect();
        if !found.iter().any(|(_, here)| here.readiness.is_ok()) {
            self.search_once();
            let known: Vec<String> = found.iter().map(|(b, _)| b.id().to_owned()).collect();
            let others =
                self.backends().into_iter().filter(|b| fits(b) && !known.iter().any(|id| id == b.id()));
            found.extend(others.map(assessed));
        }
        // Stable: equals stay in the order of loading.
        found
            .sort_by_key(|(_, here)| std::cmp::Reverse(here.readiness.as_ref().ok().map(|ready| ready.rank)));
        found
    }
}

fn here(backend: &ImportedLoader, device: Option<&str>) -> BackendHere {
    BackendHere {
        id: backend.id().to_owned(),
        extensions: backend.extensions().to_vec(),
        readiness: backend.readiness(device),
    }
}

/// The extension of a model's file in the backends' notation: lower case, without the dot.
fn extension_of(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// The backends to try: the best first, those that are not ready last.
struct Field<'a> {
    backends: &'a [BackendHere],
    /// Whether the user wrote "auto".
    asked: bool,
}

impl Field<'_> {
    /// The model of the first backend for which `load` succeeds, the backend's index, and the reason for the choice.
    fn first_that_loads<M>(
        &self,
        mut load: impl FnMut(usize) -> Result<M>,
    ) -> Result<(M, usize, Option<BackendChoice>)> {
        let ready = self.backends.iter().filter(|b| b.readiness.is_ok()).count();
        let mut failed = Vec::new();
        for i in 0..if ready > 0 { ready } else { self.backends.len() } {
            match load(i) {
                Ok(model) => return Ok((model, i, self.choice(i, &failed))),
                Err(error) if self.backends.len() == 1 || error.kind() == ErrorKind::Cancelled => {
                    return Err(error);
                }
                Err(error) if ready > 0 && is_of_the_request(error.kind()) => {
                    let reason = self.reason(i, &failed);
                    return Err(Error::new(error.kind(), format!("{error}; the backend is {reason}")));
                }
                Err(error) => failed.push(error),
            }
        }
        Err(self.none_loads(failed))
    }

    /// The reason for backend `taken`, after those before it failed; `None` if there is no other.
    fn choice(&self, taken: usize, failed: &[Error]) -> Option<BackendChoice> {
        let is_unready = |(i, b): &(usize, &BackendHere)| *i > taken && b.readiness.is_err();
        let unready = self.backends.iter().enumerate().filter(is_unready).count();
        (self.backends.len() > 1).then(|| BackendChoice {
            reason: self.reason(taken, failed),
            noteworthy: !failed.is_empty() || (self.asked && unready > 0),
        })
    }

    fn reason(&self, taken: usize, failed: &[Error]) -> String {
        let mut reason = self.backends[taken].id.clone();
        match &self.backends[taken].readiness {
            Ok(ready) if ready.device.is_empty() => {}
            Ok(ready) => reason += &format!(" on {}", ready.device),
            Err(why) => reason += &format!(", although it says that it is not ready: {why}"),
        }
        let later = &self.backends[taken + 1..];
        let ready: Vec<&str> = later.iter().filter(|b| b.readiness.is_ok()).map(|b| b.id.as_str()).collect();
        if !ready.is_empty() {
            reason += &format!(", before {}", ready.join(", "));
        }
        let could_not = self.backends.iter().zip(failed).map(|(b, why)| format!("{} failed: {why}", b.id));
        let since: Vec<String> = could_not.chain(later.iter().filter_map(not_ready)).collect();
        if !since.is_empty() {
            reason += &format!(", since {}", since.join("; "));
        }
        reason
    }

    /// The error if all have failed. Equal messages about an invalid file are reported once.
    fn none_loads(&self, failed: Vec<Error>) -> Error {
        let first = failed[0].clone();
        let reported_once = failed.iter().all(|e| *e == first);
        if reported_once && first.kind() == ErrorKind::Model {
            return first;
        }
        let tried = self.backends.iter().zip(&failed).map(|(b, why)| format!("{}: {why}", b.id));
        let reasons: Vec<String> =
            tried.chain(self.backends[failed.len()..].iter().filter_map(not_ready)).collect();
        Error::new(first.kind(), format!("no backend loads the model: {}", reasons.join("; ")))
    }
}

/// Whether an error is one of the request, whichever the backend.
fn is_of_the_request(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidArgument | ErrorKind::NotFound)
}

fn not_ready(backend: &BackendHere) -> Option<String> {
    backend.readiness.as_ref().err().map(|why| format!("{} is not ready: {why}", backend.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "gpu", "cpu" and so on by rank, 0 for one that is not ready.
    fn backends(ranks: &[(&str, u32)]) -> Vec<BackendHere> {
        let readiness = |rank| match rank {
            0 => Err(Error::io("no driver")),
            Readiness::CPU => Ok(Readiness::on_cpu()),
            rank => Ok(Readiness { rank, device: String::new() }),
        };
        let here = |&(id, rank): &(&str, u32)| BackendHere {
            id: id.to_owned(),
            extensions: vec!["net".into()],
            readiness: readiness(rank),
        };
        ranks.iter().map(here).collect()
    }

    /// What comes of it when each backend loads, or fails, as `loads` says.
    fn load(
        ranks: &[(&str, u32)],
        asked: Option<&str>,
        loads: &[Result<(), Error>],
    ) -> Result<(usize, Option<BackendChoice>)> {
        let backends = backends(ranks);
        let field = Field { backends: &backends, asked: asked.is_some() };
        field.first_that_loads(|i| loads[i].clone()).map(|(_, index, choice)| (index, choice))
    }

    #[test]
    fn the_reason_names_what_was_passed_over() {
        let broken = || Err(Error::model("no memory"));
        let check = |ranks: &[(&str, u32)], loads: &[Result<(), Error>], expected: (usize, Option<&str>)| {
            let (index, choice) = load(ranks, None, loads).expect("it loads");
            assert_eq!((index, choice.as_ref().map(BackendChoice::reason)), expected);
        };
        check(&[("cpu", 100)], &[Ok(())], (0, None));
        check(&[("cpu", 0)], &[Ok(())], (0, None));
        check(&[("gpu", 200), ("cpu", 100)], &[Ok(())], (0, Some("gpu, before cpu")));
        let fallen = "cpu on the CPU, since gpu is not ready: no driver";
        check(&[("cpu", 100), ("gpu", 0)], &[Ok(())], (0, Some(fallen)));
        let fallen = "cpu on the CPU, since gpu failed: no memory";
        check(&[("gpu", 200), ("cpu", 100)], &[broken(), Ok(())], (1, Some(fallen)));
        let fallen = "b, before cpu, since a failed: no memory; c is not ready: no driver";
        let four = [("a", 200), ("b", 200), ("cpu", 100), ("c", 0)];
        check(&four, &[broken(), Ok(())], (1, Some(fallen)));
        let although = "b, although it says that it is not ready: no driver, since a failed: no memory";
        check(&[("a", 0), ("b", 0)], &[broken(), Ok(())], (1, Some(although)));
    }

    #[test]
    fn a_user_hears_of_failures_and_when_asked_of_what_is_not_ready() {
        let check = |ranks: &[(&str, u32)], asked, first: Result<(), Error>, expected: bool| {
            let (_, choice) = load(ranks, asked, &[first, Ok(())]).expect("it loads");
            assert_eq!(choice.expect("there are several").is_noteworthy(), expected, "{ranks:?}");
        };
        let (all, some) = ([("gpu", 200), ("cpu", 100)], [("cpu", 100), ("gpu", 0)]);
        check(&all, Some(AUTO), Ok(()), false);
        check(&some, None, Ok(()), false);
        check(&some, Some(AUTO), Ok(()), true);
        check(&all, None, Err(Error::model("no memory")), true);
    }

    #[test]
    fn what_ends_the_search_and_what_does_not() {
        let check = |ranks: &[(&str, u32)], loads: &[Result<(), Error>], expected: Error| {
            assert_eq!(load(ranks, None, loads).expect_err("it fails"), expected);
        };
        let (two, none) = ([("gpu", 200), ("cpu", 100)], [("gpu", 0), ("cpu", 0)]);
        let wrong = || Error::invalid("setting \"x\" is unknown");
        let no_file = || Error::model("net is empty");
        check(&[("cpu", 100)], &[Err(wrong())], wrong());
        let reported = "setting \"x\" is unknown; the backend is gpu, before cpu";
        check(&two, &[Err(wrong())], Error::invalid(reported));
        let reported =
            "setting \"x\" is unknown; the backend is cpu on the CPU, since gpu failed: net is empty";
        check(&two, &[Err(no_file()), Err(wrong())], Error::invalid(reported));
        let layer = "no layer; the backend is cpu on the CPU, since gpu is not ready: no driver";
        check(&[("cpu", 100), ("gpu", 0)], &[Err(Error::not_found("no layer"))], Error::not_found(layer));
        check(&two, &[Err(Error::cancelled())], Error::cancelled());
        // A file that is wrong is wrong for every backend.
        check(&two, &[Err(no_file()), Err(no_file())], no_file());
        check(&[("cpu", 100), ("gpu", 0)], &[Err(no_file())], no_file());
        let reported = "no backend loads the model: gpu: no memory; cpu: net is empty";
        check(&two, &[Err(Error::io("no memory")), Err(no_file())], Error::io(reported));
        let reported = "no backend loads the model: cpu: no such operator; gpu is not ready: no driver";
        let one = [("cpu", 100), ("gpu", 0)];
        check(&one, &[Err(Error::unsupported("no such operator"))], Error::unsupported(reported));
        // None is ready: each may be asked for something that the others do not know.
        let reported = "no backend loads the model: gpu: setting \"x\" is unknown; cpu: net is empty";
        check(&none, &[Err(wrong()), Err(no_file())], Error::invalid(reported));
    }
}
