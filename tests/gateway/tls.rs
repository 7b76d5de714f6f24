//! A TLS server with a certificate of a test authority, for tests of the gateway and of runs through an endpoint.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Creates a certificate authority, and a file with its certificate.
pub(super) fn new_authority(folder: &Path) -> (CertifiedIssuer<'static, KeyPair>, PathBuf) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let certificates = folder.join("authority.pem");
    fs::write(&certificates, authority.pem()).expect("a file");
    (authority, certificates)
}

/// Starts a provider behind TLS, with a certificate for `localhost` that the authority has signed. Returns its address.
pub(super) fn serve_tls(authority: &CertifiedIssuer<'_, KeyPair>) -> SocketAddr {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a certificate and its key");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let mut session = rustls::ServerConnection::new(config).expect("a session");
                let mut stream = rustls::Stream::new(&mut session, &mut socket);
                let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
                while !request.ends_with(b"}") {
                    match stream.read(&mut buffer) {
                        Ok(0) | Err(_) => return,
                        Ok(read) => request.extend_from_slice(&buffer[..read]),
                    }
                }
                let _ = stream.write_all(completion().as_bytes());
            });
        }
    });
    address
}

/// The certificate is for the name `localhost`, not for the IP address that the run connects to.
#[test]
fn a_run_reaches_an_endpoint_behind_tls_if_its_authority_is_trusted_and_not_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, certificates) = new_authority(folder.path());
    let scenario = folder.path().join("run.yaml");
    let text = "
name: tls
duration: 1s
providers: {p: {dialect: openai, models: {m: {limits: {rpm: 1000}}}}}
routes: {chat: [{of: [p/default/m]}]}
workload: [{name: w, route: chat, arrivals: {constant: 3/s}, prompt: 10, completion: 10, stream: false}]
";
    fs::write(&scenario, text).expect("a file");
    let url = format!("https://localhost:{}/v1", serve_tls(&authority).port());
    let run = |environment: &[(&str, &Path)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotalab"));
        command
            .arg("run")
            .arg(&scenario)
            .args(["--via", &url, "--json", "--out"])
            .arg(folder.path().join("out"));
        let output = command.envs(environment.iter().copied()).output().expect("the binary starts");
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a result");
        (result["jobs"]["succeeded"].clone(), result["attempts"]["failed_by"]["connection"].clone())
    };
    assert_eq!(run(&[("SSL_CERT_FILE", &certificates)]), (3.into(), serde_json::Value::Null));
    assert_eq!(run(&[]), (0.into(), 3.into()));
}
