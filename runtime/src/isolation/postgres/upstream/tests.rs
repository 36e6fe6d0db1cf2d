//! Logins at a real server in every way, and at servers that are none.

mod hostile;
mod real;
mod throwaway;

pub(in crate::isolation::postgres) use throwaway::Throwaway;
