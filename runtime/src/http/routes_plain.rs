//! In production nobody gets a session: the routes are refused where they are asked for.

use crate::error::Error;
use axum::Router;
use axum::http::HeaderName;
use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

/// Routes at which sessions are opened and ended in builds with the `sandbox` feature: this is none.
#[track_caller]
pub fn sandbox_routes(path: impl Into<String>) -> SandboxRoutes {
    SandboxRoutes {
        path: path.into(),
        at: Location::caller(),
    }
}

/// Takes everything that is said of the routes, and then says that there are none.
#[must_use = "there are no routes until it is said where the server listens"]
#[derive(Debug)]
pub struct SandboxRoutes {
    path: String,
    at: &'static Location<'static>,
}

impl SandboxRoutes {
    /// For builds with the `sandbox` feature.
    #[cfg(feature = "_database")]
    pub fn repo<DB: crate::Supported>(self, _: &'static crate::Repo<DB>) -> Self {
        self
    }

    /// For builds with the `sandbox` feature.
    pub fn timeout(self, _: Duration) -> Self {
        self
    }

    /// For builds with the `sandbox` feature.
    pub fn absolute(self) -> Self {
        self
    }

    /// For builds with the `sandbox` feature.
    pub fn limit(self, _: usize) -> Self {
        self
    }

    /// For builds with the `sandbox` feature.
    pub fn header(self, _: HeaderName) -> Self {
        self
    }

    /// For builds with the `sandbox` feature.
    pub fn allow_remote(self) -> Self {
        self
    }

    /// Refuses: whoever could open a session in production would have the database work for them.
    ///
    /// # Errors
    ///
    /// Always [`Error::NoSandboxRoutes`].
    pub fn listening_at(self, _: SocketAddr) -> Result<Router, Error> {
        let (why, help) = if cfg!(feature = "sandbox") {
            (
                "this build knows no database",
                "build heirloom with the feature `sqlite` or `postgres`",
            )
        } else {
            (
                "this build has no sandbox",
                "ask for them in builds with heirloom's feature `sandbox` only, which belongs to test servers",
            )
        };
        Err(Error::NoSandboxRoutes {
            path: self.path,
            at: self.at,
            why: why.to_owned(),
            help,
        })
    }
}
