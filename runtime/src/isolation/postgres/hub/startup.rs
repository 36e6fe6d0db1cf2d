//! The beginning of a connection, up to its first `ReadyForQuery`.

use super::client::Client;
use super::greeting::fatal;
use super::turn::{Grace, Turn};
use super::{Shared, lock};
use crate::isolation::postgres::frame::{Opening, Startup, open, to_client};
use crate::isolation::postgres::session::Lost;
use crate::isolation::postgres::settings::{Settings, assign};
use bytes::{Buf as _, BytesMut};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The newest minor version of the protocol that is spoken here.
const MINOR: u16 = 0;

/// What a client says of itself at its start.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    settings: Settings,
    /// In one piece.
    fingerprint: Vec<u8>,
    /// What it is to know of the protocol, if it asked for a newer one.
    negotiation: BytesMut,
}

/// A client that was refused: this is to be sent to it.
pub(super) type Refused = BytesMut;

/// Reads what a client says first. `None`: nothing more is to be said to it.
pub(super) async fn introduction(
    shared: &Shared,
    socket: &mut UnixStream,
    input: &mut BytesMut,
) -> Option<Result<Introduction, Refused>> {
    loop {
        let step = match open(input) {
            Ok(None) => Step::More,
            Ok(Some((Opening::Tls | Opening::Gss, size))) => Step::Plain(size),
            Ok(Some((Opening::Cancel { secret, .. }, _))) => {
                shared.cancel_of(secret);
                return None;
            }
            Ok(Some((Opening::Startup(startup), size))) => {
                let read = read(shared, &startup);
                Step::Done(size, read)
            }
            Err(broken) => {
                let mut out = BytesMut::new();
                fatal(&mut out, "08P01", &broken.to_string(), None);
                return Some(Err(out));
            }
        };
        match step {
            Step::More => {
                if socket.read_buf(input).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
            Step::Plain(size) => {
                input.advance(size);
                socket.write_all(b"N").await.ok()?;
            }
            Step::Done(size, read) => {
                input.advance(size);
                return Some(read);
            }
        }
    }
}

enum Step {
    More,
    /// It asked whether it may encrypt.
    Plain(usize),
    Done(usize, Result<Introduction, Refused>),
}

fn read(shared: &Shared, startup: &Startup<'_>) -> Result<Introduction, Refused> {
    let refused = |sqlstate, message: String, hint: Option<&str>| {
        let mut out = BytesMut::new();
        fatal(&mut out, sqlstate, &message, hint);
        Err(out)
    };
    let text = |name: &[u8]| {
        let value = startup.parameters.get(name).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    if text(b"user") != shared.token {
        let hint = "Take the whole URL from `sandbox.database_url()`, or the options from the test's own pool, in the test that uses them.";
        let message = "the user name is not the token of a running test".to_owned();
        return refused("28000", message, Some(hint));
    }
    if let Some(why) = shared.end.get() {
        return refused(super::greeting::ENDED, why.clone(), None);
    }
    let database = text(b"database");
    if !database.is_empty() && database != shared.database && database != shared.token {
        let hint = format!("A test's connections are all to `{}`.", shared.database);
        let message = format!("database \"{database}\" does not exist");
        return refused("3D000", message, Some(&hint));
    }
    if !matches!(&*text(b"replication"), "" | "false" | "off" | "no" | "0") {
        let message = "a test's session cannot replicate".to_owned();
        return refused("0A000", message, Some(super::ADVICE));
    }
    Ok(introduced(startup))
}

fn introduced(startup: &Startup<'_>) -> Introduction {
    let mut introduction = Introduction::default();
    let mut set = |name: &[u8], value: &[u8]| {
        let name = name.to_ascii_lowercase();
        introduction.settings.set(&name, &assign(&name, value));
    };
    for (name, value) in startup.parameters.iter() {
        match name {
            b"user" | b"database" | b"replication" => {}
            b"options" => {
                for (name, value) in switches(value) {
                    set(&name, &value);
                }
            }
            name if name.starts_with(b"_pq_.") => {}
            name => set(name, value),
        }
    }
    introduction.fingerprint = introduction.settings.fingerprint().to_vec();
    if let Some((minor, options)) = startup.negotiate(MINOR) {
        let out = &mut introduction.negotiation;
        to_client::negotiate_protocol_version(out, minor, &options);
    }
    introduction
}

/// Settings as on a server's command line: `-c name=value`, `--name=value`, blanks escaped by backslashes.
fn switches(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let (mut word, mut bytes) = (Vec::new(), text.iter().copied());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => word.extend(bytes.next()),
            byte if byte.is_ascii_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            byte => word.push(byte),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let assignment = match &*word {
            b"-c" => words.next().unwrap_or_default(),
            word => {
                let assignment = word.strip_prefix(b"-c").or(word.strip_prefix(b"--"));
                assignment.unwrap_or_default().to_vec()
            }
        };
        if let Some(at) = assignment.iter().position(|&byte| byte == b'=') {
            let mut name = assignment[..at].to_vec();
            // `--name-with-dashes` is `name_with_dashes`.
            for byte in &mut name {
                if *byte == b'-' {
                    *byte = b'_';
                }
            }
            settings.push((name, assignment[at + 1..].to_vec()));
        }
    }
    settings
}

/// Lets a client in: with settings that no one began with before, the server is asked what it makes of them.
pub(super) async fn welcome(
    shared: &Arc<Shared>,
    client: &mut Client,
    introduction: Introduction,
) -> Result<(), Welcome> {
    let Introduction {
        settings,
        fingerprint,
        negotiation,
    } = introduction;
    client.out.unsplit(negotiation);
    let parameters = if let Some(parameters) = shared.known_greeting(&fingerprint) {
        parameters
    } else {
        let turn = shared.turn(client.id, Grace::Statement).await;
        let mut turn = turn.map_err(|_| Welcome::Ended)?;
        let tried = ask(shared, &mut turn, client, &settings).await;
        if let Ok(Ok(parameters)) = &tried {
            let known = Arc::new(parameters.clone());
            turn.session.accepted.insert(fingerprint.clone(), known);
        }
        turn.end();
        let parameters = tried.map_err(Welcome::Lost)?.map_err(Welcome::Refused)?;
        let parameters = Arc::new(parameters);
        lock(&shared.greetings).insert(fingerprint, Arc::clone(&parameters));
        (*parameters).clone()
    };
    client.base = settings.clone();
    client.settings = settings;
    shared.welcome(&mut client.out, client.mailbox.secret, &parameters);
    client.told = parameters;
    Ok(())
}

/// Why a client is not let in.
pub(super) enum Welcome {
    /// The owner has ended.
    Ended,
    /// The server does not take its settings.
    Refused(Refused),
    Lost(Lost),
}

async fn ask(
    shared: &Shared,
    turn: &mut Turn,
    client: &mut Client,
    settings: &Settings,
) -> Result<Result<std::collections::BTreeMap<String, String>, Refused>, Lost> {
    let mut batch = super::batch::Batch::new(shared, turn, client);
    let accepted = batch.introduce(settings).await?;
    Ok(accepted.map(|()| turn.session.parameters().clone()))
}
