//! `COPY`: between whom.

use super::kind::{Direction, Kind};
use super::lex::Shape;
use super::tokens::Tokens;

/// `COPY {[BINARY] table [(columns)] {FROM | TO} | (query) TO} {STDIN | STDOUT | [PROGRAM] 'name'} …`
pub(super) fn copy(tokens: &mut Tokens<'_>) -> Option<Kind> {
    let query = tokens.took_parentheses();
    if !query {
        tokens.took("binary");
        tokens.path()?;
        tokens.took_parentheses();
    }
    let from = !query && tokens.took("from");
    if !from {
        tokens.keyword("to")?;
    }
    // The server takes either word for the client, whatever the direction.
    if tokens.took_any(&["stdin", "stdout"]) {
        return Some(Kind::Copy(if from {
            Direction::In
        } else {
            Direction::Out
        }));
    }
    tokens.took("program");
    matches!(tokens.shape(), Some(Shape::Text(_))).then_some(Kind::Copy(Direction::Elsewhere))
}
