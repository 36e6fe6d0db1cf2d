//! Where a repo's database is.

use super::config::Config;
use crate::error::Error;
use crate::isolation::{MAIN_REPO, Tenant, variable_of};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[cfg(test)]
mod tests;

/// The variable of [`Repo::new`](crate::Repo::new)'s database.
const MAIN: &str = "DATABASE_URL";

/// Where a repo's database is, by the variables of the environment or of a file `.env`.
///
/// - `Repo::new()`: `DATABASE_URL`;
/// - a named repo: `<NAME>_DATABASE_URL`, so `AUDIT_LOG_DATABASE_URL` for `Repo::named("audit-log")`: the name in capitals,
///   with `_` for whatever is neither a letter nor a digit;
/// - a named repo without a variable of its own: a database beside that of `DATABASE_URL`, on the same server by the same
///   login. Its name has the repo's added, `shop_audit-log`, since two repos are two databases in production as well.
///
/// What a URL leaves open comes from the `PG*` variables and `.pgpass`, as everywhere with `sqlx`. A database that is only
/// the base of templates need not exist.
pub(super) fn config_of(tenant: &Tenant) -> Result<Config, Error> {
    find(tenant, |name| {
        // As `#[sqlx::test]`: the first look reads `.env`, here or in a directory above, into the environment.
        dotenvy::var(name).ok()
    })
}

fn find(tenant: &Tenant, variable: impl Fn(&str) -> Option<String>) -> Result<Config, Error> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let is_main = tenant.repo == MAIN_REPO;
    let own = variable_of(tenant.repo);
    if !is_main && let Some(url) = set(&own) {
        return read(&url, &own);
    }
    let Some(url) = set(MAIN) else {
        return Err(Error::NoDatabaseUrl {
            owner: tenant.name.clone(),
            repo: tenant.repo,
            variable: if is_main { MAIN.to_owned() } else { own },
        });
    };
    let main = read(&url, MAIN)?;
    Ok(if is_main {
        main
    } else {
        let database = format!("{}_{}", main.database(), tenant.repo);
        main.with_database(&database)
    })
}

/// Read once: with every URL `sqlx` looks for sockets and for `.pgpass`, which takes longer than the rest of a checkout.
fn read(url: &str, variable: &str) -> Result<Config, Error> {
    static KNOWN: Mutex<BTreeMap<String, Config>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = known().get(url) {
        return Ok(config.clone());
    }
    let config = Config::from_url(url).map_err(|error| Error::DatabaseUrl {
        variable: variable.to_owned(),
        source: Box::new(error),
    })?;
    known().insert(url.to_owned(), config.clone());
    Ok(config)
}
