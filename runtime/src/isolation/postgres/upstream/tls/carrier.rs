//! The socket beneath TLS, which can change its runtime while the state above it stays where it is.

use std::io;
use std::net::TcpStream as StdTcp;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What TLS runs over: its state stays where it is while the socket beneath it changes its runtime.
#[derive(Debug)]
pub(crate) enum Carrier {
    /// On a runtime.
    Running(TcpStream),
    /// On its way.
    Parked(StdTcp),
    /// While one becomes the other, or after that failed.
    Gone,
}

impl Carrier {
    pub(super) fn park(&mut self) -> io::Result<()> {
        if let Self::Running(socket) = std::mem::replace(self, Self::Gone) {
            *self = Self::Parked(socket.into_std()?);
        }
        Ok(())
    }

    pub(super) fn resume(&mut self) -> io::Result<()> {
        if let Self::Parked(socket) = std::mem::replace(self, Self::Gone) {
            *self = Self::Running(TcpStream::from_std(socket)?);
        }
        Ok(())
    }

    fn running(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        match self {
            Self::Running(socket) => Ok(Pin::new(socket)),
            Self::Parked(_) | Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.running()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.running()?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.running()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.running()?.poll_shutdown(cx)
    }
}
