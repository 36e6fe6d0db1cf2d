//! Where the server is and how to log in, read by `sqlx` itself, so that both read it the same way.

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// Where the server is and how to log in.
///
/// `sqlx` reads the URL, the `PG*` variables and `.pgpass`. What its options do not show again (the password, the
/// certificates) is read from the URL it makes of them.
#[derive(Clone)]
pub(crate) struct Config {
    options: PgConnectOptions,
    address: Address,
    password: Option<String>,
    certificates: Certificates,
}

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host name or an address without brackets, and a port.
    Tcp(String, u16),
    /// The socket's own path, not that of its directory.
    Unix(PathBuf),
}

/// What TLS uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Certificates {
    /// Authorities that are trusted beside the system's.
    pub(crate) root: Option<Pem>,
    /// The client's certificate.
    pub(crate) client: Option<Pem>,
    /// The client's key.
    pub(crate) key: Option<Pem>,
}

/// A text in PEM, or the file it is in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Pem {
    /// In a file.
    File(PathBuf),
    /// Itself, perhaps a key.
    Inline(String),
}

/// Who logs in where; the part of every message that says which server and account were meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the server listens.
    pub(crate) address: Address,
    /// The role.
    pub(crate) user: String,
    /// The database.
    pub(crate) database: String,
}

/// The URL cannot be read. The text never holds the URL, because that may hold a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A URL of something else.
    #[error(
        "the database URL starts with `{scheme}:`, which is not PostgreSQL\n\n  help: write `postgres://user:password@host:5432/database`"
    )]
    Scheme {
        /// As written.
        scheme: String,
    },
    /// What `sqlx` says of it.
    #[error(
        "the database URL cannot be read\n\n  help: write `postgres://user:password@host:5432/database`, special characters in user and password percent-encoded (`@` is `%40`, `/` is `%2F`, `#` is `%23`)"
    )]
    Url(#[source] sqlx::Error),
}

impl Config {
    /// Reads a URL; what it leaves open comes from the `PG*` variables and `.pgpass`.
    pub(crate) fn from_url(url: &str) -> Result<Self, ConfigError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme.trim());
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char));
        if is_scheme
            && !scheme.eq_ignore_ascii_case("postgres")
            && !scheme.eq_ignore_ascii_case("postgresql")
        {
            return Err(ConfigError::Scheme {
                scheme: scheme.to_owned(),
            });
        }
        let options: PgConnectOptions = url.parse().map_err(ConfigError::Url)?;
        Ok(Self::from(options))
    }

    /// As an application that calls `PgConnectOptions::new()`: from the `PG*` variables and `.pgpass` alone.
    #[cfg(test)]
    pub(crate) fn from_env() -> Self {
        Self::from(PgConnectOptions::new())
    }

    /// The same login for another database.
    #[must_use]
    pub(crate) fn with_database(&self, database: &str) -> Self {
        let mut other = self.clone();
        other.options = other.options.database(database);
        other
    }

    /// For `sqlx`. It knows neither `allow` nor falling back from `prefer`, so it is told what the server agreed to.
    pub(crate) fn options(&self, tls: bool) -> PgConnectOptions {
        let mode = match (tls, self.options.get_ssl_mode()) {
            (false, _) => PgSslMode::Disable,
            (true, PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer) => PgSslMode::Require,
            (true, mode) => mode,
        };
        self.options.clone().ssl_mode(mode)
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The role that logs in.
    pub(crate) fn user(&self) -> &str {
        self.options.get_username()
    }

    /// From the URL, `PGPASSWORD` or `.pgpass`.
    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The named database, else the one with the role's name, as the server does.
    pub(crate) fn database(&self) -> &str {
        self.options.get_database().unwrap_or(self.user())
    }

    /// Whether to use TLS. On a unix socket there is none, whatever was asked for.
    pub(crate) fn ssl_mode(&self) -> PgSslMode {
        match self.address {
            Address::Tcp(..) => self.options.get_ssl_mode(),
            Address::Unix(_) => PgSslMode::Disable,
        }
    }

    /// What TLS uses.
    #[cfg(any(test, feature = "postgres-tls"))]
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// What the application calls itself.
    pub(crate) fn application_name(&self) -> Option<&str> {
        self.options.get_application_name()
    }

    /// Settings as command-line switches, `-c name=value`.
    pub(crate) fn switches(&self) -> Option<&str> {
        self.options.get_options()
    }

    /// Who logs in where.
    pub(crate) fn place(&self) -> Place {
        Place {
            address: self.address.clone(),
            user: self.user().to_owned(),
            database: self.database().to_owned(),
        }
    }
}

impl From<PgConnectOptions> for Config {
    fn from(options: PgConnectOptions) -> Self {
        let port = options.get_port();
        let socket = |dir: &std::path::Path| {
            // As sqlx joins it: a path may end in a slash already.
            Address::Unix(PathBuf::from(format!("{}/.s.PGSQL.{port}", dir.display())))
        };
        let address = match options.get_socket() {
            Some(dir) => socket(dir),
            None if options.get_host().starts_with('/') => socket(options.get_host().as_ref()),
            // The URL of an IPv6 address has brackets.
            None => Address::Tcp(options.get_host().trim_matches(['[', ']']).to_owned(), port),
        };
        let (password, certificates) = hidden(&options);
        Self {
            options,
            address,
            password,
            certificates,
        }
    }
}

/// What the options hold without a getter. The names are replaced first: sqlx does not escape them, and panics if they
/// make no URL.
fn hidden(options: &PgConnectOptions) -> (Option<String>, Certificates) {
    let mut harmless = options.clone().username("u").host("h").database("d");
    if harmless.get_socket().is_some() {
        harmless = harmless.socket("/s");
    }
    let mut url = harmless.to_url_lossy();
    let mut certificates = Certificates::default();
    for (key, value) in url.query_pairs() {
        let pem = || Some(Pem::read(&value));
        match &*key {
            "sslrootcert" => certificates.root = pem(),
            "sslcert" => certificates.client = pem(),
            "sslkey" => certificates.key = pem(),
            _ => {}
        }
    }
    // A pair of a query is decoded by the URL itself; sqlx encodes everything that is not a letter or a digit.
    let encoded = url.password().map(|password| format!("={password}"));
    let password = encoded.and_then(|encoded| {
        url.set_query(Some(&encoded));
        url.query_pairs()
            .next()
            .map(|(_, value)| value.into_owned())
    });
    (password, certificates)
}

impl Pem {
    /// As sqlx prints it.
    fn read(text: &str) -> Self {
        if text.trim_start().starts_with("-----BEGIN") {
            Self::Inline(text.to_owned())
        } else {
            Self::File(text.strip_prefix("file: ").unwrap_or(text).into())
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Inline(_) => f.write_str("(inline)"),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("place", &self.place().to_string())
            .field("password", &self.password.as_ref().map(|_| "(hidden)"))
            .field("ssl_mode", &self.ssl_mode())
            .field("certificates", &self.certificates)
            .field("application_name", &self.application_name())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            user,
            database,
        } = self;
        write!(f, "database `{database}` at {address} as `{user}`")
    }
}
