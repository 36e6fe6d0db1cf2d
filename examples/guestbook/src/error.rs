//! What can go wrong, and what a guest is told about it.

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request, or a task behind one, failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something typed in cannot be taken; the text says what to type instead.
    #[error("{0}")]
    Invalid(String),

    /// The request could not be read at all.
    #[error("{text}")]
    Unreadable {
        /// Which status says so.
        status: StatusCode,
        /// What is wrong with it.
        text: String,
    },

    /// The e-mail belongs to a guest already.
    #[error("{email} has signed up already")]
    EmailTaken {
        /// As it was typed.
        email: String,
    },

    /// Only guests sign the book.
    #[error("no guest has the e-mail {email}; sign up first")]
    UnknownGuest {
        /// As it was typed.
        email: String,
    },

    /// The statistics are not kept any more: the application is stopping.
    #[error("the statistics have stopped")]
    StatisticsStopped,

    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl Error {
    /// The status that stands for it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unreadable { status, .. } => *status,
            Self::EmailTaken { .. } => StatusCode::CONFLICT,
            Self::UnknownGuest { .. } => StatusCode::NOT_FOUND,
            Self::StatisticsStopped => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What a guest reads. What is our fault goes to our log and not to them.
    pub(crate) fn told(&self) -> String {
        if let Self::Database(_) = self {
            log("a request", self);
            return "something went wrong on our side; please try again".to_owned();
        }
        self.to_string()
    }
}

/// Writes what nobody is waiting for to standard error, where a service's log is collected.
pub(crate) fn log(what: &str, error: &Error) {
    match error {
        Error::Database(cause) => eprintln!("guestbook: {what} failed: {error}: {cause}"),
        _ => eprintln!("guestbook: {what} failed: {error}"),
    }
}

#[derive(Serialize)]
struct Told {
    error: String,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let error = self.told();
        (self.status(), Json(Told { error })).into_response()
    }
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        Self::Unreadable {
            status: rejection.status(),
            text: rejection.body_text(),
        }
    }
}

impl From<FormRejection> for Error {
    fn from(rejection: FormRejection) -> Self {
        Self::Unreadable {
            status: rejection.status(),
            text: rejection.body_text(),
        }
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        Self::Unreadable {
            status: rejection.status(),
            text: rejection.body_text(),
        }
    }
}
