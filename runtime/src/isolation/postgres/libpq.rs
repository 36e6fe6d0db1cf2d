//! Where a database is, as libpq and what is built on it read it from the environment: `psql`, `pg_dump`, psycopg.

use super::config::{Address, Config};
use sqlx::postgres::PgSslMode;

/// The variables that lead to where this URL leads. None for one that cannot be read.
pub(crate) fn libpq_variables(url: &str) -> Vec<(&'static str, String)> {
    Config::from_url(url)
        .map(|config| variables(&config))
        .unwrap_or_default()
}

fn variables(config: &Config) -> Vec<(&'static str, String)> {
    let (host, port) = match config.address() {
        Address::Tcp(host, port) => (host.clone(), port.to_string()),
        Address::Unix(socket) => {
            let name = socket.file_name().unwrap_or_default().to_string_lossy();
            let port = name.strip_prefix(".s.PGSQL.").unwrap_or_default();
            let dir = socket.parent().unwrap_or(socket);
            (dir.display().to_string(), port.to_owned())
        }
    };
    let mut variables = vec![
        ("PGHOST", host),
        ("PGPORT", port),
        ("PGUSER", config.user().to_owned()),
        ("PGDATABASE", config.database().to_owned()),
        ("PGSSLMODE", name_of(config.ssl_mode()).to_owned()),
    ];
    let password = config.password();
    variables.extend(password.map(|password| ("PGPASSWORD", password.to_owned())));
    variables
}

fn name_of(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Vec<(&'static str, String)> {
        let mut variables = libpq_variables(url);
        variables.sort();
        variables
    }

    #[test]
    fn a_socket_and_an_address_are_told_alike() {
        let socket = of("postgres://token@%2Fa%20dir:7/shop?sslmode=disable");
        let expected = [
            ("PGDATABASE", "shop"),
            ("PGHOST", "/a dir"),
            ("PGPORT", "7"),
            ("PGSSLMODE", "disable"),
            ("PGUSER", "token"),
        ];
        assert_eq!(
            socket,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
        let address = of("postgres://ada:p%40ss@localhost:5433/shop?sslmode=verify-full");
        let expected = [
            ("PGDATABASE", "shop"),
            ("PGHOST", "localhost"),
            ("PGPASSWORD", "p@ss"),
            ("PGPORT", "5433"),
            ("PGSSLMODE", "verify-full"),
            ("PGUSER", "ada"),
        ];
        assert_eq!(
            address,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_read_leads_nowhere() {
        assert_eq!(of("sqlite:///tmp/a"), []);
        assert_eq!(of("postgres://[::1"), []);
    }
}
