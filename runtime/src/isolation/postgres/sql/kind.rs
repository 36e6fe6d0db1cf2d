//! What a statement does to the session it runs in.

use super::name::Name;
use std::ops::Range;

/// What a statement does to the session, as far as whoever shares the session must know.
///
/// It is known by syntax alone: a function may do any of it (`set_config`, `pg_notify`), and so may `DO` and `CALL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No token: the server answers `EmptyQueryResponse`, or nothing inside a longer string.
    Empty,
    /// `BEGIN`, `START TRANSACTION`.
    Begin(Modes),
    /// `COMMIT`, `END`.
    Commit {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// `ROLLBACK`, `ABORT`.
    Rollback {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// `SAVEPOINT`.
    Savepoint(Name),
    /// `RELEASE`.
    Release(Name),
    /// `ROLLBACK TO`.
    RollbackTo(Name),
    /// `PREPARE TRANSACTION`, by its identifier.
    PrepareTransaction(Vec<u8>),
    /// `COMMIT PREPARED`.
    CommitPrepared(Vec<u8>),
    /// `ROLLBACK PREPARED`.
    RollbackPrepared(Vec<u8>),
    /// `SET TRANSACTION` with modes.
    SetTransaction(Modes),
    /// `SET TRANSACTION SNAPSHOT`.
    SetSnapshot(Vec<u8>),
    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`.
    SetCharacteristics(Modes),
    /// `SET CONSTRAINTS`.
    SetConstraints(Constraints),
    /// `SET` of a setting, `SET ROLE` and its like among them.
    Set(Setting),
    /// `RESET`; `None` is `ALL`. Named as in [`Setting`].
    Reset(Option<Name>),
    /// `DISCARD`.
    Discard(Discarded),
    /// `LISTEN`.
    Listen(Name),
    /// `UNLISTEN`; `None` is `*`.
    Unlisten(Option<Name>),
    /// `NOTIFY`.
    Notify {
        channel: Name,
        /// Empty if not given.
        payload: Vec<u8>,
    },
    /// `PREPARE`.
    Prepare(Name),
    /// `EXECUTE`, and `EXPLAIN` of it.
    Execute(Name),
    /// `DEALLOCATE`; `None` is `ALL`.
    Deallocate(Option<Name>),
    /// `DECLARE`.
    Declare {
        cursor: Name,
        /// `WITH HOLD`: it outlives its transaction. Others need a transaction block.
        hold: bool,
    },
    /// `FETCH`, `MOVE`.
    Fetch(Name),
    /// `CLOSE`; `None` is `ALL`.
    Close(Option<Name>),
    /// `COPY`.
    Copy(Direction),
    /// `LOCK`: needs a transaction block.
    Lock,
    /// `DO`: may end transactions, outside of a transaction block.
    Do,
    /// `CALL`: may end transactions, outside of a transaction block.
    Call,
    /// Cannot run in a transaction block, whatever its objects are: [`Kind::barred`] has the server's word for it.
    ///
    /// `DISCARD ALL`, `COMMIT PREPARED` and `ROLLBACK PREPARED` have kinds of their own.
    Barred(&'static str),
    /// `CREATE TEMP TABLE`, which replaces what was said of a table with this name.
    Temporary {
        /// Without its schema.
        table: Name,
        /// What becomes of it at the end of each transaction, if anything.
        at_commit: Option<AtCommit>,
    },
    /// `CREATE`, `ALTER`, `DROP` of something with `INITIALLY DEFERRED` in it.
    Deferring,
    /// A query that calls `set_config` with the name of a setting.
    Configure(Box<[Configured]>),
    /// `SHOW`.
    Show,
    /// `CREATE`, `ALTER`, `DROP`, `IMPORT`: may change constraints, and what prepared statements return.
    ///
    /// Some the server refuses in a transaction block all the same (25001), by what it finds in its catalog:
    /// `DROP SUBSCRIPTION` with a slot; likewise `CLUSTER` and `REINDEX` of partitioned tables, which are [`Kind::Other`].
    Ddl,
    /// Starts as one of the above and goes on as no server accepts it: to be sent as it is, the server says why not.
    Malformed,
    /// Anything else: queries, data, grants, `EXPLAIN`, `SHOW`, ….
    Other,
}

impl Kind {
    /// What cannot run in a transaction block, in the words of the server's message "… cannot run inside a transaction
    /// block" (25001).
    pub(crate) fn barred(&self) -> Option<&'static str> {
        match self {
            Self::Barred(what) => Some(what),
            Self::Discard(Discarded::All) => Some("DISCARD ALL"),
            Self::CommitPrepared(_) => Some("COMMIT PREPARED"),
            Self::RollbackPrepared(_) => Some("ROLLBACK PREPARED"),
            _ => None,
        }
    }

    /// Whether the server takes a snapshot for it: then it is too late to say what the transaction may do.
    pub(crate) fn takes_snapshot(&self) -> bool {
        !matches!(
            self,
            Self::Empty
                | Self::Begin(_)
                | Self::Commit { .. }
                | Self::Rollback { .. }
                | Self::Savepoint(_)
                | Self::Release(_)
                | Self::RollbackTo(_)
                | Self::SetTransaction(_)
                | Self::SetCharacteristics(_)
                | Self::SetConstraints(_)
                | Self::Set(_)
                | Self::Reset(_)
                | Self::Show
                | Self::Lock
                | Self::Fetch(_)
                | Self::Listen(_)
                | Self::Unlisten(_)
                | Self::Notify { .. }
        )
    }

    /// Whether the server takes it in a failed transaction; everything else is answered 25P02.
    pub(crate) fn ends_failed_transaction(&self) -> bool {
        matches!(
            self,
            Self::Commit { .. }
                | Self::Rollback { .. }
                | Self::RollbackTo(_)
                | Self::PrepareTransaction(_)
        )
    }
}

/// What becomes of a temporary table at the end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtCommit {
    DeleteRows,
    Drop,
}

/// A call of `set_config`, as far as its arguments are constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configured {
    /// In lower case.
    pub(crate) name: Vec<u8>,
    /// `None` is only known when it runs.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) local: bool,
}

/// What is said of a transaction; `None` is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    pub(crate) isolation: Option<Isolation>,
    pub(crate) read_only: Option<bool>,
    pub(crate) deferrable: Option<bool>,
}

/// An isolation level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// `SET CONSTRAINTS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Constraints {
    /// Each with its schema before it, where one is given; `None` is `ALL`.
    pub(crate) named: Option<Vec<Vec<Name>>>,
    /// `DEFERRED`, not `IMMEDIATE`.
    pub(crate) deferred: bool,
}

/// A setting and what it is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) scope: Scope,
    /// In lower case, as settings are compared without case; what has a syntax of its own by the name of its setting:
    /// `SET TIME ZONE` is `timezone`, `NAMES` `client_encoding`, `SCHEMA` `search_path`, `ROLE` `role`, `SESSION
    /// AUTHORIZATION` `session_authorization`, `XML OPTION` `xmloption`. Its place is that of the words it is made from.
    pub(crate) name: Name,
    pub(crate) to: Assigned,
}

/// How long a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Until it is set again, unless the transaction fails.
    Session,
    /// `LOCAL`: until the transaction ends.
    Local,
}

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Assigned {
    /// What it was when the session began: the same as `RESET`.
    Default,
    /// What it is now: `FROM CURRENT`.
    Current,
    /// To what is written here in the statement's text. Whether it is a value at all is left to the server.
    Written(Range<usize>),
}

/// What `DISCARD` discards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discarded {
    All,
    Plans,
    Sequences,
    Temporary,
}

/// Where `COPY` copies from or to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client.
    In,
    /// To the client.
    Out,
    /// A file or a program of the server's machine.
    Elsewhere,
}
