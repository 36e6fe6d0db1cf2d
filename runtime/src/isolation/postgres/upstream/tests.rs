//! Logins at a real server in every way, and at servers that are none.

mod hostile;
#[cfg(not(feature = "postgres-tls"))]
mod plain;
#[cfg(feature = "postgres-tls")]
mod real;
mod throwaway;

pub(in crate::isolation::postgres) use throwaway::Throwaway;
