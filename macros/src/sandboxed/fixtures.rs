//! `fixtures(..)`, in the forms of `#[sqlx::test]`.

use crate::args::{Argument, empty};
use crate::diag::error;
use std::path::Path;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Ident, LitStr, Token, parenthesized};

const FORM: &str = "fixtures(\"users\")";

/// A script to run before the test: where it is, seen from the file of the test, and where it was named.
pub(super) struct Fixture {
    pub(super) path: LitStr,
}

/// `fixtures("a", "b")` (below `fixtures/`), `fixtures("./a.sql")` or `fixtures(path = "dir", scripts("a"))`.
pub(super) fn parse(argument: &Argument) -> syn::Result<Vec<Fixture>> {
    let group = argument.list(FORM)?;
    if group.stream().is_empty() {
        return Err(empty(group.span(), "fixtures", FORM));
    }
    let in_directory =
        |input: ParseStream<'_>| input.peek(Ident).then(|| input.parse()).transpose();
    let parser = |input: ParseStream<'_>| match in_directory(input)? {
        Some(InDirectory { path, scripts }) => Ok(scripts
            .iter()
            .map(|script| below(&path.value(), script))
            .collect()),
        None => Punctuated::<LitStr, Token![,]>::parse_terminated(input)
            .map(|names| names.into_iter().collect()),
    };
    let names: Vec<LitStr> = parser.parse2(group.stream()).map_err(with_help)?;
    if group
        .stream()
        .into_iter()
        .next()
        .is_some_and(|first| matches!(first, proc_macro2::TokenTree::Ident(_)))
    {
        return Ok(names.into_iter().map(|path| Fixture { path }).collect());
    }
    by_name(&names)
}

fn with_help(wrong: syn::Error) -> syn::Error {
    let message = wrong.to_string();
    if message.contains("help:") {
        return wrong;
    }
    let help = "write `fixtures(\"users\")`, `fixtures(\"./dir/users.sql\")` or `fixtures(path = \"dir\", scripts(\"users\"))`";
    crate::diag::error_at(wrong.span(), message, help)
}

/// Names without a directory are looked for in `fixtures/`; paths are taken as they are. One list has one kind.
fn by_name(names: &[LitStr]) -> syn::Result<Vec<Fixture>> {
    let is_path = |name: &LitStr| Path::new(&name.value()).components().count() > 1;
    let paths = names.first().is_some_and(is_path);
    if let Some(other) = names.iter().find(|name| is_path(name) != paths) {
        return Err(error(
            other,
            "names and paths are mixed in one `fixtures(..)`",
            "write `fixtures(..)` twice: one with names such as \"users\", one with paths such as \"./dir/users.sql\"",
        ));
    }
    let fixture = |name: &LitStr| {
        if paths {
            name.clone()
        } else {
            below("fixtures", name)
        }
    };
    Ok(names
        .iter()
        .map(|name| Fixture {
            path: fixture(name),
        })
        .collect())
}

fn below(directory: &str, name: &LitStr) -> LitStr {
    let value = name.value();
    let extension = if Path::new(&value).extension().is_some() {
        ""
    } else {
        ".sql"
    };
    LitStr::new(&format!("{directory}/{value}{extension}"), name.span())
}

/// `path = "dir", scripts("a", "b")`.
struct InDirectory {
    path: LitStr,
    scripts: Punctuated<LitStr, Token![,]>,
}

impl Parse for InDirectory {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key: Ident = input.parse()?;
        if key != "path" {
            return Err(error(
                &key,
                format!("unexpected `{key}` in `fixtures(..)`"),
                "write `fixtures(path = \"dir\", scripts(\"users\"))`",
            ));
        }
        input.parse::<Token![=]>()?;
        let path = input.parse()?;
        input.parse::<Token![,]>()?;
        let key: Ident = input.parse()?;
        if key != "scripts" {
            return Err(error(
                &key,
                format!("unexpected `{key}` after `path`"),
                "write `scripts(\"users\")`",
            ));
        }
        let content;
        parenthesized!(content in input);
        let scripts = content.parse_terminated(<LitStr as Parse>::parse, Token![,])?;
        input.parse::<Option<Token![,]>>()?;
        Ok(Self { path, scripts })
    }
}
