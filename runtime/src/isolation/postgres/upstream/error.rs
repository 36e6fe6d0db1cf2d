//! What can go wrong at the server's door, and what a server said.

use crate::isolation::postgres::config::{Address, Place};
use std::fmt;
use std::io;
use std::time::Duration;

/// Why there is no session with the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConnectError {
    /// Nobody listens, or the way there is closed.
    #[error(
        "cannot reach PostgreSQL for {place}\n\n  help: {}",
        unreachable_help(place, source)
    )]
    Unreachable {
        /// What was wanted.
        place: Place,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The server said no.
    #[error(
        "PostgreSQL refused to open {place}: {error}{}",
        refused_help(place, error)
    )]
    Refused {
        /// What was wanted.
        place: Place,
        /// In the server's words.
        error: Box<ServerError>,
    },
    /// The server wants a password and there is none.
    #[error(
        "PostgreSQL wants a password for {place}, and there is none\n\n  help: write it into the URL, `postgres://user:password@…`, or set PGPASSWORD, or add a line to ~/.pgpass (mode 0600)"
    )]
    NoPassword {
        /// What was wanted.
        place: Place,
    },
    /// There is no encrypted connection, though there has to be one.
    #[error("no encrypted connection for {place}: {what}")]
    Tls {
        /// What was wanted.
        place: Place,
        /// What is wrong, and what to do.
        what: String,
        /// Why.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A way to log in that this cannot do.
    #[error(
        "PostgreSQL asks for {method} for {place}, which is not supported\n\n  help: allow `scram-sha-256` or `trust` for this role in the server's pg_hba.conf"
    )]
    Method {
        /// What was wanted.
        place: Place,
        /// Its name.
        method: String,
    },
    /// What answers is no PostgreSQL, or is out of step.
    #[error(
        "what answers for {place} does not speak as PostgreSQL does: {what}\n\n  help: is the port that of another service?"
    )]
    Protocol {
        /// What was wanted.
        place: Place,
        /// What it said.
        what: String,
    },
    /// The server went away during the login.
    #[error(
        "the connection for {place} was closed during the login\n\n  help: the server's log says why; it may be shutting down, or a proxy in between may not reach it"
    )]
    Closed {
        /// What was wanted.
        place: Place,
        /// What the socket said.
        #[source]
        source: io::Error,
    },
    /// The server did not answer.
    #[error(
        "PostgreSQL did not open {place} within {waited:?}\n\n  help: is the server overloaded, or does something in between swallow packets?"
    )]
    TimedOut {
        /// What was wanted.
        place: Place,
        /// For how long.
        waited: Duration,
    },
}

impl ConnectError {
    /// The server's code, if the server said anything.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => Some(&error.code),
            _ => None,
        }
    }

    /// Whether it may be better in a moment: the server starts or stops, or all its connections are taken.
    #[cfg(all(test, feature = "postgres-tls"))]
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => source.kind() == io::ErrorKind::ConnectionRefused,
            _ => matches!(self.code(), Some("53300" | "57P03" | "57P01")),
        }
    }
}

fn unreachable_help(place: &Place, error: &io::Error) -> String {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    match (&place.address, error.kind()) {
        (Address::Unix(_), NotFound) => "no server has its socket there: start it, or name the directory of its socket, `?host=/var/run/postgresql`, or a host".to_owned(),
        (Address::Unix(path), PermissionDenied) => format!("this user may not open {}", path.display()),
        (address, ConnectionRefused) => format!("nothing listens on {address}: start the server, or correct DATABASE_URL (PGHOST, PGPORT)"),
        (Address::Tcp(host, _), _) => format!("can this machine reach the host `{host}`?"),
        (Address::Unix(_), _) => "is this a server's socket?".to_owned(),
    }
}

fn refused_help(place: &Place, error: &ServerError) -> String {
    let Place { user, database, .. } = place;
    let help = match &*error.code {
        "28P01" => "correct the password in the URL, in PGPASSWORD or in ~/.pgpass".to_owned(),
        "28000" if error.message.contains("pg_hba.conf") => {
            let tls = if super::tls::AVAILABLE {
                "`sslmode`"
            } else {
                "heirloom's feature `postgres-tls` for an encrypted connection"
            };
            format!(
                "allow it in the server's pg_hba.conf, or try another host or {tls}; the line would be: `host {database} {user} <address> scram-sha-256`"
            )
        }
        "28000" => {
            format!("create the role, `CREATE ROLE \"{user}\" LOGIN`, or name another in the URL")
        }
        "3D000" => format!("create it, `createdb {database}`, or name another in the URL"),
        "42501" => format!("`GRANT CONNECT ON DATABASE \"{database}\" TO \"{user}\"`"),
        "53300" => "raise the server's max_connections, or run fewer tests at once".to_owned(),
        "57P03" => "the server is starting or stopping: try again in a moment".to_owned(),
        _ => return String::new(),
    };
    format!("\n\n  help: {help}")
}

/// An error as the server words it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, never translated if the server is 9.6 or later.
    pub(crate) severity: String,
    /// SQLSTATE.
    pub(crate) code: String,
    /// What it says.
    pub(crate) message: String,
    /// More of it.
    pub(crate) detail: Option<String>,
    /// What the server would try.
    pub(crate) hint: Option<String>,
    /// Where in the statement, in characters from 1.
    pub(crate) position: Option<u32>,
}

impl ServerError {
    /// The fields of an `ErrorResponse`. Anything unreadable in it is left out.
    pub(crate) fn parse(mut body: &[u8]) -> Self {
        let mut error = Self::default();
        while let [kind, rest @ ..] = body
            && *kind != 0
        {
            let end = rest
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(rest.len());
            let text = || String::from_utf8_lossy(&rest[..end]).into_owned();
            match kind {
                b'S' if error.severity.is_empty() => error.severity = text(),
                b'V' => error.severity = text(),
                b'C' => error.code = text(),
                b'M' => error.message = text(),
                b'D' => error.detail = Some(text()),
                b'H' => error.hint = Some(text()),
                b'P' => error.position = text().parse().ok(),
                _ => {}
            }
            body = rest.get(end + 1..).unwrap_or_default();
        }
        error
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.code.is_empty() {
            write!(f, " (SQLSTATE {})", self.code)?;
        }
        for (name, text) in [("detail", &self.detail), ("hint", &self.hint)] {
            if let Some(text) = text {
                write!(f, "\n  {name}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ServerError {}

/// Why an internal statement has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// The server refused it; the session goes on, unless it is fatal.
    #[error(transparent)]
    Server(#[from] Box<ServerError>),
    /// The backend is gone.
    #[error("the connection to PostgreSQL was lost")]
    Lost(#[source] io::Error),
    /// The backend is out of step, and of no more use.
    #[error("PostgreSQL answered out of step: {0}")]
    Protocol(String),
}

impl QueryError {
    /// Whether the session is of no more use.
    pub(crate) fn is_fatal(&self) -> bool {
        match self {
            Self::Server(error) => matches!(&*error.severity, "FATAL" | "PANIC"),
            Self::Lost(_) | Self::Protocol(_) => true,
        }
    }

    /// The server's code, if the server said anything.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(&error.code),
            _ => None,
        }
    }
}
