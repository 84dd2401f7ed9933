//! [`Address`]: where a server is, and which form of the protocol it speaks there.

use std::fmt;

use http::Uri;
use scorecam_core::{Result, bail};

/// A form of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// gRPC over HTTP/2.
    Grpc,
    /// JSON and binary tensors over HTTP/1.1.
    Http,
}

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// As it was given.
    text: String,
    pub(crate) form: Form,
    /// With the scheme of HTTP, and without a slash at its end.
    pub(crate) base: Uri,
}

impl Address {
    /// Of a text such as `grpc://10.0.0.7:8001` or `https://example.org/serving`.
    pub(crate) fn of(text: &str) -> Result<Self> {
        let (form, scheme, rest) = match text.split_once("://") {
            Some(("grpc", rest)) => (Form::Grpc, "http", rest),
            Some(("grpcs", rest)) => (Form::Grpc, "https", rest),
            Some(("http", rest)) => (Form::Http, "http", rest),
            Some(("https", rest)) => (Form::Http, "https", rest),
            _ => {
                bail!(model, "endpoint {text:?} must start with grpc://, grpcs://, http:// or https://")
            }
        };
        let base = format!("{scheme}://{}", rest.trim_end_matches('/')).parse::<Uri>();
        let host = rest.split('/').next().unwrap_or_default();
        let has_port = host.rsplit(']').next().is_some_and(|host| host.contains(':'));
        let plain = |uri: &Uri| {
            uri.query().is_none() && !rest.contains(['@', '#']) && (!has_port || uri.port_u16().is_some())
        };
        match base {
            Ok(base) if base.host().is_some_and(|host| !host.is_empty()) && plain(&base) => {
                Ok(Self { text: text.into(), form, base })
            }
            _ => bail!(
                model,
                "endpoint {text:?} is not an address such as grpc://HOST:PORT or https://HOST:PORT/PATH"
            ),
        }
    }

    /// Whether nobody between here and there can read what is sent.
    pub(crate) fn is_private(&self) -> bool {
        let host = self.base.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_loopback =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        is_loopback || self.base.scheme_str() == Some("https")
    }

    /// The address of `path`, which begins with a slash, behind the base.
    pub(crate) fn with(&self, path: &str) -> String {
        format!("{}{path}", self.base.to_string().trim_end_matches('/'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, form, path, private) in [
            ("grpc://10.0.0.7:8001", Form::Grpc, "http://10.0.0.7:8001/v2", false),
            ("grpcs://a.example", Form::Grpc, "https://a.example/v2", true),
            ("http://127.0.0.1:8080/", Form::Http, "http://127.0.0.1:8080/v2", true),
            ("http://[::1]:8080", Form::Http, "http://[::1]:8080/v2", true),
            ("https://a.example/serving/", Form::Http, "https://a.example/serving/v2", true),
        ] {
            let address = Address::of(text).expect(text);
            assert_eq!((address.form, address.with("/v2").as_str()), (form, path));
            assert_eq!((address.is_private(), address.to_string().as_str()), (private, text));
        }
        for text in [
            "localhost:1",
            "ftp://a",
            "grpc://",
            "http://a b",
            "http://u:p@a",
            "http://a?x=1",
            "http://a:99999",
        ] {
            let error = Address::of(text).expect_err(text).to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
