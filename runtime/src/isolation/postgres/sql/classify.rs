//! From a statement's first word to what it does.

use super::kind::Kind;
use super::lex::contains;
use super::tokens::Tokens;
use super::{Strings, barred, configure, control, copy, session, setting};

/// Reads what follows a first word, which is taken already; `None` if no server accepts it.
type Reader = fn(&mut Tokens<'_>) -> Option<Kind>;

/// What a statement does to the session, given as [`split()`](super::split()) cuts it: without a semicolon. Most are told by
/// their first word and read no further.
pub(crate) fn classify(statement: &[u8], strings: Strings) -> Kind {
    let mut tokens = Tokens::of(statement, strings);
    if tokens.more().is_none() {
        return Kind::Empty;
    }
    let Some(read) = tokens.word().and_then(reader) else {
        return configure::query(statement, tokens);
    };
    tokens.take();
    match read(&mut tokens) {
        None => Kind::Malformed,
        Some(Kind::Ddl) if contains(statement, b"deferred") => Kind::Deferring,
        Some(kind) => kind,
    }
}

/// Who reads the statements that start with this word.
fn reader(word: &[u8]) -> Option<Reader> {
    let mut folded = [0; 10];
    let folded = folded.get_mut(..word.len())?;
    folded.copy_from_slice(word);
    folded.make_ascii_lowercase();
    let read: Reader = match &*folded {
        b"begin" => control::begin,
        b"start" => control::start,
        b"commit" => control::commit,
        b"end" => control::end,
        b"rollback" => control::rollback,
        b"abort" => control::abort,
        b"savepoint" => control::savepoint,
        b"release" => control::release,
        b"prepare" => session::prepare,
        b"execute" => session::execute,
        b"explain" => session::explain,
        b"deallocate" => session::deallocate,
        b"declare" => session::declare,
        b"fetch" | b"move" => session::fetch,
        b"close" => session::close,
        b"listen" => session::listen,
        b"unlisten" => session::unlisten,
        b"notify" => session::notify,
        b"discard" => session::discard,
        b"set" => setting::set,
        b"reset" => setting::reset,
        b"copy" => copy::copy,
        b"create" => |tokens| Some(barred::create(tokens)),
        b"alter" => |tokens| Some(barred::alter(tokens)),
        b"drop" => |tokens| Some(barred::drop(tokens)),
        b"reindex" => barred::reindex,
        b"cluster" => |tokens| Some(barred::cluster(tokens)),
        b"vacuum" => |_| Some(Kind::Barred("VACUUM")),
        b"import" => |_| Some(Kind::Ddl),
        b"show" => |_| Some(Kind::Show),
        b"lock" => |_| Some(Kind::Lock),
        b"do" => |_| Some(Kind::Do),
        b"call" => |_| Some(Kind::Call),
        _ => return None,
    };
    Some(read)
}
