//! What the model says of the cases that are documented.

use super::model::Action::{
    Begin, Commit, Fail, Read, Release, Rollback, RollbackTo, Savepoint, Set, Show, Write,
};
use super::model::{Action, Model};

/// Has the connections do this, and returns what is the case then.
fn after(steps: &[(usize, Action)]) -> (Model, Vec<(u32, u32)>) {
    let mut model = Model::new(3);
    for &(party, action) in steps {
        model.act(party, action);
    }
    let rows = model.rows();
    let rows = rows.into_iter().map(|(key, value)| (key, value.unwrap()));
    (model, rows.collect())
}

#[test]
fn everybody_sees_what_is_not_committed() {
    let (mut model, _) = after(&[(0, Begin), (0, Write(1, 10))]);
    let seen = model.act(1, Read);
    assert_eq!(seen.rows, [(1, Some(10))]);
    assert_eq!(seen.status, b'I');
}

#[test]
fn a_rollback_takes_with_it_what_others_wrote_meanwhile() {
    let (model, rows) = after(&[
        (0, Begin),
        (0, Write(1, 10)),
        (1, Write(2, 20)),
        (0, Rollback),
    ]);
    assert_eq!(rows, []);
    assert_eq!(model.lost(), 1);
}

#[test]
fn a_commit_keeps_what_others_wrote_meanwhile() {
    let (model, rows) = after(&[
        (0, Begin),
        (0, Write(1, 10)),
        (1, Write(2, 20)),
        (0, Commit),
    ]);
    assert_eq!(rows, [(1, 10), (2, 20)]);
    assert_eq!(model.lost(), 0);
}

#[test]
fn a_transaction_within_another_is_rolled_back_alone() {
    let (model, rows) = after(&[
        (0, Begin),
        (0, Write(1, 10)),
        (1, Begin),
        (1, Write(2, 20)),
        (1, Rollback),
    ]);
    assert_eq!(rows, [(1, 10)]);
    assert_eq!(model.status(0), b'T');
}

#[test]
fn a_buried_transaction_commits_at_once_and_its_work_before_the_other_stays() {
    let (model, rows) = after(&[
        (0, Begin),
        (0, Write(1, 10)),
        (1, Begin),
        (0, Write(2, 20)),
        (0, Commit),
        (1, Rollback),
    ]);
    assert_eq!(model.status(0), b'I');
    // What it wrote within the other went with that.
    assert_eq!(rows, [(1, 10)]);
    assert_eq!(model.lost(), 1);
}

#[test]
fn a_buried_rollback_ends_the_transactions_above() {
    let (mut model, rows) = after(&[
        (0, Begin),
        (1, Begin),
        (1, Write(1, 10)),
        (2, Begin),
        (0, Rollback),
    ]);
    assert_eq!(rows, []);
    let told = model.act(1, Read);
    assert_eq!((told.said, told.status), (Err(""), b'E'));
    let ended = model.act(1, Commit);
    assert_eq!((ended.said, ended.status), (Ok("ROLLBACK"), b'I'));
    let ended = model.act(2, Rollback);
    assert_eq!((ended.said, ended.status), (Ok("ROLLBACK"), b'I'));
    assert_eq!(model.act(1, Write(1, 11)).said, Ok("INSERT 0 1"));
}

#[test]
fn going_back_to_a_savepoint_ends_only_what_began_after_it() {
    let (model, rows) = after(&[
        (0, Begin),
        (1, Begin),
        (1, Savepoint("a")),
        (1, Write(1, 10)),
        (2, Begin),
        (1, RollbackTo("a")),
    ]);
    assert_eq!(rows, []);
    assert_eq!([model.status(0), model.status(1)], [b'T', b'T']);
    assert_eq!(model.setting(2), None);
}

#[test]
fn a_failure_undoes_the_work_since_the_youngest_savepoint() {
    let (mut model, rows) = after(&[
        (0, Begin),
        (0, Write(1, 10)),
        (0, Savepoint("a")),
        (0, Write(2, 20)),
        (0, Fail),
    ]);
    assert_eq!(rows, [(1, 10)]);
    assert_eq!(model.act(0, Read).said, Err("25P02"));
    assert_eq!(model.act(0, RollbackTo("a")).status, b'T');
    assert_eq!(model.act(0, Commit).said, Ok("COMMIT"));
}

#[test]
fn a_failure_outside_of_transactions_undoes_nothing() {
    let (model, rows) = after(&[(0, Begin), (0, Write(1, 10)), (1, Fail)]);
    assert_eq!(rows, [(1, 10)]);
    assert_eq!([model.status(0), model.status(1)], [b'T', b'I']);
}

#[test]
fn a_released_savepoint_is_gone_and_those_after_it() {
    let (mut model, _) = after(&[
        (0, Begin),
        (0, Savepoint("a")),
        (0, Savepoint("b")),
        (0, Release("a")),
    ]);
    assert_eq!(model.act(0, RollbackTo("b")).said, Err("3B001"));
    assert_eq!(model.status(0), b'E');
}

#[test]
fn settings_are_each_connections_own_and_go_back_with_its_rollback() {
    let (mut model, _) = after(&[
        (0, Set(1)),
        (0, Begin),
        (0, Set(2)),
        (1, Set(3)),
        (0, Rollback),
    ]);
    assert_eq!(model.act(0, Show).rows, [(1, None)]);
    assert_eq!(model.act(1, Show).rows, [(3, None)]);
}
