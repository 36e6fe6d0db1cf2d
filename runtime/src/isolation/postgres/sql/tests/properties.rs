use super::super::*;
use crate::isolation::postgres::fuzz;
use proptest::prelude::*;

/// What means something to the lexer.
const BITS: &[&str] = &[
    "'",
    "''",
    "E'",
    "\\",
    "\\'",
    "$$",
    "$a$",
    "$1",
    "$",
    "a$b$",
    "\"",
    "--",
    "\n",
    "\r",
    "/*",
    "*/",
    "/*/",
    "(",
    ")",
    "U&'",
    "U&\"",
    "UESCAPE '!'",
    "B'0",
    "X'f'",
    "N'",
    ";",
    ";;",
    "BEGIN",
    " ATOMIC ",
    " END",
    "CASE ",
    "CREATE ",
    "FUNCTION ",
    "OR REPLACE ",
    "select 1",
    " ",
    "é",
    "\u{b}",
    "SAVEPOINT ",
    "SET ",
    "LOCAL ",
    "NOTIFY c,",
    "COPY ",
    "COMMIT ",
    "AND CHAIN",
    "TO ",
    "=",
    ".",
    ",",
    "PREPARE ",
    "ROLLBACK ",
    "DECLARE c CURSOR FOR ",
    "FETCH ",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let bit = prop_oneof![
        9 => prop::sample::select(BITS).prop_map(|bit| bit.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(bit, 0..40).prop_map(|bits| bits.concat())
}

/// Whether bytes between two statements are only blanks, comments and semicolons: none of them a token.
fn is_blank(between: &[u8]) -> bool {
    lex::Lexer::new(between, 0, Strings::Standard)
        .all(|token| token.shape == lex::Shape::Symbol(b';'))
}

proptest! {
    #[test]
    fn pieces_and_what_is_between_them_are_the_string(sql in soup()) {
        for strings in [Strings::Standard, Strings::Escaping] {
            let mut at = 0;
            for statement in split(&sql, strings) {
                prop_assert_eq!(statement.text, &sql[statement.range.clone()]);
                prop_assert!(is_blank(&sql[at..statement.range.start]));
                prop_assert!(statement.piece.start >= at);
                prop_assert!(is_blank(&sql[statement.range.end..statement.piece.end]));
                at = statement.piece.end;
                if at < sql.len() {
                    prop_assert_eq!(sql[at], b';');
                }
            }
            prop_assert!(is_blank(&sql[at..]));
        }
    }

    #[test]
    fn a_statement_is_one_statement(sql in soup()) {
        for strings in [Strings::Standard, Strings::Escaping] {
            for statement in split(&sql, strings) {
                for again in [statement.text, &sql[statement.piece.clone()]] {
                    let Only::One(same) = only(again, strings) else {
                        panic!("{statement:?}");
                    };
                    prop_assert_eq!(same.text, statement.text);
                    prop_assert_eq!(same.problem, statement.problem);
                    prop_assert_eq!(same.kind(), statement.kind());
                }
            }
        }
    }

    #[test]
    fn a_name_in_quotes_is_the_same_name(name in "\\PC{1,80}") {
        let sql = format!("savepoint \"{}\"", name.replace('"', "\"\""));
        let Kind::Savepoint(name) = classify(sql.as_bytes(), Strings::Standard) else {
            panic!("{sql}");
        };
        prop_assert!(sql[11..].replace("\"\"", "\"").starts_with(&name.to_string()));
        let again = [b"savepoint ".to_vec(), name.in_quotes()].concat();
        let Kind::Savepoint(same) = classify(&again, Strings::Standard) else {
            panic!("{again:?}");
        };
        prop_assert_eq!(same.as_bytes(), name.as_bytes());
    }

    #[test]
    fn no_bytes_make_it_panic(sql in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&sql);
    }
}

#[test]
fn a_bounded_fuzz_finds_nothing() {
    fuzz::bounded(20_000, fuzz::query, |dice| {
        let length = dice.below(30);
        let bits = (0..length).flat_map(|_| BITS[dice.below(BITS.len())].bytes());
        bits.collect()
    });
}
