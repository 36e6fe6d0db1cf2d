//! What was written between the parentheses of an attribute, and the arguments that all attributes share.

use crate::diag::{Sink, error, error_at, list};
use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Ident, LitStr, Path, Token};

/// One argument: `name`, `name = value` or `name(..)`.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

/// What stands behind an argument's name.
pub(crate) enum Value {
    None,
    Assigned(Token![=], TokenStream),
    List(Group),
}

impl Argument {
    /// The value of `name = value`, read as `T`; `form` is how the argument is written.
    pub(crate) fn assigned<T: Parse>(&self, form: &str) -> syn::Result<T> {
        let Value::Assigned(eq, tokens) = &self.value else {
            return Err(self.wrong_form(form));
        };
        if tokens.is_empty() {
            return Err(error(eq, "expected a value after `=`", write(form)));
        }
        syn::parse2(tokens.clone()).map_err(|_| {
            error(
                tokens,
                format!("unexpected value for `{}`", self.name),
                write(form),
            )
        })
    }

    /// The content of `name(..)`.
    pub(crate) fn list(&self, form: &str) -> syn::Result<&Group> {
        match &self.value {
            Value::List(group) => Ok(group),
            _ => Err(self.wrong_form(form)),
        }
    }

    fn wrong_form(&self, form: &str) -> syn::Error {
        error(
            &self.name,
            format!("unexpected form of `{}`", self.name),
            write(form),
        )
    }
}

fn write(form: &str) -> String {
    format!("write `{form}`")
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(Ident::peek_any) {
            let at = input.cursor().span();
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
            return Err(error_at(
                at,
                "expected the name of an argument",
                "write `name = value` or `name(..)`",
            ));
        }
        let name = input.call(Ident::parse_any)?;
        let value = if input.peek(Token![=]) {
            Value::Assigned(input.parse()?, until_comma(input)?)
        } else if input.peek(syn::token::Paren) {
            match input.parse()? {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
                    Value::List(group)
                }
                other => return Err(syn::Error::new_spanned(other, "expected `(..)`")),
            }
        } else {
            Value::None
        };
        Ok(Self { name, value })
    }
}

fn until_comma(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// All arguments that could be read. Names given twice (unless they are in `repeatable`) and unreadable ones go into the
/// sink.
pub(crate) fn parse(tokens: TokenStream, repeatable: &[&str], sink: &mut Sink) -> Vec<Argument> {
    let read = |input: ParseStream<'_>| {
        let mut arguments: Vec<Argument> = Vec::new();
        while !input.is_empty() {
            match input.parse::<Argument>() {
                Ok(argument) => arguments.push(argument),
                Err(error) => sink.push(error),
            }
            skip_to_next(input, sink)?;
        }
        Ok(arguments)
    };
    let arguments = Parser::parse2(read, tokens);
    let arguments = sink.keep(arguments).unwrap_or_default();
    sink.extend(given_twice(&arguments, repeatable));
    arguments
}

fn skip_to_next(input: ParseStream<'_>, sink: &mut Sink) -> syn::Result<()> {
    if !input.is_empty() && !input.peek(Token![,]) {
        sink.push(error_at(
            input.cursor().span(),
            "expected `,`",
            "separate arguments with commas",
        ));
        until_comma(input)?;
    }
    input.parse::<Option<Token![,]>>().map(drop)
}

fn given_twice<'a>(
    arguments: &'a [Argument],
    repeatable: &'a [&str],
) -> impl Iterator<Item = syn::Error> + use<'a> {
    arguments
        .iter()
        .enumerate()
        .filter(|(index, argument)| {
            !repeatable.iter().any(|name| argument.name == name)
                && arguments[..*index]
                    .iter()
                    .any(|earlier| earlier.name == argument.name)
        })
        .map(|(_, argument)| {
            error(
                &argument.name,
                format!("`{}` is given twice", argument.name),
                "keep one of them",
            )
        })
}

/// `crate = path`.
pub(crate) fn runtime_path(argument: &Argument) -> syn::Result<Path> {
    const FORM: &str = "crate = ::path::to::heirloom";
    let Value::Assigned(_, tokens) = &argument.value else {
        return argument.assigned(FORM);
    };
    if let Ok(text) = syn::parse2::<LitStr>(tokens.clone()) {
        let path = text.value();
        let path = path.trim_start_matches("::");
        return Err(error(
            text,
            "`crate` takes a path, not a string",
            format!("write `crate = ::{path}`"),
        ));
    }
    let path = Path::parse_mod_style
        .parse2(tokens.clone())
        .or_else(|_| argument.assigned(FORM))?;
    let rooted = path.leading_colon.is_some()
        || path
            .segments
            .first()
            .is_some_and(|first| first.ident == "crate" || first.ident == "$crate");
    if rooted {
        return Ok(path);
    }
    let shown = path.to_token_stream().to_string().replace(' ', "");
    Err(error(
        &path,
        "the path given as `crate` must mean the same everywhere",
        format!("begin it with `::`, `crate` or `$crate`: `crate = ::{shown}`"),
    ))
}

/// An argument that no attribute of that name has; suggests the one that was probably meant.
pub(crate) fn unknown(argument: &Argument, known: &[&str]) -> syn::Error {
    let name = argument.name.to_string();
    let near = known
        .iter()
        .find(|candidate| distance(&name, candidate) <= 2);
    let help = match (near, known) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, [only]) => format!("the only argument is `{only}`"),
        (None, _) => format!("the arguments are {}", list(known, "and")),
    };
    error(&argument.name, format!("unknown argument `{name}`"), help)
}

/// `name()`.
pub(crate) fn empty(at: Span, name: &str, form: &str) -> syn::Error {
    error_at(
        at,
        format!("`{name}()` lists nothing"),
        format!("write `{form}`, or remove it"),
    )
}

/// How many letters differ between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// `name = "pricing"`: the token to point at, and what it says.
pub(crate) type Name = (Ident, LitStr);

/// The arguments of `#[owned_task]`.
#[derive(Default)]
pub(crate) struct OwnedTask {
    pub(crate) runtime: Option<Path>,
    /// The name of the actor, and the token to point at.
    pub(crate) name: Option<Name>,
}

impl OwnedTask {
    pub(crate) fn parse(tokens: TokenStream, sink: &mut Sink) -> Self {
        let mut args = Self::default();
        for argument in parse(tokens, &[], sink) {
            match argument.name.to_string().as_str() {
                "name" => {
                    let name = sink.keep(actor_name(&argument));
                    args.name = name.map(|name| (argument.name, name));
                }
                "crate" => args.runtime = sink.keep(runtime_path(&argument)),
                _ => sink.push(unknown(&argument, &["name", "crate"])),
            }
        }
        args
    }
}

/// `name = "pricing"`.
fn actor_name(argument: &Argument) -> syn::Result<LitStr> {
    const FORM: &str = "name = \"pricing\"";
    let name: LitStr = argument.assigned(FORM)?;
    if name.value().trim().is_empty() {
        return Err(error(
            name,
            "the name of the actor is empty",
            format!("write `{FORM}`, or remove it"),
        ));
    }
    Ok(name)
}

/// Where the arguments as a whole are, or the attribute if there are none.
pub(crate) fn span_of(tokens: &TokenStream) -> Span {
    tokens
        .clone()
        .into_iter()
        .next()
        .map_or_else(Span::call_site, |first| first.span())
}
