//! A client that says what it is told to, however wrong: bytes on a socket, without a driver's manners.

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than anything takes: whoever waits for longer waits for ever.
const FOREVER: Duration = Duration::from_secs(40);

/// A connection. Blocking: to be used where nobody is kept from going on.
#[derive(Debug)]
pub struct Raw(UnixStream);

/// What the server says: a tag and what is in it.
pub type Said = (u8, Vec<u8>);

/// Where a pool's server listens.
///
/// # Panics
///
/// When it is not on a socket.
#[must_use]
pub fn path_of(options: &PgConnectOptions) -> PathBuf {
    let dir = options.get_socket().expect("a directory");
    dir.join(format!(".s.PGSQL.{}", options.get_port()))
}

/// A frame.
#[must_use]
pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![tag];
    frame.extend(length(body.len() + 4));
    frame.extend(body);
    frame
}

/// A query, as a frame.
#[must_use]
pub fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

/// Parse, Bind and Execute of a statement, without a Sync.
#[must_use]
pub fn extended(sql: &str) -> Vec<u8> {
    let parse = frame(b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat());
    let bind = frame(b'B', &[0; 8]);
    [parse, bind, frame(b'E', &[0; 5])].concat()
}

/// The first packet of a client.
#[must_use]
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    for (name, value) in parameters {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    [&length(body.len() + 4)[..], &body].concat()
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a length").to_be_bytes()
}

/// A request for the end of another's statement.
#[must_use]
pub fn cancel(key: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 16, 4, 210, 22, 46][..], key].concat()
}

/// Runs what blocks where it keeps nobody from going on.
///
/// # Panics
///
/// When it does.
pub async fn aside<T: Send + 'static>(
    pool: &PgPool,
    work: impl FnOnce(&PgConnectOptions) -> T + Send + 'static,
) -> T {
    let options = pool.connect_options();
    let worked = tokio::task::spawn_blocking(move || work(&options));
    worked.await.expect("it does not panic")
}

impl Raw {
    /// Connects, and says nothing.
    ///
    /// # Panics
    ///
    /// When nobody listens.
    #[must_use]
    pub fn open(options: &PgConnectOptions) -> Self {
        let socket = UnixStream::connect(path_of(options)).expect("somebody listens");
        socket.set_read_timeout(Some(FOREVER)).expect("set");
        socket.set_write_timeout(Some(FOREVER)).expect("set");
        Self(socket)
    }

    /// Connects, and is let in; with the key by which its statements are cancelled.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[must_use]
    pub fn enter(options: &PgConnectOptions) -> (Self, Vec<u8>) {
        let mut raw = Self::open(options);
        raw.send(&startup(&[("user", options.get_username())]));
        let said = raw.until_ready();
        let key = said.into_iter().find(|(tag, _)| *tag == b'K');
        (raw, key.expect("a key").1)
    }

    /// Says this.
    ///
    /// # Panics
    ///
    /// When nobody takes it.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it is taken");
    }

    /// Says as much of this as is taken.
    pub fn try_send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).ok();
    }

    /// What is said next; `None` at the end.
    ///
    /// # Panics
    ///
    /// When nothing is said for ever.
    pub fn hear(&mut self) -> Option<Said> {
        let mut head = [0; 5];
        if let Err(error) = self.0.read_exact(&mut head) {
            assert!(!is_timeout(&error), "nothing is said: {error}");
            return None;
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length).expect("a length") - 4];
        self.0.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    /// One byte, as the answer to the question for encryption.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("a byte");
        byte[0]
    }

    /// Everything up to this, including it.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn until(&mut self, tag: u8) -> Vec<Said> {
        let mut said = Vec::new();
        while said.last().is_none_or(|(last, _)| *last != tag) {
            let heard = self.hear();
            said.push(heard.unwrap_or_else(|| panic!("the end, after {:?}", texts(&said))));
        }
        said
    }

    /// Everything up to `ReadyForQuery`.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn until_ready(&mut self) -> Vec<Said> {
        self.until(b'Z')
    }

    /// Everything up to the end, as text.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn last_words(&mut self) -> String {
        let mut said = Vec::new();
        while let Some(heard) = self.hear() {
            said.push(heard);
        }
        texts(&said).join("\n")
    }

    /// Runs a query; what the server says is as text.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub fn query(&mut self, sql: &str) -> String {
        self.send(&query(sql));
        texts(&self.until_ready()).join("\n")
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

/// Frames to look at: the tag, and what can be read.
#[must_use]
pub fn texts(said: &[Said]) -> Vec<String> {
    let text = |body: &[u8]| String::from_utf8_lossy(body).replace('\0', " ");
    let lines = said.iter();
    lines
        .map(|(tag, body)| format!("{} {}", char::from(*tag), text(body)))
        .collect()
}
