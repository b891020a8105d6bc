//! Keys, and clients of TLS and WebSocket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use columba_server::listener::{ClientAuthority, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

/// An authority that signs servers and clients.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate and its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn sign(&self, common_name: &str) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            key,
        }
    }

    /// Writes the files of a listener.
    pub(crate) fn files(&self, directory: &Path, client: Option<bool>) -> TlsFiles {
        let files = TlsFiles {
            certificate_chain: directory.join("server.pem"),
            key: directory.join("server.key"),
            client_authority: client.map(|is_required| ClientAuthority {
                file: directory.join("clients.pem"),
                is_required,
            }),
        };
        std::fs::write(directory.join("clients.pem"), &self.pem).unwrap();
        self.sign("server").write(&files);
        files
    }

    fn client_config(&self, identity: Option<&Identity>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
                builder
                    .with_client_auth_cert(vec![identity.certificate.clone()], key)
                    .unwrap()
            }
        }
    }

    /// A TLS client over a connected socket; the handshake happens with the first bytes.
    pub(crate) fn client(
        &self,
        socket: TcpStream,
        identity: Option<&Identity>,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        let config = Arc::new(self.client_config(identity));
        StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket)
    }
}

impl Identity {
    pub(crate) fn write(&self, files: &TlsFiles) {
        std::fs::write(&files.certificate_chain, &self.pem).unwrap();
        std::fs::write(&files.key, self.key.serialize_pem()).unwrap();
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

/// A WebSocket as a stream of bytes, one binary message for each write.
pub(crate) struct Frames<S> {
    pub(crate) socket: WebSocket<S>,
    rest: Vec<u8>,
}

impl<S: Read + Write> Frames<S> {
    /// Opens a WebSocket with the subprotocol `mqtt`.
    pub(crate) fn open(stream: S) -> Self {
        let mut request = "ws://localhost/mqtt".into_client_request().unwrap();
        let protocol = tungstenite::http::HeaderValue::from_static("mqtt");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let Ok((socket, response)) = tungstenite::client(request, stream) else {
            panic!("no WebSocket");
        };
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
        Self {
            socket,
            rest: Vec::new(),
        }
    }
}

impl<S: Read + Write> Read for Frames<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => self.rest.extend_from_slice(&bytes),
                Ok(Message::Close(_)) => return Ok(0),
                Ok(other) => panic!("the broker sent {other:?}"),
                Err(tungstenite::Error::Io(error)) => return Err(error),
                Err(_) => return Ok(0),
            }
        }
        let len = into.len().min(self.rest.len());
        into[..len].copy_from_slice(&self.rest[..len]);
        self.rest.drain(..len);
        Ok(len)
    }
}

impl<S: Read + Write> Write for Frames<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket
            .send(Message::binary(bytes.to_vec()))
            .map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
