//! TLS to providers: rustls with ring, and the certificates of authorities that are trusted.

use rustls::{ClientConfig, RootCertStore, crypto};
use std::sync::Arc;

/// Returns the configuration of TLS clients: the system's certificates, or those in the file that `SSL_CERT_FILE` names, and
/// Mozilla's, so that a container without certificates works too.
///
/// # Errors
/// If `SSL_CERT_FILE` or `SSL_CERT_DIR` names what cannot be read. The system's own may be missing.
pub(super) fn client_config() -> Result<ClientConfig, String> {
    let native = rustls_native_certs::load_native_certs();
    let is_chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    if is_chosen && native.certs.is_empty() {
        let reason =
            native.errors.first().map_or_else(|| "no certificate in it".to_owned(), ToString::to_string);
        return Err(format!("SSL_CERT_FILE or SSL_CERT_DIR: {reason}"));
    }
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // Systems have certificates that no client can use any more.
    let _ = roots.add_parsable_certificates(native.certs);
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("invariant: ring supports the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
