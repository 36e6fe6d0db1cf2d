//! One connection of a client that keeps every frame it gets.

mod login;

use crate::answers::{Answers, Next, Unexpected};
use crate::endpoint::{Address, Endpoint};
use crate::message::{Frame, Message};
use crate::script::Batch;
use crate::transcript::{Event, Transcript};
use bytes::BytesMut;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A connection that is logged in.
pub struct Client {
    socket: Box<dyn Socket>,
    read: BytesMut,
    answers: Answers,
    /// The server's parameters as it told them last.
    parameters: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What changed of them since the last answer.
    changed: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Notifications since the last `ReadyForQuery`: where before the next one they come depends on who is faster.
    notifications: Vec<Frame>,
    /// What the last `ReadyForQuery` said.
    status: u8,
    open: bool,
    patience: Duration,
}

impl Client {
    /// Logs in, with these parameters in the startup message.
    ///
    /// # Errors
    ///
    /// What the socket or the server said, or that it said nothing for as long as `patience`.
    pub async fn connect(
        endpoint: &Endpoint,
        parameters: &[(&str, &str)],
        patience: Duration,
    ) -> io::Result<Self> {
        let login = async {
            let socket: Box<dyn Socket> = match &endpoint.address {
                Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Address::Tcp(host, port) => {
                    let socket = TcpStream::connect((&**host, *port)).await?;
                    socket.set_nodelay(true)?;
                    Box::new(socket)
                }
            };
            let mut client = Self {
                socket,
                read: BytesMut::with_capacity(16 * 1024),
                answers: Answers::default(),
                parameters: BTreeMap::new(),
                changed: BTreeMap::new(),
                notifications: Vec::new(),
                status: b'I',
                open: true,
                patience,
            };
            client.login(endpoint, parameters).await?;
            Ok(client)
        };
        tokio::time::timeout(patience, login)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Where the last `ReadyForQuery` left the transaction: `I`, `T` or `E`.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.status
    }

    /// Whether the server still answers.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The server's parameters as it told them last.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.parameters
    }

    /// Sends a batch and keeps everything that comes back. A server that hangs up or falls silent is in the transcript.
    pub async fn exchange(&mut self, batch: &Batch) -> Transcript {
        let mut transcript = Transcript::default();
        let patience = self.patience;
        let talk = self.talk(batch, &mut transcript);
        let ended = match tokio::time::timeout(patience, talk).await {
            Ok(Ok(())) => return transcript,
            Ok(Err(error)) => Event::Closed(error.to_string()),
            Err(_) => Event::Silence(patience),
        };
        self.open = false;
        transcript.push(ended);
        transcript
    }

    async fn talk(&mut self, batch: &Batch, transcript: &mut Transcript) -> io::Result<()> {
        self.send(&batch.messages, &batch.chunks).await?;
        let mut copies = batch.copies.iter();
        while !self.answers.are_complete() {
            let frame = self.frame().await?;
            let ends = is_fatal(&frame);
            let next = self.note(frame, transcript);
            if ends {
                return Err(io::Error::other("that error was the last answer"));
            }
            match next {
                Ok(Next::Read) => {}
                Ok(Next::Copy { sync }) => {
                    let none = vec![Message::CopyFail("no data".to_owned())];
                    let mut reply = copies.next().unwrap_or(&none).clone();
                    reply.extend(sync.then_some(Message::Sync));
                    self.send_copy(&reply).await?;
                }
                Err(Unexpected) => {
                    transcript.push(Event::Unexpected);
                    return Err(io::Error::other("an answer to nothing that was asked"));
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, frame: Frame, transcript: &mut Transcript) -> Result<Next, Unexpected> {
        let next = self.answers.received(frame.tag);
        match frame.tag {
            // Told when it is known which of them are news.
            b'S' => {
                self.parameter(&frame);
                return next;
            }
            b'A' => {
                self.notifications.push(frame);
                return next;
            }
            b'Z' => {
                self.status = frame.body.first().copied().unwrap_or_default();
                let notifications = self.notifications.drain(..).map(Event::Frame);
                notifications.for_each(|event| transcript.push(event));
            }
            _ => {}
        }
        for (name, value) in std::mem::take(&mut self.changed) {
            transcript.push(Event::Parameter(name, value));
        }
        transcript.push(Event::Frame(frame));
        next
    }

    fn parameter(&mut self, frame: &Frame) {
        let mut parts = frame.body.split(|&byte| byte == 0);
        let name = parts.next().unwrap_or_default().to_vec();
        let value = parts.next().unwrap_or_default().to_vec();
        if self.parameters.get(&name) == Some(&value) {
            return;
        }
        self.parameters.insert(name.clone(), value.clone());
        self.changed.insert(name, value);
    }

    async fn send(&mut self, messages: &[Message], chunks: &[usize]) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        for message in messages {
            message.write(&mut bytes);
            self.answers.sent(message);
        }
        let mut chunks = chunks.iter().cycle();
        while !bytes.is_empty() {
            let size = chunks.next().map_or(bytes.len(), |&size| size.max(1));
            let chunk = bytes.split_to(size.min(bytes.len()));
            self.socket.write_all(&chunk).await?;
            self.socket.flush().await?;
            if !bytes.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Of what is copied in, only the `Sync` behind it has an answer of its own.
    async fn send_copy(&mut self, messages: &[Message]) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        for message in messages {
            message.write(&mut bytes);
            if *message == Message::Sync {
                self.answers.sent(message);
            }
        }
        self.socket.write_all(&bytes).await?;
        self.socket.flush().await
    }

    async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = Frame::cut(&mut self.read) {
                return Ok(frame);
            }
            if self.socket.read_buf(&mut self.read).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection",
                ));
            }
        }
    }

    /// Says goodbye, without waiting for the server to go.
    pub async fn close(mut self) {
        self.socket.write_all(b"X\0\0\0\x04").await.ok();
        self.socket.shutdown().await.ok();
    }
}

/// Whether nothing comes after this.
fn is_fatal(frame: &Frame) -> bool {
    let mut fields = frame.body.split(|&byte| byte == 0);
    frame.tag == b'E' && fields.any(|field| matches!(field, b"VFATAL" | b"VPANIC"))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("status", &char::from(self.status))
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}
