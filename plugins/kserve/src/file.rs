//! The `.kserve` file: where a model is served, and under which names.
//!
//! Such a file may come from anywhere. So it holds no secret and can send none: a token comes from an environment
//! variable whose name begins with `SCORECAM_TOKEN`, and goes over TLS, or to this machine, only. Every number is
//! checked here, once.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scorecam_core::{Error, Result, bail, ensure};
use scorecam_plugin::read_file;
use serde::Deserialize;

use crate::address::Address;

/// Such files have a dozen lines; anything longer is some other file.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// The file of certificates of a large company has some hundred kilobytes.
const MAX_CERTIFICATE_BYTES: u64 = 16 << 20;
/// The most servers of a model.
const MAX_ENDPOINTS: usize = 256;
/// What the name of a variable with a token begins with.
const TOKEN_VARIABLE: &str = "SCORECAM_TOKEN";
/// Keys by which somebody may want to write a secret down.
const SECRETS: [&str; 8] =
    ["token", "token_file", "password", "secret", "key", "api_key", "authorization", "headers"];

/// The keys of a `.kserve` file. `endpoints` and `model` are required; unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KserveFile {
    /// Servers that serve the same model, as `grpc://HOST:PORT`, `grpcs://`, `http://` or `https://HOST:PORT/PATH`.
    pub(crate) endpoints: Vec<String>,
    /// The model's name on them.
    pub(crate) model: String,
    /// Its version; the server's own choice when there is none.
    #[serde(default)]
    pub(crate) version: String,
    /// The image input; the only one that may be an image when there is none.
    pub(crate) input: Option<String>,
    /// The output with class scores; the only one that looks like it when there is none.
    pub(crate) scores: Option<String>,
    /// Outputs that are layers, the one to explain last; all outputs of three or four axes when there are none.
    pub(crate) layers: Option<Vec<String>>,
    /// The name, on the same servers, of the part of the model behind its last layer, as `scorecam bake --head`
    /// writes it.
    pub(crate) head: Option<String>,
    /// The name, on the same servers, of the model that makes masked images itself, as `scorecam bake --masked`
    /// writes it.
    pub(crate) masked: Option<String>,
    /// The environment variable with the token that each call carries.
    pub(crate) token_from: Option<String>,
    #[serde(default)]
    pub(crate) tls: Tls,
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// How servers prove who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// A PEM file with the certificates that are trusted, beside the model file; the system's when there is none.
    pub(crate) ca: Option<PathBuf>,
}

/// What a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// For a connection, and for a server to say that it is there.
    pub(crate) connect_seconds: f64,
    /// For one answer.
    pub(crate) request_seconds: f64,
    /// For a batch, with everything that is tried until it is answered.
    pub(crate) total_seconds: f64,
    /// The most bytes of a request. gRPC servers refuse more than 4 MiB unless they are told otherwise.
    pub(crate) message_bytes: usize,
    /// The most images of a request.
    pub(crate) images: usize,
    /// The most requests that one server has under way.
    pub(crate) requests: usize,
    /// The most bytes of all requests that are under way.
    pub(crate) memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_seconds: 5.0,
            request_seconds: 30.0,
            total_seconds: 120.0,
            message_bytes: 4 << 20,
            images: 64,
            requests: 64,
            memory_bytes: 256 << 20,
        }
    }
}

impl Limits {
    pub(crate) fn connect(&self) -> Duration {
        Duration::from_secs_f64(self.connect_seconds)
    }

    pub(crate) fn request(&self) -> Duration {
        Duration::from_secs_f64(self.request_seconds)
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_secs_f64(self.total_seconds)
    }

    fn check(&self) -> Result<()> {
        for (key, seconds) in [
            ("connect_seconds", self.connect_seconds),
            ("request_seconds", self.request_seconds),
            ("total_seconds", self.total_seconds),
        ] {
            let fits = (0.001..=86_400.0).contains(&seconds);
            ensure!(fits, model, "limits.{key} is {seconds}; give 0.001 to 86400");
        }
        for (key, value, least, most) in [
            ("message_bytes", self.message_bytes, 4096, 1 << 31),
            ("images", self.images, 1, 4096),
            ("requests", self.requests, 1, 1024),
            ("memory_bytes", self.memory_bytes, 1 << 20, 1 << 36),
        ] {
            ensure!(
                (least..=most).contains(&value),
                model,
                "limits.{key} is {value}; give {least} to {most}"
            );
        }
        Ok(())
    }
}

impl KserveFile {
    /// Reads and checks a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let (bytes, _) = read_file(path, MAX_FILE_BYTES).map_err(|e| match e.kind() {
            ErrorKind::FileTooLarge => {
                Error::model(format!("{shown}: {e}; a .kserve file is a few lines of TOML"))
            }
            _ => Error::io(format!("{shown}: {e}")),
        })?;
        let text = String::from_utf8(bytes).map_err(|_| Error::model(format!("{shown} is not UTF-8")))?;
        Self::of(&text).map_err(|e| e.context(shown))
    }

    fn of(text: &str) -> Result<Self> {
        let table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| Error::model(e.message().to_owned()))?;
        let tables = [Some(&table), table.get("tls").and_then(toml::Value::as_table)];
        if let Some(key) =
            tables.into_iter().flatten().flat_map(toml::Table::keys).find(|k| SECRETS.contains(&k.as_str()))
        {
            bail!(
                model,
                "key {key:?}: a model file holds no secret; put the token into an environment variable and name it: \
                 token_from = {TOKEN_VARIABLE:?}"
            );
        }
        let file: Self = toml::from_str(text).map_err(|e| Error::model(e.message().to_owned()))?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<()> {
        let count = self.endpoints.len();
        ensure!(
            (1..=MAX_ENDPOINTS).contains(&count),
            model,
            "endpoints has {count} entries; give 1 to {MAX_ENDPOINTS}"
        );
        let twice = (1..count).find(|&i| self.endpoints[..i].contains(&self.endpoints[i]));
        if let Some(i) = twice {
            bail!(model, "endpoint {:?} is given twice", self.endpoints[i]);
        }
        check_name("model", &self.model)?;
        for (key, name) in [("head", &self.head), ("masked", &self.masked)] {
            name.as_deref().map_or(Ok(()), |name| check_name(key, name))?;
        }
        if !self.version.is_empty() {
            check_name("version", &self.version)?;
        }
        if let Some(name) = &self.token_from {
            let fits = name.starts_with(TOKEN_VARIABLE)
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            ensure!(
                fits,
                model,
                "token_from is {name:?}; name an environment variable that begins with {TOKEN_VARIABLE}, so that a \
                 model file cannot send other variables to a server"
            );
        }
        self.limits.check()?;
        self.addresses()?;
        Ok(())
    }

    /// The servers.
    pub(crate) fn addresses(&self) -> Result<Vec<Address>> {
        let of = |text: &String| {
            let address = Address::of(text)?;
            if self.token_from.is_some() && !address.is_private() {
                bail!(model, "endpoint {text:?} would get the token in the clear; use grpcs:// or https://");
            }
            Ok(address)
        };
        self.endpoints.iter().map(of).collect()
    }

    /// The token, where one is asked for.
    pub(crate) fn token(&self) -> Result<Option<String>> {
        let Some(name) = &self.token_from else { return Ok(None) };
        match std::env::var(name) {
            Ok(token) if !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) => Ok(Some(token)),
            Ok(token) if !token.is_empty() => Err(Error::invalid(format!(
                "the token in {name} has other characters than those of ASCII without blanks"
            ))),
            _ => Err(Error::invalid(format!("the environment variable {name} holds no token; set it"))),
        }
    }

    /// The PEM text of the certificates that are trusted in place of the system's. `path` is that of the file itself.
    pub(crate) fn certificates(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some(ca) = &self.tls.ca else { return Ok(None) };
        let ca = path.parent().unwrap_or(Path::new("")).join(ca);
        let read = read_file(&ca, MAX_CERTIFICATE_BYTES);
        let (bytes, _) = read.map_err(|e| Error::io(format!("tls.ca {}: {e}", ca.display())))?;
        Ok(Some(bytes))
    }
}

/// Names stand in the paths of URLs.
fn check_name(key: &str, name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = !name.is_empty() && name.len() <= 255 && name.chars().all(plain) && !name.starts_with('.');
    ensure!(fits, model, "{key} is {name:?}; a name has letters, digits, dots, underscores and dashes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "endpoints = [\"grpc://localhost:8081\"]\nmodel = \"m\"\n";

    #[test]
    fn files_are_read_with_their_defaults() {
        let file = KserveFile::of(PLAIN).expect("a file");
        assert_eq!((file.version.as_str(), &file.head, file.limits), ("", &None, Limits::default()));
        let more = "version = \"3\"\nlayers = [\"a\"]\nhead = \"m-head\"\ntoken_from = \"SCORECAM_TOKEN_A\"\n\
                    [limits]\nrequests = 3\n";
        let file = KserveFile::of(&format!("{PLAIN}{more}")).expect("a file");
        assert_eq!((file.limits.requests, file.head.as_deref()), (3, Some("m-head")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected: &str| {
            let error = KserveFile::of(text).expect_err(text).to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{text}: {error}");
        };
        let with = |line: &str| format!("{PLAIN}{line}\n");
        check("", "missing field `endpoints`");
        check("endpoints = []\nmodel = \"m\"", "endpoints has 0 entries; give 1 to 256");
        check("endpoints = [\"ftp://a:1\"]\nmodel = \"m\"", "\"ftp://a:1\"");
        check("endpoints = [\"grpc://a:1\", \"grpc://a:1\"]\nmodel = \"m\"", "\"grpc://a:1\" is given twice");
        check("endpoints = [\"grpc://a:1\"]\nmodel = \"../m\"", "model is \"../m\"");
        check(&with("token = \"abc\""), "a model file holds no secret");
        check(&with("[tls]\nkey = \"abc\""), "a model file holds no secret");
        check(&with("colour = 1"), "unknown field `colour`");
        check(&with("token_from = \"AWS_SECRET_ACCESS_KEY\""), "begins with SCORECAM_TOKEN");
        check("endpoints = [\"http://a:1\"]\nmodel = \"m\"\ntoken_from = \"SCORECAM_TOKEN\"", "in the clear");
        check(&with("[limits]\nrequest_seconds = nan"), "limits.request_seconds is NaN; give 0.001 to 86400");
        check(&with("[limits]\nrequests = 0"), "limits.requests is 0; give 1 to 1024");
    }
}
