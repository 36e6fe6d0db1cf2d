//! A login to the real server: TCP or unix socket, TLS, every password method, up to its first `ReadyForQuery`.

mod error;
mod login;
mod message;
mod query;
mod stream;
#[cfg(test)]
pub(super) mod tests;
#[cfg(feature = "postgres-tls")]
mod tls;
#[cfg(not(feature = "postgres-tls"))]
#[path = "upstream/tls_none.rs"]
mod tls;

pub(crate) use error::{ConnectError, QueryError, ServerError};
pub(crate) use query::Rows;
pub(crate) use stream::{StdStream, Stream};

use super::config::{Address, Config};
use bytes::{BufMut as _, Bytes, BytesMut};
use sqlx::postgres::PgSslMode;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// How long a login may take. `sqlx` gives a pool 30 s to hand out a connection; this is within it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A session with the server, idle.
pub(crate) struct Upstream {
    stream: Stream,
    /// Read from the socket, but not used yet.
    buffer: BytesMut,
    parameters: BTreeMap<String, String>,
    canceller: Canceller,
}

/// What a session is made of, for whoever speaks on it from here on. With a [`StdStream`] it is of no runtime.
#[derive(Debug)]
pub(crate) struct Parts<S = Stream> {
    /// The socket.
    pub(crate) stream: S,
    /// What has been read from it and not been used: the server's next words.
    pub(crate) buffer: BytesMut,
    /// What the server said of itself, and its settings.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Stops its statement.
    pub(crate) canceller: Canceller,
}

/// Stops what a session is doing, over a connection of its own.
#[derive(Clone)]
pub(crate) struct Canceller {
    config: Config,
    peer: Peer,
    encrypted: bool,
    process: u32,
    secret: Bytes,
}

/// The very server that a session is with: a host name may have several.
#[derive(Clone, Debug)]
enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A socket that is not encrypted yet.
#[derive(Debug)]
enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Whether to ask for TLS, and whether to go on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    Never,
    IfOffered,
    Always,
}

/// SQLSTATE `invalid_authorization_specification`: what a `pg_hba.conf` without a fitting line answers.
const NOT_ALLOWED: &str = "28000";

impl Upstream {
    /// Logs in, within [`PATIENCE`].
    pub(crate) async fn connect(config: &Config) -> Result<Self, ConnectError> {
        Self::connect_within(config, PATIENCE).await
    }

    /// Logs in. As libpq and unlike `sqlx`, `prefer` tries again without TLS, and `allow` with it, if the server's
    /// `pg_hba.conf` does not let it in.
    pub(crate) async fn connect_within(
        config: &Config,
        patience: Duration,
    ) -> Result<Self, ConnectError> {
        tokio::time::timeout(patience, Self::negotiate(config))
            .await
            .unwrap_or_else(|_| {
                Err(ConnectError::TimedOut {
                    place: config.place(),
                    waited: patience,
                })
            })
    }

    async fn negotiate(config: &Config) -> Result<Self, ConnectError> {
        let (first, second) = match config.ssl_mode() {
            PgSslMode::Disable => (Encryption::Never, None),
            // What cannot be encrypted here is not asked for, where it need not be.
            PgSslMode::Allow | PgSslMode::Prefer if !tls::AVAILABLE => (Encryption::Never, None),
            PgSslMode::Allow => (Encryption::Never, Some(Encryption::Always)),
            PgSslMode::Prefer => (Encryption::IfOffered, Some(Encryption::Never)),
            PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => {
                (Encryption::Always, None)
            }
        };
        let refused = match Self::login(config, first).await {
            Err(error) if error.code() == Some(NOT_ALLOWED) => error,
            other => return other,
        };
        let Some(second) = second else {
            return Err(refused);
        };
        match Self::login(config, second).await {
            // It got further, as to a wrong password or a missing database: that is what the person has to know.
            Err(error) if error.code().is_some_and(|code| code != NOT_ALLOWED) => Err(error),
            Err(_) => Err(refused),
            Ok(upstream) => Ok(upstream),
        }
    }

    async fn login(config: &Config, encryption: Encryption) -> Result<Self, ConnectError> {
        let (socket, peer) = open(config).await?;
        let stream = agree(config, socket, encryption).await?;
        login::login(config, stream, peer).await
    }

    /// The parameters the server reported, as they are now.
    pub(crate) fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// Whether the session is encrypted: what `sqlx` has to be told, too.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// The server's process for this session.
    #[cfg(test)]
    pub(crate) fn process(&self) -> u32 {
        self.canceller.process
    }

    /// Stops what the session is doing.
    #[cfg(all(test, feature = "postgres-tls"))]
    pub(crate) fn canceller(&self) -> &Canceller {
        &self.canceller
    }

    /// Takes the session apart.
    pub(crate) fn into_parts(self) -> Parts {
        Parts {
            stream: self.stream,
            buffer: self.buffer,
            parameters: self.parameters,
            canceller: self.canceller,
        }
    }

    /// Puts the session together again; it must be idle.
    pub(crate) fn from_parts(parts: Parts) -> Self {
        Self {
            stream: parts.stream,
            buffer: parts.buffer,
            parameters: parts.parameters,
            canceller: parts.canceller,
        }
    }

    /// Takes the session from its runtime, which may end then.
    pub(crate) fn park(self) -> io::Result<Parts<StdStream>> {
        self.into_parts().try_map(Stream::into_std)
    }

    /// Gives a session to the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a runtime with IO.
    pub(crate) fn resume(parked: Parts<StdStream>) -> io::Result<Self> {
        parked.try_map(Stream::from_std).map(Self::from_parts)
    }

    /// Says goodbye, and waits until the server has closed the connection: by then it has let go of the database.
    pub(crate) async fn close(mut self) {
        let mut goodbye = BytesMut::new();
        postgres_protocol::message::frontend::terminate(&mut goodbye);
        if self.stream.write_all(&goodbye).await.is_ok() && self.stream.flush().await.is_ok() {
            until_closed(&mut self.stream).await.ok();
        }
    }
}

impl<S> Parts<S> {
    fn try_map<T>(self, change: impl FnOnce(S) -> io::Result<T>) -> io::Result<Parts<T>> {
        Ok(Parts {
            stream: change(self.stream)?,
            buffer: self.buffer,
            parameters: self.parameters,
            canceller: self.canceller,
        })
    }
}

/// Reads on to the end. That a server hangs up without ceremony is as good.
async fn until_closed(stream: &mut Stream) -> io::Result<()> {
    let mut scrap = [0; 512];
    while stream.read(&mut scrap).await? > 0 {}
    Ok(())
}

async fn open(config: &Config) -> Result<(Plain, Peer), ConnectError> {
    let unreachable = |source| ConnectError::Unreachable {
        place: config.place(),
        source,
    };
    match config.address() {
        Address::Tcp(host, port) => {
            let socket = TcpStream::connect((&**host, *port))
                .await
                .map_err(unreachable)?;
            socket.set_nodelay(true).map_err(unreachable)?;
            let peer = Peer::Tcp(socket.peer_addr().map_err(unreachable)?);
            Ok((Plain::Tcp(socket), peer))
        }
        Address::Unix(path) => {
            let socket = UnixStream::connect(path).await.map_err(unreachable)?;
            Ok((Plain::Unix(socket), Peer::Unix(path.clone())))
        }
    }
}

/// Asks for TLS, if it is wanted, and goes through the handshake if the server is willing.
async fn agree(
    config: &Config,
    socket: Plain,
    encryption: Encryption,
) -> Result<Stream, ConnectError> {
    let mut socket = match (socket, encryption) {
        (Plain::Unix(socket), _) => return Ok(Stream::Unix(socket)),
        (Plain::Tcp(socket), Encryption::Never) => return Ok(Stream::Tcp(socket)),
        (Plain::Tcp(socket), _) => socket,
    };
    if !tls::AVAILABLE {
        return Ok(Stream::Tls(Box::new(tls::encrypt(config, socket).await?)));
    }
    let closed = |source| ConnectError::Closed {
        place: config.place(),
        source,
    };
    let mut request = BytesMut::new();
    postgres_protocol::message::frontend::ssl_request(&mut request);
    socket.write_all(&request).await.map_err(closed)?;
    // One byte and no more: whatever came with it, unencrypted, would be taken for the server's word (CVE-2021-23222).
    match socket.read_u8().await.map_err(closed)? {
        b'S' => Ok(Stream::Tls(Box::new(tls::encrypt(config, socket).await?))),
        b'N' if encryption == Encryption::Always => Err(ConnectError::Tls {
            place: config.place(),
            what: "the server has none\n\n  help: turn `ssl` on in the server, or use `sslmode=prefer` or `sslmode=disable`".to_owned(),
            source: None,
        }),
        b'N' => Ok(Stream::Tcp(socket)),
        // What cannot be read any further, such as an error before the server knows the protocol.
        other => Err(ConnectError::Protocol {
            place: config.place(),
            what: format!("it answered {} when asked for TLS", message::name(other)),
        }),
    }
}

impl Canceller {
    /// Asks the server to stop, and waits until it has passed that on: when this returns, the signal has been sent. The
    /// statement may end otherwise all the same, as it may have been done by then.
    pub(crate) async fn cancel(&self) -> Result<(), ConnectError> {
        tokio::time::timeout(PATIENCE, self.request())
            .await
            .unwrap_or_else(|_| {
                Err(ConnectError::TimedOut {
                    place: self.config.place(),
                    waited: PATIENCE,
                })
            })
    }

    async fn request(&self) -> Result<(), ConnectError> {
        const CANCEL: u32 = 80_877_102;
        let place = || self.config.place();
        let unreachable = |source| ConnectError::Unreachable {
            place: place(),
            source,
        };
        let socket = match &self.peer {
            Peer::Tcp(peer) => Plain::Tcp(TcpStream::connect(peer).await.map_err(unreachable)?),
            Peer::Unix(path) => Plain::Unix(UnixStream::connect(path).await.map_err(unreachable)?),
        };
        let encryption = if self.encrypted {
            Encryption::Always
        } else {
            Encryption::Never
        };
        let mut stream = agree(&self.config, socket, encryption).await?;
        let mut request = BytesMut::new();
        // Protocol 3.2 has longer keys; 3.0 has 4 bytes.
        let length = u32::try_from(12 + self.secret.len()).unwrap_or(u32::MAX);
        request.put_u32(length);
        request.put_u32(CANCEL);
        request.put_u32(self.process);
        request.put_slice(&self.secret);
        let closed = |source| ConnectError::Closed {
            place: place(),
            source,
        };
        stream.write_all(&request).await.map_err(closed)?;
        stream.flush().await.map_err(closed)?;
        until_closed(&mut stream).await.ok();
        Ok(())
    }

    /// The server's process.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("stream", &self.stream)
            .field("canceller", &self.canceller)
            .finish_non_exhaustive()
    }
}

/// Without the secret.
impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller")
            .field("place", &self.config.place())
            .field("peer", &self.peer)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}
