//! From the startup message to the first `ReadyForQuery`.

use super::Client;
use crate::endpoint::Endpoint;
use bytes::{Buf as _, Bytes, BytesMut};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use std::io;
use tokio::io::AsyncWriteExt as _;

impl Client {
    pub(super) async fn login(
        &mut self,
        endpoint: &Endpoint,
        parameters: &[(&str, &str)],
    ) -> io::Result<()> {
        let names = [
            ("user", &*endpoint.user),
            ("database", &*endpoint.database),
            ("client_encoding", "UTF8"),
        ];
        let mut startup = BytesMut::new();
        let all = names.into_iter().chain(parameters.iter().copied());
        frontend::startup_message(all, &mut startup)?;
        self.socket.write_all(&startup).await?;
        let mut scram = None;
        loop {
            let mut frame = self.frame().await?;
            match frame.tag {
                b'R' => self.prove(endpoint, &mut frame.body, &mut scram).await?,
                b'S' => self.parameter(&frame),
                b'K' | b'N' | b'v' => {}
                b'Z' => {
                    self.changed.clear();
                    return Ok(());
                }
                _ => return Err(refused(&frame.body.escape_ascii().to_string())),
            }
        }
    }

    async fn prove(
        &mut self,
        endpoint: &Endpoint,
        body: &mut Bytes,
        scram: &mut Option<ScramSha256>,
    ) -> io::Result<()> {
        if body.len() < 4 {
            return Err(refused("an authentication request that says nothing"));
        }
        let password = endpoint.password.as_deref().unwrap_or_default();
        let mut reply = BytesMut::new();
        match (body.get_u32(), scram.as_mut()) {
            (0, _) => {}
            (3, _) => frontend::password_message(password.as_bytes(), &mut reply)?,
            (5, _) => {
                let salt = body.first_chunk().copied().unwrap_or_default();
                let hash = md5_hash(endpoint.user.as_bytes(), password.as_bytes(), salt);
                frontend::password_message(hash.as_bytes(), &mut reply)?;
            }
            (10, _) => {
                let first = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
                frontend::sasl_initial_response(SCRAM_SHA_256, first.message(), &mut reply)?;
                *scram = Some(first);
            }
            (11, Some(scram)) => {
                scram.update(body)?;
                frontend::sasl_response(scram.message(), &mut reply)?;
            }
            (12, Some(scram)) => scram.finish(body)?,
            (method, _) => {
                return Err(refused(&format!("authentication method {method}")));
            }
        }
        self.socket.write_all(&reply).await
    }
}

fn refused(what: &str) -> io::Error {
    io::Error::other(format!("the login failed: {what}"))
}
