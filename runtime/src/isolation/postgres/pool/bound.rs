//! How many sessions this process may have with a server.

use crate::isolation::postgres::template::TemplateError;
use crate::isolation::postgres::templates::Ready;
use crate::isolation::postgres::upstream::{QueryError, Upstream};

/// Says how many, whatever the server would allow.
const VARIABLE: &str = "HEIRLOOM_MAX_CONNECTIONS";

/// Left for whoever else comes: a person with `psql`, another process's first test, our own housekeeping.
const LEFT: usize = 3;

/// Half of what the server has for ordinary roles (`max_connections` less what is reserved), since another process may be
/// running tests as well; but never more than are free when the first session is opened, less [`LEFT`]. At least one: a
/// server that is full just then is waited for. `HEIRLOOM_MAX_CONNECTIONS` says otherwise.
pub(super) async fn of(ready: &Ready) -> Result<usize, TemplateError> {
    if let Some(most) = wanted(std::env::var(VARIABLE).ok().as_deref()) {
        return Ok(most);
    }
    let mut session = match ready.take_first() {
        Some(session) => session,
        None => Upstream::connect(ready.template().config()).await?,
    };
    let server = Connections::of(&mut session).await;
    ready.put_first(session);
    Ok(server
        .map_err(TemplateError::refused(
            "count the connections of",
            ready.template().name(),
        ))?
        .bound())
}

fn wanted(variable: Option<&str>) -> Option<usize> {
    let text = variable?.trim();
    if let Ok(most @ 1..) = text.parse() {
        return Some(most);
    }
    if !text.is_empty() {
        eprintln!(
            "heirloom: {VARIABLE}=`{text}` is not understood\n  help: write how many sessions with PostgreSQL this process may have, from 1"
        );
    }
    None
}

/// Connections of a server.
#[derive(Clone, Copy, Debug)]
struct Connections {
    /// For ordinary roles.
    ordinary: usize,
    /// Of anybody, just now, without the one that asks.
    others: usize,
}

impl Connections {
    async fn of(session: &mut Upstream) -> Result<Self, QueryError> {
        let sql = "SELECT current_setting('max_connections')::int \
                   - current_setting('superuser_reserved_connections')::int \
                   - coalesce(current_setting('reserved_connections', true)::int, 0), \
                   (SELECT sum(numbackends) FROM pg_stat_database)";
        let rows = session.simple(sql).await?.rows;
        let number = |column: usize| -> Option<usize> {
            rows.first()?.get(column)?.as_deref()?.parse().ok()
        };
        match (number(0), number(1)) {
            (Some(ordinary), Some(all)) => Ok(Self {
                ordinary,
                others: all.saturating_sub(1),
            }),
            _ => Err(QueryError::Protocol(format!(
                "{rows:?} are no numbers of connections"
            ))),
        }
    }

    fn bound(self) -> usize {
        let free = self.ordinary.saturating_sub(self.others + LEFT);
        (self.ordinary / 2).min(free).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_half_of_the_server_but_what_others_use_is_theirs() {
        for (ordinary, others, bound) in [
            (97, 0, 48),
            (97, 46, 48),
            (97, 60, 34),
            (97, 93, 1),
            (97, 97, 1),
            (1, 0, 1),
            (0, 9, 1),
        ] {
            assert_eq!(
                Connections { ordinary, others }.bound(),
                bound,
                "{ordinary}, {others}"
            );
        }
    }

    #[test]
    fn a_person_may_say_how_many() {
        assert_eq!(wanted(Some(" 7 ")), Some(7));
        for odd in [None, Some(""), Some("0"), Some("many"), Some("-1")] {
            assert_eq!(wanted(odd), None);
        }
    }
}
