//! The pooled client of real endpoints: HTTP/1.1 over TCP or TLS (rustls with ring), and the certificate authorities that
//! it trusts.

use hyper::body::Body;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, crypto};
use std::sync::Arc;
use std::time::Duration;

/// A pooled client that sends bodies of the type `B`.
pub(crate) type HttpsClient<B> = Client<HttpsConnector<HttpConnector>, B>;

/// Returns a client that trusts the certificates of `tls`. Certificates must be valid for `server_name`; if it is `None`,
/// for the host of the URL.
pub(crate) fn client<B>(tls: ClientConfig, server_name: Option<ServerName<'static>>) -> HttpsClient<B>
where
    B: Body + Send,
    B::Data: Send,
{
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let builder = match server_name {
        Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name)),
        None => builder,
    };
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
        .build(builder.enable_http1().wrap_connector(connector))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections are closed before providers usually close them.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(55);

/// The most idle connections that are kept for one provider.
const MAX_IDLE_PER_HOST: usize = 256;

/// Returns the configuration of TLS clients: the system's certificates, or those in the file that `SSL_CERT_FILE` names, and
/// Mozilla's, so that a container without certificates works too.
///
/// # Errors
/// If `SSL_CERT_FILE` or `SSL_CERT_DIR` is set and no certificate can be read from it. It is no error if the system has
/// none.
pub(crate) fn client_config() -> Result<ClientConfig, String> {
    let native = rustls_native_certs::load_native_certs();
    let is_chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    if is_chosen && native.certs.is_empty() {
        let reason =
            native.errors.first().map_or_else(|| "no certificate in it".to_owned(), ToString::to_string);
        return Err(format!("SSL_CERT_FILE or SSL_CERT_DIR: {reason}"));
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // Skips those that cannot be parsed: the certificate stores of systems contain obsolete ones.
    let _ = roots.add_parsable_certificates(native.certs);
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("invariant: ring supports the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
