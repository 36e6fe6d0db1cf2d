//! Where a server listens, and as whom to log in there.

use std::path::PathBuf;

/// One side of the comparison.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// The role, or whatever the candidate takes for one.
    pub user: String,
    /// For servers that ask.
    pub password: Option<String>,
    /// The database.
    pub database: String,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A unix socket's file.
    Unix(PathBuf),
    /// Host and port.
    Tcp(String, u16),
}

impl Endpoint {
    /// On a unix socket, without a password.
    #[must_use]
    pub fn unix(socket: impl Into<PathBuf>, user: &str, database: &str) -> Self {
        Self {
            address: Address::Unix(socket.into()),
            user: user.to_owned(),
            password: None,
            database: database.to_owned(),
        }
    }

    /// The same, but another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    /// From `postgres://user:password@host:port/database?host=/directory&port=5432&user=name`. No TLS: this is for
    /// servers on this machine.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL.
    pub fn from_url(url: &str) -> Result<Self, String> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| format!("`{url}` does not begin with `postgres://`"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (account, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = account.split_once(':').unwrap_or((account, ""));
        let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
        let mut parts = Parts {
            user: decoded(user)?,
            password: decoded(password)?,
            host: decoded(host)?,
            port: port.to_owned(),
            database: decoded(database)?,
        };
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = decoded(value)?;
            match name {
                "user" => parts.user = value,
                "password" => parts.password = value,
                "host" => parts.host = value,
                "port" => parts.port = value,
                "dbname" => parts.database = value,
                _ => {}
            }
        }
        parts.endpoint()
    }
}

struct Parts {
    user: String,
    password: String,
    host: String,
    port: String,
    database: String,
}

impl Parts {
    fn endpoint(self) -> Result<Endpoint, String> {
        let port = match &*self.port {
            "" => 5432,
            port => port
                .parse()
                .map_err(|_| format!("`{port}` is not a port"))?,
        };
        let address = match &*self.host {
            "" => Address::Tcp("localhost".to_owned(), port),
            directory if directory.starts_with('/') => {
                Address::Unix(PathBuf::from(directory).join(format!(".s.PGSQL.{port}")))
            }
            host => Address::Tcp(host.to_owned(), port),
        };
        let user = match self.user {
            user if user.is_empty() => "postgres".to_owned(),
            user => user,
        };
        Ok(Endpoint {
            address,
            password: (!self.password.is_empty()).then_some(self.password),
            database: match self.database {
                database if database.is_empty() => user.clone(),
                database => database,
            },
            user,
        })
    }
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        rest = more;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.ok_or_else(|| format!("`{text}` has a `%` without two hex digits"))?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| format!("`{text}` is not UTF-8"))
}
