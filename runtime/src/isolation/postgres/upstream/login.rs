//! From the startup message to the first `ReadyForQuery`.

use super::error::{ConnectError, ServerError};
use super::message::{self, Broken, Frame, LOGIN_LIMIT};
use super::stream::Stream;
use super::{Canceller, Peer, Upstream, tls};
use crate::isolation::postgres::config::Config;
use bytes::{Buf as _, Bytes, BytesMut};
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;
use std::collections::BTreeMap;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Logs in on a socket, encrypted or not.
pub(super) async fn login(
    config: &Config,
    stream: Stream,
    peer: Peer,
) -> Result<Upstream, ConnectError> {
    let mut login = Login {
        config,
        stream,
        buffer: BytesMut::with_capacity(4096),
        proof: Proof::None,
    };
    login.start().await?;
    login.authenticate().await?;
    login.finish(peer).await
}

struct Login<'a> {
    config: &'a Config,
    stream: Stream,
    buffer: BytesMut,
    proof: Proof,
}

/// SCRAM is mutual: the server has to prove that it knows the password, too.
enum Proof {
    None,
    Wanted(Box<sasl::ScramSha256>),
    Given,
}

impl Login<'_> {
    async fn start(&mut self) -> Result<(), ConnectError> {
        let mut parameters = vec![
            ("user", self.config.user()),
            ("database", self.config.database()),
            ("client_encoding", "UTF8"),
        ];
        let name = self.config.application_name().unwrap_or("heirloom");
        parameters.push(("application_name", name));
        parameters.extend(self.config.switches().map(|text| ("options", text)));
        let mut message = BytesMut::new();
        let written = frontend::startup_message(parameters, &mut message);
        self.send(written, &message).await
    }

    async fn authenticate(&mut self) -> Result<(), ConnectError> {
        loop {
            let mut frame = self.read().await?;
            match frame.kind {
                b'R' => {
                    if self.answer(&mut frame.body).await? {
                        return Ok(());
                    }
                }
                // It speaks an older protocol or does not know an option: there is none, and 3.0 is the oldest.
                b'v' | b'N' => {}
                other => return Err(self.unexpected(other)),
            }
        }
    }

    /// Answers an authentication request. `true` when the server is content.
    async fn answer(&mut self, body: &mut Bytes) -> Result<bool, ConnectError> {
        if body.len() < 4 {
            return Err(self.garbage("it asked for authentication without saying which".to_owned()));
        }
        match body.get_u32() {
            0 => match self.proof {
                Proof::Wanted(_) => Err(self.garbage(
                    "it let us in without proving that it knows the password itself".to_owned(),
                )),
                Proof::None | Proof::Given => Ok(true),
            },
            3 => {
                let password = self.password()?.to_owned();
                self.send_password(password.as_bytes()).await
            }
            5 => {
                let Some(salt) = body.first_chunk::<4>().copied() else {
                    return Err(self.garbage("its MD5 request has no salt".to_owned()));
                };
                let (user, password) = (self.config.user(), self.password()?);
                let hash = md5_hash(user.as_bytes(), password.as_bytes(), salt);
                self.send_password(hash.as_bytes()).await
            }
            10 => self.begin_scram(body).await,
            11 => {
                let Proof::Wanted(scram) = &mut self.proof else {
                    return Err(
                        self.garbage("it went on with a SCRAM login that was not begun".to_owned())
                    );
                };
                let updated = scram.update(body).map(|()| scram.message().to_vec());
                let reply = updated.map_err(|error| self.bad_scram(&error))?;
                let mut message = BytesMut::new();
                let written = frontend::sasl_response(&reply, &mut message);
                self.send(written, &message).await.map(|()| false)
            }
            12 => {
                let Proof::Wanted(scram) = &mut self.proof else {
                    return Err(
                        self.garbage("it ended a SCRAM login that was not begun".to_owned())
                    );
                };
                scram.finish(body).map_err(|error| self.bad_scram(&error))?;
                self.proof = Proof::Given;
                Ok(false)
            }
            code => Err(ConnectError::Method {
                place: self.config.place(),
                method: match code {
                    2 => "Kerberos V5".to_owned(),
                    6 => "an SCM credential".to_owned(),
                    7 | 8 => "GSSAPI".to_owned(),
                    9 => "SSPI".to_owned(),
                    _ => format!("authentication method {code}"),
                },
            }),
        }
    }

    /// With channel binding where TLS gives something to bind to and the server offers it.
    async fn begin_scram(&mut self, offered: &mut Bytes) -> Result<bool, ConnectError> {
        let (mut plain, mut plus, mut names) = (false, false, Vec::new());
        while let Some(name) = message::text(offered).filter(|name| !name.is_empty()) {
            plain |= name == sasl::SCRAM_SHA_256;
            plus |= name == sasl::SCRAM_SHA_256_PLUS;
            names.push(name);
        }
        let end_point = match &self.stream {
            Stream::Tls(stream) => tls::end_point(stream),
            Stream::Tcp(_) | Stream::Unix(_) => None,
        };
        let (mechanism, binding) = match end_point {
            Some(hash) if plus => (
                sasl::SCRAM_SHA_256_PLUS,
                sasl::ChannelBinding::tls_server_end_point(hash),
            ),
            // Says that we would have, so that a server that did offer it knows that somebody took it out.
            Some(_) if plain => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
            None if plain => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
            _ => {
                return Err(ConnectError::Method {
                    place: self.config.place(),
                    method: format!("SASL by {}", names.join(", ")),
                });
            }
        };
        let scram = sasl::ScramSha256::new(self.password()?.as_bytes(), binding);
        let mut message = BytesMut::new();
        let written = frontend::sasl_initial_response(mechanism, scram.message(), &mut message);
        self.proof = Proof::Wanted(Box::new(scram));
        self.send(written, &message).await.map(|()| false)
    }

    async fn finish(mut self, peer: Peer) -> Result<Upstream, ConnectError> {
        let mut parameters = BTreeMap::new();
        let (mut process, mut secret) = (0, Bytes::new());
        loop {
            let Frame { kind, mut body } = self.read().await?;
            match kind {
                b'S' => {
                    if let (Some(name), Some(value)) =
                        (message::text(&mut body), message::text(&mut body))
                    {
                        parameters.insert(name, value);
                    }
                }
                b'K' if body.len() >= 8 => {
                    process = body.get_u32();
                    secret = body;
                }
                b'Z' => break,
                b'N' | b'A' | b'v' => {}
                other => return Err(self.unexpected(other)),
            }
        }
        let encrypted = self.stream.is_encrypted();
        Ok(Upstream {
            stream: self.stream,
            buffer: self.buffer,
            parameters,
            canceller: Canceller {
                config: self.config.clone(),
                peer,
                encrypted,
                process,
                secret,
            },
        })
    }

    fn password(&self) -> Result<&str, ConnectError> {
        self.config
            .password()
            .ok_or_else(|| ConnectError::NoPassword {
                place: self.config.place(),
            })
    }

    async fn send_password(&mut self, password: &[u8]) -> Result<bool, ConnectError> {
        let mut message = BytesMut::new();
        let written = frontend::password_message(password, &mut message);
        self.send(written, &message).await.map(|()| false)
    }

    async fn send(&mut self, written: io::Result<()>, message: &[u8]) -> Result<(), ConnectError> {
        // The only thing that cannot be put into a message is a zero byte.
        written.map_err(|source| ConnectError::Unreachable {
            place: self.config.place(),
            source,
        })?;
        let sent = self.stream.write_all(message).await;
        let sent = match sent {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        // A server that refuses may close before it has read everything; what it said is still there to be read.
        match sent {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|source| self.closed(source)),
        }
    }

    /// The next frame that is not an error.
    async fn read(&mut self) -> Result<Frame, ConnectError> {
        match message::read(&mut self.stream, &mut self.buffer, LOGIN_LIMIT).await {
            Ok(frame) if frame.kind == b'E' => Err(self.refused(ServerError::parse(&frame.body))),
            Ok(frame) => Ok(frame),
            Err(Broken::Io(source)) => Err(self.closed(source)),
            Err(Broken::Length { kind: b'E', .. }) => Err(self.out_of_band().await),
            Err(Broken::Length { kind, length }) => Err(self.garbage(format!(
                "a message {} of {length} bytes during the login",
                message::name(kind)
            ))),
        }
    }

    /// An error without a frame: what a server sends that cannot even start a process.
    async fn out_of_band(&mut self) -> ConnectError {
        const ENOUGH: usize = 1_000;
        while self.buffer.len() < ENOUGH && !self.buffer.contains(&0) {
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                _ => break,
            }
        }
        let text = <[u8]>::split(&self.buffer, |byte| *byte == 0).next();
        let text = text.and_then(|text| text.get(1..)).unwrap_or_default();
        match std::str::from_utf8(text) {
            Ok(text)
                if text.len() > 4
                    && !text.chars().any(|char| char.is_control() && char != '\n') =>
            {
                self.refused(ServerError {
                    severity: "FATAL".to_owned(),
                    message: text.trim().to_owned(),
                    ..ServerError::default()
                })
            }
            _ => self.garbage("an error of no readable length".to_owned()),
        }
    }

    fn refused(&self, error: ServerError) -> ConnectError {
        ConnectError::Refused {
            place: self.config.place(),
            error: Box::new(error),
        }
    }

    fn closed(&self, source: io::Error) -> ConnectError {
        ConnectError::Closed {
            place: self.config.place(),
            source,
        }
    }

    fn unexpected(&self, kind: u8) -> ConnectError {
        self.garbage(format!(
            "a message {} during the login",
            message::name(kind)
        ))
    }

    fn bad_scram(&self, error: &io::Error) -> ConnectError {
        self.garbage(format!("its SCRAM answer is wrong: {error}"))
    }

    fn garbage(&self, what: String) -> ConnectError {
        ConnectError::Protocol {
            place: self.config.place(),
            what,
        }
    }
}
