//! Spawns inside macro calls: rewritten where the tokens can be read, reported where they cannot.

use super::{Rewriter, ends_with};
use crate::diag::error_at;
use crate::spawns;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{Block, Expr, Macro, Pat, Stmt, Token};

/// Macros whose tokens are text, not code that runs here.
const TEXT: &[&str] = &[
    "stringify",
    "concat",
    "env",
    "option_env",
    "include",
    "include_str",
    "quote",
    "compile_error",
    "cfg",
];

impl Rewriter<'_> {
    pub(super) fn macro_call(&mut self, mac: &mut Macro) {
        if ends_with(&mac.path, TEXT) || !may_spawn(&mac.tokens) {
            return;
        }
        match Tokens::parse(&mac.tokens) {
            Some(mut tokens) => {
                tokens.rewrite(self);
                mac.tokens = tokens.into_token_stream();
            }
            None => self.unreadable(&mac.tokens),
        }
    }

    /// Reports the first spawn in tokens that are not understood.
    pub(super) fn unreadable(&mut self, tokens: &TokenStream) {
        let Some((name, at)) = first_spawn(tokens) else {
            return;
        };
        if self.reasons.is_empty() {
            self.sink.push(error_at(
                at,
                format!("`{name}` stands in tokens that cannot be read, so what it spawns cannot be owned"),
                "spawn outside of the macro and pass the handle in, or mark the statement `#[unowned(\"why\")]`",
            ));
        }
    }
}

/// The tokens of a macro call, as one of the forms that common macros take.
enum Tokens {
    /// `join!(a, b)`, `println!("{x}", x = y)`.
    List(Punctuated<Expr, Token![,]>),
    /// `vec![x; n]`.
    Repeat(Box<Expr>, Token![;], Box<Expr>),
    /// `select! { pattern = future, if condition => handler }`.
    Select(TokenStream, Vec<Branch>),
    /// `matches!(value, pattern)`.
    Matches(Box<Matches>),
    /// `stream! { statements }`.
    Block(Vec<Stmt>),
}

/// `value, pattern if guard`.
struct Matches {
    value: Expr,
    comma: Token![,],
    pat: Pat,
    guard: Option<(Token![if], Expr)>,
    end: Option<Token![,]>,
}

/// One arm of `select!`.
struct Branch {
    event: Event,
    condition: Option<(Token![,], Token![if], Expr)>,
    arrow: Token![=>],
    handler: Expr,
    comma: Option<Token![,]>,
}

/// What an arm of `select!` waits for.
enum Event {
    Future(Box<Pat>, Token![=], Box<Expr>),
    /// `else`, `complete` or `default`.
    Word(TokenTree),
}

impl Tokens {
    fn parse(tokens: &TokenStream) -> Option<Self> {
        [list, repeat, select, matches, block]
            .into_iter()
            .find_map(|form| form.parse2(tokens.clone()).ok())
    }

    fn rewrite(&mut self, rewriter: &mut Rewriter<'_>) {
        match self {
            Self::List(list) => list
                .iter_mut()
                .for_each(|expr| rewriter.visit_expr_mut(expr)),
            Self::Repeat(value, _, count) => {
                rewriter.visit_expr_mut(value);
                rewriter.visit_expr_mut(count);
            }
            Self::Matches(matches) => matches.rewrite(rewriter),
            Self::Select(_, branches) => branches
                .iter_mut()
                .for_each(|branch| branch.rewrite(rewriter)),
            Self::Block(stmts) => {
                let mut block = Block {
                    brace_token: syn::token::Brace::default(),
                    stmts: std::mem::take(stmts),
                };
                rewriter.visit_block_mut(&mut block);
                *stmts = block.stmts;
            }
        }
    }
}

impl Matches {
    fn rewrite(&mut self, rewriter: &mut Rewriter<'_>) {
        rewriter.visit_expr_mut(&mut self.value);
        rewriter.visit_pat_mut(&mut self.pat);
        if let Some((_, guard)) = &mut self.guard {
            rewriter.visit_expr_mut(guard);
        }
    }
}

impl Branch {
    fn rewrite(&mut self, rewriter: &mut Rewriter<'_>) {
        if let Event::Future(pat, _, future) = &mut self.event {
            rewriter.visit_pat_mut(pat);
            rewriter.visit_expr_mut(future);
        }
        if let Some((_, _, condition)) = &mut self.condition {
            rewriter.visit_expr_mut(condition);
        }
        rewriter.visit_expr_mut(&mut self.handler);
    }
}

fn list(input: ParseStream<'_>) -> syn::Result<Tokens> {
    Punctuated::parse_terminated(input).map(Tokens::List)
}

fn repeat(input: ParseStream<'_>) -> syn::Result<Tokens> {
    Ok(Tokens::Repeat(
        input.parse()?,
        input.parse()?,
        input.parse()?,
    ))
}

fn matches(input: ParseStream<'_>) -> syn::Result<Tokens> {
    Ok(Tokens::Matches(Box::new(Matches {
        value: input.parse()?,
        comma: input.parse()?,
        pat: Pat::parse_multi_with_leading_vert(input)?,
        guard: if input.peek(Token![if]) {
            Some((input.parse()?, input.parse()?))
        } else {
            None
        },
        end: input.parse()?,
    })))
}

fn block(input: ParseStream<'_>) -> syn::Result<Tokens> {
    Block::parse_within(input).map(Tokens::Block)
}

fn select(input: ParseStream<'_>) -> syn::Result<Tokens> {
    let mut prelude = TokenStream::new();
    if input.peek(syn::Ident) && input.peek2(Token![;]) {
        prelude.extend([input.parse::<TokenTree>()?]);
        prelude.extend(input.parse::<Token![;]>()?.into_token_stream());
    }
    let mut branches = Vec::new();
    while !input.is_empty() {
        branches.push(branch(input)?);
    }
    Ok(Tokens::Select(prelude, branches))
}

fn branch(input: ParseStream<'_>) -> syn::Result<Branch> {
    let event = if input.peek2(Token![=>]) {
        Event::Word(input.parse()?)
    } else {
        Event::Future(
            Box::new(Pat::parse_multi_with_leading_vert(input)?),
            input.parse()?,
            input.parse()?,
        )
    };
    let condition = if input.peek(Token![,]) {
        Some((input.parse()?, input.parse()?, input.parse()?))
    } else {
        None
    };
    Ok(Branch {
        event,
        condition,
        arrow: input.parse()?,
        handler: Expr::parse_with_earlier_boundary_rule(input)?,
        comma: input.parse()?,
    })
}

impl ToTokens for Tokens {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::List(list) => list.to_tokens(tokens),
            Self::Repeat(value, semi, count) => {
                value.to_tokens(tokens);
                semi.to_tokens(tokens);
                count.to_tokens(tokens);
            }
            Self::Select(prelude, branches) => {
                prelude.to_tokens(tokens);
                for branch in branches {
                    branch.to_tokens(tokens);
                }
            }
            Self::Matches(matches) => matches.to_tokens(tokens),
            Self::Block(stmts) => stmts.iter().for_each(|stmt| stmt.to_tokens(tokens)),
        }
    }
}

impl ToTokens for Matches {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.value.to_tokens(tokens);
        self.comma.to_tokens(tokens);
        self.pat.to_tokens(tokens);
        if let Some((keyword, guard)) = &self.guard {
            keyword.to_tokens(tokens);
            guard.to_tokens(tokens);
        }
        self.end.to_tokens(tokens);
    }
}

impl ToTokens for Branch {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.event {
            Event::Future(pat, eq, future) => {
                pat.to_tokens(tokens);
                eq.to_tokens(tokens);
                future.to_tokens(tokens);
            }
            Event::Word(word) => word.to_tokens(tokens),
        }
        if let Some((comma, keyword, condition)) = &self.condition {
            comma.to_tokens(tokens);
            keyword.to_tokens(tokens);
            condition.to_tokens(tokens);
        }
        self.arrow.to_tokens(tokens);
        self.handler.to_tokens(tokens);
        self.comma.to_tokens(tokens);
    }
}

/// Whether it is worth while to read these tokens.
fn may_spawn(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Group(group) => may_spawn(&group.stream()),
        TokenTree::Ident(name) => spawns::may_be_name(&name.to_string()),
        _ => false,
    })
}

/// The first thing in these tokens that looks like a spawn: a call of that name, or `tokio::spawn` as a value.
fn first_spawn(tokens: &TokenStream) -> Option<(String, Span)> {
    let trees: Vec<_> = tokens.clone().into_iter().collect();
    trees
        .iter()
        .enumerate()
        .find_map(|(index, tree)| match tree {
            TokenTree::Group(group) => first_spawn(&group.stream()),
            TokenTree::Ident(name)
                if spawns::is_name(&name.to_string()) && is_spawn(&trees, index) =>
            {
                Some((name.to_string(), name.span()))
            }
            _ => None,
        })
}

fn is_spawn(trees: &[TokenTree], index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).map(|index| &trees[index]);
    let is_fn = matches!(before(1), Some(TokenTree::Ident(word)) if word == "fn");
    let of_module = is_punct(before(1), ':')
        && is_punct(before(2), ':')
        && matches!(before(3), Some(TokenTree::Ident(module)) if spawns::is_module(&module.to_string()));
    !is_fn && (of_module || is_called(&trees[index + 1..]))
}

fn is_called(after: &[TokenTree]) -> bool {
    match after.first() {
        Some(TokenTree::Group(group)) => {
            group.delimiter() == Delimiter::Parenthesis && !group.stream().is_empty()
        }
        // A turbofish.
        Some(first) => is_punct(Some(first), ':') && is_punct(after.get(2), '<'),
        None => false,
    }
}

fn is_punct(tree: Option<&TokenTree>, punct: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(found)) if found.as_char() == punct)
}
