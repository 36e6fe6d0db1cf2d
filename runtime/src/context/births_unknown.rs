//! Without `--cfg tokio_unstable` no runtime tells of its spawns, so no births are known.

use super::claim::Claim;
use crate::owner::Task;

pub(super) const fn any() -> bool {
    false
}

pub(super) const fn of(_: Option<Task>) -> Option<Claim> {
    None
}
