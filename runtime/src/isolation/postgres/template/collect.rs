//! Dropping what is of no more use. Best effort, and only what is certainly ours:
//!
//! - a half-made template, when nobody holds the lock of the one it was to be;
//! - a template of this very database that no process has used for [`KEPT_UNUSED`], in which nobody is, and whose lock
//!   nobody holds. It is dropped without force: whoever came in since then keeps it;
//! - a clone whose process is gone, or that was kept for [`KEPT_UNUSED`].

use super::name::{Family, Kind, Mark, ident, literal};
use super::{KEPT_UNUSED, NOW, drop_by_force, seconds, try_lock, unlock};
use crate::isolation::postgres::upstream::{QueryError, Rows, Upstream};

/// A database with a name of the family.
struct Found {
    name: String,
    comment: String,
    now: u64,
}

/// Looks through all databases of the family except the template `own`.
pub(super) async fn collect(
    home: &mut Upstream,
    family: &Family,
    own: &str,
) -> Result<(), QueryError> {
    for found in all(home, &family.prefix).await? {
        let collected = match family.kind(&found.name) {
            Some(Kind::Template) if found.name != own => old_template(home, family, &found).await,
            Some(Kind::Unfinished(template)) if template != own => {
                half_made(home, &found.name, template).await
            }
            Some(Kind::Clone(run)) => clone(home, &found, run).await,
            _ => Ok(()),
        };
        match collected {
            // Somebody else's turn, or somebody in it: next time.
            Err(error) if error.is_fatal() => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Those that this role owns.
async fn all(home: &mut Upstream, prefix: &str) -> Result<Vec<Found>, QueryError> {
    let sql = format!(
        "SELECT datname, shobj_description(oid, 'pg_database'), {NOW} FROM pg_database \
         WHERE starts_with(datname, {}) AND pg_has_role(datdba, 'USAGE')",
        literal(prefix)
    );
    let found = home
        .simple(&sql)
        .await?
        .rows
        .into_iter()
        .map(|mut row| Found {
            now: seconds(row.get(2)),
            comment: row.get_mut(1).and_then(Option::take).unwrap_or_default(),
            name: row.get_mut(0).and_then(Option::take).unwrap_or_default(),
        });
    Ok(found.collect())
}

fn is_old(then: u64, now: u64) -> bool {
    now.saturating_sub(then) > KEPT_UNUSED.as_secs()
}

async fn old_template(
    home: &mut Upstream,
    family: &Family,
    found: &Found,
) -> Result<(), QueryError> {
    let is_unused = |found: &Found| {
        matches!(Mark::read(&found.comment), Some(Mark::Template { used, base })
            if base == family.base && is_old(used, found.now))
    };
    if !is_unused(found) || !try_lock(home, &found.name).await? {
        return Ok(());
    }
    // Asked again: somebody may have used it, and let go of the lock, since it was looked at.
    let again = all(home, &found.name).await;
    let unused = again.map(|again| {
        again
            .iter()
            .any(|same| same.name == found.name && is_unused(same))
    });
    let dropped = match unused {
        Ok(true) => drop_if_empty(home, &found.name).await,
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    unlock(home, &found.name).await?;
    dropped
}

/// Without waiting for those who are in it, as the server itself would, for 5 s.
async fn drop_if_empty(home: &mut Upstream, database: &str) -> Result<(), QueryError> {
    let sql = format!(
        "SELECT FROM pg_stat_activity WHERE datname = {}",
        literal(database)
    );
    if home.simple(&sql).await?.rows.is_empty() {
        let sql = format!("DROP DATABASE IF EXISTS {}", ident(database));
        home.simple(&sql).await?;
    }
    Ok(())
}

async fn half_made(home: &mut Upstream, name: &str, template: &str) -> Result<(), QueryError> {
    if !try_lock(home, template).await? {
        return Ok(());
    }
    let dropped = drop_by_force(home, name).await;
    unlock(home, template).await?;
    dropped.map(drop::<Rows>)
}

async fn clone(home: &mut Upstream, found: &Found, run: &str) -> Result<(), QueryError> {
    if let Some(Mark::Kept { since }) = Mark::read(&found.comment) {
        if is_old(since, found.now) {
            drop_if_empty(home, &found.name).await?;
        }
        return Ok(());
    }
    if !try_lock(home, run).await? {
        return Ok(());
    }
    let dropped = drop_by_force(home, &found.name).await;
    unlock(home, run).await?;
    dropped.map(drop::<Rows>)
}
