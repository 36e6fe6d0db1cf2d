use super::*;

#[test]
fn a_statement_tells_whether_it_turns_a_setting_on() {
    for sql in [
        "SET default_transaction_read_only = on",
        "set default_transaction_read_only to 'TRUE' ",
        "SELECT pg_catalog.set_config(E'default_transaction_read_only',E'yes',false)",
        "SET default_transaction_read_only = 1",
    ] {
        assert!(is_on(sql.as_bytes()), "{sql}");
    }
    for sql in [
        "SET default_transaction_read_only = off",
        "SELECT pg_catalog.set_config(E'default_transaction_read_only',E'0',false)",
        "",
    ] {
        assert!(!is_on(sql.as_bytes()), "{sql}");
    }
}

#[test]
fn what_is_assigned_can_be_assigned_for_a_transaction() {
    let sql = assign(b"a.b", b"it's");
    let expected = b"SELECT pg_catalog.set_config(E'a.b',E'it''s',true)";
    assert_eq!(locally(&sql), expected);
}
