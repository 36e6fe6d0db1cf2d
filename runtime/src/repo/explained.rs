//! A database's error with the reason that only heirloom knows. To code it is what it was.

use crate::error::{BoxError, Error};
use sqlx::error::{DatabaseError, ErrorKind};
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// An error of a database, explained.
#[derive(Debug)]
pub(super) struct Explained {
    inner: Box<dyn DatabaseError>,
    why: Error,
}

impl Explained {
    pub(super) fn of(inner: Box<dyn DatabaseError>, why: Error) -> Self {
        Self { inner, why }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}", self.inner, self.why)
    }
}

impl StdError for Explained {}

impl DatabaseError for Explained {
    fn message(&self) -> &str {
        self.inner.message()
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        self.inner.code()
    }

    // So that it is still the driver's own error to whoever looks for that.
    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self.inner.as_error()
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self.inner.as_error_mut()
    }

    fn into_error(self: Box<Self>) -> BoxError {
        self.inner.into_error()
    }

    fn is_transient_in_connect_phase(&self) -> bool {
        self.inner.is_transient_in_connect_phase()
    }

    fn constraint(&self) -> Option<&str> {
        self.inner.constraint()
    }

    fn table(&self) -> Option<&str> {
        self.inner.table()
    }

    fn kind(&self) -> ErrorKind {
        self.inner.kind()
    }
}
