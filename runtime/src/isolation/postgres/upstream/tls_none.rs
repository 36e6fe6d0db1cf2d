//! A build without TLS: there is nothing that is encrypted.

use super::error::ConnectError;
use crate::isolation::postgres::config::Config;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Whether this build can encrypt.
pub(super) const AVAILABLE: bool = false;

/// There is none.
#[derive(Debug)]
pub(crate) enum Encrypted {}

#[expect(clippy::unused_async, reason = "it takes a while where there is TLS")]
pub(super) async fn encrypt(config: &Config, _: TcpStream) -> Result<Encrypted, ConnectError> {
    Err(ConnectError::Tls {
        place: config.place(),
        what: "heirloom was built without TLS\n\n  help: add its feature `postgres-tls`, or use `sslmode=prefer` or `sslmode=disable`".to_owned(),
        source: None,
    })
}

pub(super) fn end_point(stream: &Encrypted) -> Option<Vec<u8>> {
    match *stream {}
}

impl Encrypted {
    pub(super) fn park(&mut self) -> io::Result<()> {
        match *self {}
    }

    pub(super) fn resume(&mut self) -> io::Result<()> {
        match *self {}
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}
