//! TLS as `sqlx` does it with rustls: the same modes, the same trust, the same client certificates.

mod carrier;

use super::error::ConnectError;
use crate::isolation::postgres::config::{Address, Config, Pem};
use carrier::Carrier;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use sqlx::postgres::PgSslMode;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Whether this build can encrypt.
pub(super) const AVAILABLE: bool = true;

/// A TLS connection to the server. Its state stays where it is while the socket beneath changes its runtime.
#[derive(Debug)]
pub(crate) struct Encrypted(TlsStream<Carrier>);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is wrong, and why.
type Wrong = (String, Option<BoxError>);

/// Encrypts a connection whose server has agreed to it.
pub(super) async fn encrypt(config: &Config, socket: TcpStream) -> Result<Encrypted, ConnectError> {
    let wrong = |(what, source): Wrong| ConnectError::Tls {
        place: config.place(),
        what,
        source,
    };
    let (client, name) = client(config).map_err(wrong)?;
    TlsConnector::from(Arc::new(client))
        .connect(name, Carrier::Running(socket))
        .await
        .map(Encrypted)
        .map_err(|error| wrong(failed(error)))
}

impl Encrypted {
    /// Takes the socket from its runtime.
    pub(super) fn park(&mut self) -> io::Result<()> {
        self.0.get_mut().0.park()
    }

    /// Gives the socket to the current runtime.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.0.get_mut().0.resume()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn failed(error: io::Error) -> Wrong {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    let what = match tls {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => {
            "the server's certificate is for another host\n\n  help: connect to the host it names, or use `sslmode=verify-ca`"
        }
        Some(rustls::Error::InvalidCertificate(_)) => {
            "the server's certificate is not trusted\n\n  help: name the authority that signed it, `sslrootcert=/path/to/ca.crt`, or use `sslmode=require` to trust any"
        }
        Some(rustls::Error::AlertReceived(_)) => {
            "the server refused the handshake\n\n  help: does it want a client certificate, `sslcert=…&sslkey=…`?"
        }
        _ => "the handshake failed",
    };
    (what.to_owned(), Some(error.into()))
}

fn client(config: &Config) -> Result<(ClientConfig, ServerName<'static>), Wrong> {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ("no version of TLS is common".to_owned(), Some(error.into())))?;
    let mode = config.ssl_mode();
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => {
            let trusted =
                WebPkiServerVerifier::builder_with_provider(roots(config)?.into(), provider)
                    .build()
                    .map_err(|error| {
                        (
                    "no authority is trusted\n\n  help: name one, `sslrootcert=/path/to/ca.crt`"
                        .to_owned(),
                    Some(error.into()),
                )
                    })?;
            match mode {
                PgSslMode::VerifyFull => trusted,
                _ => Arc::new(AnyName(trusted)),
            }
        }
        _ => Arc::new(Anyone(provider)),
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let certificates = config.certificates();
    let mut client = match (&certificates.client, &certificates.key) {
        (Some(chain), Some(key)) => builder
            .with_client_auth_cert(chain_of(chain)?, key_of(key)?)
            .map_err(|error| ("the client's certificate and key cannot be used together".to_owned(), Some(error.into())))?,
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return Err(("there is a client certificate, `sslcert`, but no key\n\n  help: add `sslkey=/path/to/client.key`".to_owned(), None)),
        (None, Some(_)) => return Err(("there is a client key, `sslkey`, but no certificate\n\n  help: add `sslcert=/path/to/client.crt`".to_owned(), None)),
    };
    let Address::Tcp(host, _) = config.address() else {
        return Err(("a unix socket is never encrypted".to_owned(), None));
    };
    let name = match (ServerName::try_from(host.clone()), mode) {
        (Ok(name), _) => name,
        (Err(error), PgSslMode::VerifyFull) => {
            return Err((
                format!("`{host}` is no host name that a certificate can have"),
                Some(error.into()),
            ));
        }
        (Err(_), _) => {
            // The name is neither checked nor sent.
            client.enable_sni = false;
            ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into())
        }
    };
    Ok((client, name))
}

/// The system's authorities and the named ones; in a container without any, those of Mozilla.
fn roots(config: &Config) -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(root) = &config.certificates().root {
        for certificate in chain_of(root)? {
            roots
                .add(certificate)
                .map_err(|error| (unusable("sslrootcert", root), Some(error.into())))?;
        }
    }
    Ok(roots)
}

fn chain_of(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let text = read(pem)?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err((unusable("the certificate", pem), None)),
        Ok(chain) => Ok(chain),
        Err(error) => Err((unusable("the certificate", pem), Some(error.into()))),
    }
}

fn key_of(pem: &Pem) -> Result<PrivateKeyDer<'static>, Wrong> {
    PrivateKeyDer::from_pem_slice(&read(pem)?)
        .map_err(|error| (unusable("the key", pem), Some(error.into())))
}

fn read(pem: &Pem) -> Result<Vec<u8>, Wrong> {
    match pem {
        Pem::Inline(text) => Ok(text.clone().into_bytes()),
        Pem::File(path) => std::fs::read(path).map_err(|error| {
            (
                format!("{} cannot be read\n\n  help: correct `sslrootcert`, `sslcert` or `sslkey` in the URL (PGSSLROOTCERT, PGSSLCERT, PGSSLKEY)", path.display()),
                Some(error.into()),
            )
        }),
    }
}

fn unusable(what: &str, pem: &Pem) -> String {
    match pem {
        Pem::File(path) => format!("{what} in {} is not a usable PEM", path.display()),
        Pem::Inline(_) => format!("{what} given inline is not a usable PEM"),
    }
}

/// What ties a SCRAM login to this very connection (RFC 5929, `tls-server-end-point`): the hash of the server's
/// certificate. `None` if the certificate's signature does not say which hash.
pub(super) fn end_point(stream: &Encrypted) -> Option<Vec<u8>> {
    let certificate = stream.0.get_ref().1.peer_certificates()?.first()?;
    Some(match signature_hash(certificate)? {
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// The hash in a certificate's signature algorithm; MD5 and SHA-1 count as SHA-256 (RFC 5929 §4.1).
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT_ID: u8 = 0x06;
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
    let (whole, _) = der(certificate, SEQUENCE)?;
    let (_, after_contents) = der(whole, SEQUENCE)?;
    let (algorithm, _) = der(after_contents, SEQUENCE)?;
    let (id, _) = der(algorithm, OBJECT_ID)?;
    if id == ECDSA_SHA1 {
        return Some(Hash::Sha256);
    }
    let (last, family) = id.split_last()?;
    match (family, *last) {
        (RSA, 4 | 5 | 11) | (ECDSA_SHA2, 2) => Some(Hash::Sha256),
        (RSA, 12) | (ECDSA_SHA2, 3) => Some(Hash::Sha384),
        (RSA, 13) | (ECDSA_SHA2, 4) => Some(Hash::Sha512),
        _ => None,
    }
}

/// The contents of a DER element of this kind, and what follows it.
fn der(input: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = input.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(*length & 0x7f))?;
        let fits = bytes.len() <= 4;
        let length = bytes
            .iter()
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        (fits.then_some(length)?, rest)
    };
    (*first == kind).then(|| rest.split_at_checked(length))?
}

/// Trusts any certificate, for the modes that only want nobody to read along.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

/// Trusts a certificate of a known authority for any host.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self
            .0
            .verify_server_cert(certificate, between, name, ocsp, now)
        {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
