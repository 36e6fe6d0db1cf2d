//! The socket to the server, which can move between runtimes.

use super::tls::Encrypted;
use crate::isolation::postgres::kernel;
use std::io;
use std::net::TcpStream as StdTcp;
use std::os::unix::net::UnixStream as StdUnix;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket of the runtime it was made on; [`Stream::into_std`] takes it along to another.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Plain.
    Tcp(TcpStream),
    /// Plain.
    Unix(UnixStream),
    /// Encrypted.
    Tls(Box<Encrypted>),
}

/// A socket of no runtime.
#[derive(Debug)]
pub(crate) enum StdStream {
    /// Plain.
    Tcp(StdTcp),
    /// Plain.
    Unix(StdUnix),
    /// Encrypted; the socket within is one of no runtime.
    Tls(Box<Encrypted>),
}

impl Stream {
    /// Takes the socket from its runtime. TLS comes along, with what it has read already.
    pub(crate) fn into_std(self) -> io::Result<StdStream> {
        Ok(match self {
            Self::Tcp(socket) => StdStream::Tcp(socket.into_std()?),
            Self::Unix(socket) => StdStream::Unix(socket.into_std()?),
            Self::Tls(mut tls) => {
                tls.park()?;
                StdStream::Tls(tls)
            }
        })
    }

    /// Gives the socket to the current runtime.
    ///
    /// # Panics
    ///
    /// Outside a runtime with IO.
    pub(crate) fn from_std(stream: StdStream) -> io::Result<Self> {
        Ok(match stream {
            StdStream::Tcp(socket) => Self::Tcp(TcpStream::from_std(socket)?),
            StdStream::Unix(socket) => Self::Unix(UnixStream::from_std(socket)?),
            StdStream::Tls(mut tls) => {
                tls.resume()?;
                Self::Tls(tls)
            }
        })
    }

    /// Whether something is there to be read, by the system: the runtime may not have heard of it yet. Not known where the
    /// socket is encrypted.
    pub(crate) fn is_readable(&self) -> bool {
        match self {
            Self::Tcp(socket) => kernel::is_readable(socket),
            Self::Unix(socket) => kernel::is_readable(socket),
            Self::Tls(_) => false,
        }
    }

    /// Whether others on the way can read along.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Self::Unix(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(&mut **socket).poll_shutdown(cx),
        }
    }
}
