//! A candidate that is lost can be had again: else the first difference that breaks it is the last one.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Makes a candidate usable again at the same address, when a connection to it has failed.
#[derive(Clone)]
pub struct Renew(Arc<dyn Fn() -> io::Result<()> + Send + Sync>);

impl Renew {
    /// Calls this.
    pub fn by(renew: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(renew))
    }

    /// Runs this in a shell; it has to end.
    #[must_use]
    pub fn by_command(command: String) -> Self {
        Self::by(move || {
            let mut shell = std::process::Command::new("sh");
            let status = shell.arg("-c").arg(&command).status()?;
            let failed = || io::Error::other(format!("`{command}`: {status}"));
            status.success().then_some(()).ok_or_else(failed)
        })
    }

    pub(crate) fn now(&self) -> io::Result<()> {
        (self.0)()
    }
}

impl fmt::Debug for Renew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renew")
    }
}
