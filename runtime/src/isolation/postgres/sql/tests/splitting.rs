use super::super::*;
use super::texts;

/// Each case is written with `|` where the string is cut.
#[test]
fn strings_are_cut_where_the_server_cuts_them() {
    let cases = [
        "select 1|select 2",
        "select ';'|select '''; '",
        r"select 'a\'|select E'a\';'|select e'\\'|select 1",
        "select 'a'\n';b'|select 2",
        "select 'a' -- it's ;\n ';'|select 2",
        "select E'a'\n'\\';'|select 2",
        "select 'a' ';'|select 2",
        "select U&'\\0041;' uescape ';'|select u&\";\"",
        "select B'0;1'|select X';'|select N';'",
        "select $$;$$|select $a$ $$;$b$; $a$|select $é$;$é$",
        "select a$b$|select $b$",
        "select 1$b$;$b$|select 1",
        "select \"a;\"\"b\"|select 1",
        "select 1 -- ;\n+ 1|select 2",
        "select 1 -- ;\r+ 1|select 2",
        "select /* ; /* ; */ ; */ 1|select /*/ ; */ 2|select /**/ 3",
        "select 1 +/* ; */ 2|select 1 *-- ;\n 2|select 1 @- 2",
        "create rule r as on insert to t do also (select 1; ; select 2)|select 1",
        "create function f() returns int begin atomic select 1; select 2; end|select 3",
        "create or replace procedure p() begin atomic end|select 1",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END|select 1",
        "create function begin(begin atomic) returns begin begin atomic select begin atomic; end|end",
        "create function f() begin atomic create function g() begin atomic select 1; end; end|select 1",
        "create function f() begin atomic (select 1); ; select (1) end; end|select 1",
        "create view v as select begin atomic|select 1|end",
        "create table function (begin int)|begin|select 1|end",
        "select begin atomic from t|end",
        "create function f() returns int return 1|begin|end",
        "create function f() as 'begin atomic; '|end",
        "(select 1)|values (1), (2)",
    ];
    for case in cases {
        let pieces: Vec<&str> = case.split('|').collect();
        let sql = pieces.join(" ;; ; ");
        assert_eq!(texts(&sql, Strings::Standard), pieces, "{sql}");
    }
}

#[test]
fn a_dollar_is_a_parameter_a_string_or_part_of_a_name() {
    let one = |sql| assert_eq!(texts(sql, Strings::Standard), [sql]);
    one("select $1$1");
    one("select $1$a$;$a$");
    one("select 1$a$;$a$");
    one("select $a$ $b$ ; $ $$ $A$ ; $a$");
    one("select $été$;$été$");
    assert_eq!(texts("select a$a$;b$a$", Strings::Standard).len(), 2);
    assert_eq!(texts("select $1$;$1$", Strings::Standard).len(), 2);
}

#[test]
fn without_standard_conforming_strings_a_backslash_escapes() {
    let sql = r"select 'a\'; select 2' ; select 3";
    assert_eq!(
        texts(sql, Strings::Escaping),
        [r"select 'a\'; select 2'", "select 3"]
    );
    assert_eq!(texts(sql, Strings::Standard).len(), 2);
    let bits = r"select B'\' ; select X'\' ; select $$\$$ ; select 4";
    assert_eq!(texts(bits, Strings::Escaping).len(), 4);
}

#[test]
fn pieces_without_a_token_are_no_statements() {
    for empty in ["", ";", " ; ;\n", "-- x", "/* ; */;", "\t\r\n\x0b\x0c"] {
        assert_eq!(split(empty.as_bytes(), Strings::Standard).next(), None);
        assert_eq!(only(empty.as_bytes(), Strings::Standard), Only::Nothing);
    }
    assert_eq!(only(b"a;b", Strings::Standard), Only::Several);
}

#[test]
fn ranges_say_where_statements_stand() {
    let sql = b" /* hint */ select 1 -- one\n ; ;x";
    let found: Vec<Statement<'_>> = split(sql, Strings::Standard).collect();
    assert_eq!(found[0].range, 12..20);
    assert_eq!(found[0].piece, 0..29);
    assert_eq!(found[0].text, b"select 1");
    assert_eq!(found[1].range, 32..33);
    assert_eq!(found[1].piece, 32..33);
}

#[test]
fn what_makes_the_server_refuse_it_all_is_named() {
    let cases = [
        ("select 1; select 'a", Problem::OpenString),
        (r"select E'a\'", Problem::OpenString),
        ("select 'a'\n'b", Problem::OpenString),
        ("select x'1", Problem::OpenString),
        ("select $a$ $A$", Problem::OpenDollarString),
        ("select $$ $", Problem::OpenDollarString),
        ("select \"a\"\"", Problem::OpenName),
        ("select 1 /* /* */", Problem::OpenComment),
        ("/*", Problem::OpenComment),
        ("/*/", Problem::OpenComment),
        ("select \"\"", Problem::EmptyName),
        ("select u&\"\"; x", Problem::EmptyName),
        ("select (1; select 2", Problem::OpenParenthesis),
        ("select 1); select 2", Problem::StrayParenthesis),
        (
            "create function f() begin atomic select 1;",
            Problem::OpenBody,
        ),
        (
            "create function f() begin atomic select 1 end;",
            Problem::OpenBody,
        ),
    ];
    for (sql, problem) in cases {
        let found = split(sql.as_bytes(), Strings::Standard).problem();
        assert_eq!(found, Some(problem), "{sql}");
        assert!(!problem.to_string().is_empty());
    }
    let unsafe_string = split(b"select U&'a'", Strings::Escaping);
    assert_eq!(unsafe_string.problem(), Some(Problem::UnsafeUnicode));
    assert_eq!(split(b"select ';' /**/", Strings::Standard).problem(), None);
}

#[test]
fn bytes_that_are_no_utf8_belong_to_words() {
    let found: Vec<_> = split(b"select \xff\xfe; select '\xff;'", Strings::Standard).collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].text, b"select \xff\xfe");
}

#[test]
fn a_million_statements_are_cut_one_by_one() {
    let sql = b"select 1;".repeat(1_000_000);
    assert_eq!(split(&sql, Strings::Standard).count(), 1_000_000);
}
