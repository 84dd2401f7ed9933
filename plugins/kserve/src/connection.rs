//! What both forms of the protocol stand on: connections with TLS, and the token.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use scorecam_core::{Error, Result};

use crate::failure::{Failure, with_causes};

/// A client of one server.
pub(crate) type Connections<B> = Client<HttpsConnector<HttpConnector>, B>;

/// How often a connection that is in use is asked whether the server is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How connections are made, the same for all servers of a model.
#[derive(Clone)]
pub(crate) struct Security {
    tls: ClientConfig,
    /// The value of the `authorization` header.
    pub(crate) token: Option<HeaderValue>,
}

/// Whose word is taken for who a server is.
pub(crate) enum Trust {
    /// Nobody's: no server is reached by TLS.
    Nobody,
    /// The system's authorities.
    System,
    /// Those of a text in PEM.
    Pem(Vec<u8>),
}

impl Security {
    pub(crate) fn new(trust: Trust, token: Option<&str>) -> Result<Self> {
        let provider = rustls::crypto::ring::default_provider();
        let builder = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::internal(format!("cannot set up TLS: {e}")))?;
        let builder = match trust {
            Trust::Nobody => builder.with_root_certificates(RootCertStore::empty()),
            Trust::Pem(pem) => builder.with_root_certificates(authorities(&pem)?),
            Trust::System => builder.with_native_roots().map_err(|e| {
                Error::io(format!(
                    "the system's certificates cannot be read: {e}; name a PEM file with tls.ca"
                ))
            })?,
        };
        let header = |token: &str| {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value = value.map_err(|_| Error::invalid("the token is not a valid header value"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self { tls: builder.with_no_client_auth(), token: token.map(header).transpose()? })
    }

    fn tcp(connect: Duration) -> HttpConnector {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(connect));
        tcp.set_nodelay(true);
        tcp
    }

    /// One connection of HTTP/2, which carries all calls.
    pub(crate) fn http2(&self, connect: Duration) -> Connections<tonic::body::Body> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http2()
            .wrap_connector(Self::tcp(connect));
        Client::builder(TokioExecutor::new())
            .http2_only(true)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .http2_adaptive_window(true)
            .build(connector)
    }

    /// Connections of HTTP/1.1, one for each call that is under way.
    pub(crate) fn http1(&self, connect: Duration) -> Connections<Full<Bytes>> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(Self::tcp(connect));
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)
    }
}

/// The certificates of a text in PEM.
fn authorities(pem: &[u8]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|e| Error::model(format!("tls.ca holds no certificates in PEM: {e}")))?;
        let added = roots.add(certificate);
        added.map_err(|e| Error::model(format!("tls.ca holds an invalid certificate: {e}")))?;
    }
    if roots.is_empty() { Err(Error::model("tls.ca holds no certificates in PEM")) } else { Ok(roots) }
}

/// A call that found no server, or lost it on the way; a certificate that is refused will be refused again.
pub(crate) fn lost(error: &(dyn StdError + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match of_tls(error) {
            Some(rustls::Error::InvalidCertificate(why)) => {
                return Failure::lasting(format!(
                    "its certificate is not trusted ({why}); name the certificates of its authority with tls.ca"
                ));
            }
            Some(other) => return Failure::passing(format!("TLS failed: {other}")),
            None => cause = error.source(),
        }
    }
    Failure::passing(with_causes(error))
}

/// The error of TLS that an error is, or holds as what went wrong with reading or writing.
fn of_tls<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    let inner = || of_tls(error.downcast_ref::<io::Error>()?.get_ref()?);
    error.downcast_ref().or_else(inner)
}
