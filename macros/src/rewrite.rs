//! Hands the owner on at every spawn site of a body, and finds the spawns for which that cannot be done.
//!
//! Nested blocks and closures are part of the body, nested items are not.

mod macros;
mod spelled;
mod wrap;

use crate::ctx::Ctx;
use crate::diag::{Sink, error};
use crate::item::{as_typed, last_name};
use crate::spawns::{self, Site};
use crate::unowned;
use proc_macro2::TokenStream;
use quote::ToTokens;
use spelled::{Spelled, without_generics};
use std::collections::HashSet;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, Arm, Attribute, Block, Expr, ExprAsync, ExprCall, ExprClosure,
    ExprMethodCall, GenericArgument, Item, LitStr, Local, Macro, PatIdent, Path, Stmt, StmtMacro,
    Token, UseTree, parse_quote,
};
use wrap::{Heir, NeedsCarrier};

/// What to do at a spawn site.
pub(crate) enum Policy {
    /// Wrap the work, so that it inherits the owner.
    Inherit,
    /// Report it, unless one of these paths names it.
    Deny { allow: Vec<Path> },
    /// Only note it; for `deny_unowned_spawns!`.
    Note,
}

/// A spawn that was found.
pub(crate) struct Found {
    /// As it was written: `tokio::spawn`, `.spawn`.
    pub(crate) what: String,
    pub(crate) at: TokenStream,
    pub(crate) needs_tokio: bool,
}

/// Walks a body.
pub(crate) struct Rewriter<'a> {
    ctx: &'a Ctx,
    policy: &'a Policy,
    /// The reasons of the `#[unowned]` marks around this place, innermost last.
    reasons: Vec<LitStr>,
    /// Names bound in the body; a local called `spawn` is not a spawn.
    locals: HashSet<String>,
    /// The name that the tasks started at this place run under.
    actor: Option<LitStr>,
    /// Inside the work of a spawn, whose closures run as its task.
    in_work: bool,
    /// Whether a task was given the name.
    pub(crate) has_named: bool,
    pub(crate) sink: Sink,
    pub(crate) found: Vec<Found>,
}

impl<'a> Rewriter<'a> {
    pub(crate) fn new(ctx: &'a Ctx, policy: &'a Policy) -> Self {
        Self {
            ctx,
            policy,
            reasons: Vec::new(),
            locals: HashSet::new(),
            actor: None,
            in_work: false,
            has_named: false,
            sink: Sink::default(),
            found: Vec::new(),
        }
    }

    /// Rewrites the body of one function. The tasks that it starts are called `actor`, if that is given; what those
    /// start in turn are their children, and have no name.
    pub(crate) fn body(
        &mut self,
        actor: Option<&LitStr>,
        sig: &mut syn::Signature,
        block: &mut Block,
    ) {
        self.actor = actor.cloned();
        self.locals.clear();
        self.visit_signature_mut(sig);
        self.visit_block_mut(block);
    }

    /// Takes an `#[unowned("why")]` mark away; `false` if there is none.
    pub(crate) fn take_mark(&mut self, attrs: &mut Vec<Attribute>) -> bool {
        let Some(index) = attrs.iter().position(unowned::is_mark) else {
            return false;
        };
        let mark = attrs.remove(index);
        let reason = match unowned::reason(&mark) {
            Ok(reason) => reason,
            Err(error) => {
                self.sink.push(error);
                LitStr::new("", mark.pound_token.span)
            }
        };
        if let Some(second) = attrs.iter().find(|attribute| unowned::is_mark(attribute)) {
            self.sink.push(error(
                second.path(),
                "`#[unowned]` is given twice",
                "keep one of them",
            ));
            attrs.retain(|attribute| !unowned::is_mark(attribute));
        }
        self.reasons.push(reason);
        true
    }

    /// The same for an item, which is left alone as a whole.
    pub(crate) fn take_item_mark(&mut self, attrs: &mut Vec<Attribute>) -> bool {
        let is_marked = self.take_mark(attrs);
        if is_marked {
            self.reasons.pop();
        }
        is_marked
    }

    fn marked(&mut self, is_marked: bool, visit: impl FnOnce(&mut Self)) {
        visit(self);
        if is_marked {
            self.reasons.pop();
        }
    }

    /// Visits what runs inside of a task: the tasks it starts are that task's children.
    fn children(&mut self, visit: impl FnOnce(&mut Self)) {
        let actor = self.actor.take();
        visit(self);
        self.actor = actor;
    }

    fn arguments(&mut self, args: &mut Punctuated<Expr, Token![,]>, site: Option<&Site>) {
        for (index, arg) in args.iter_mut().enumerate() {
            let is_work = site.is_some_and(|site| site.works.contains(&index));
            let outside = self.in_work;
            self.in_work |= is_work;
            self.visit_expr_mut(arg);
            self.in_work = outside;
        }
    }

    fn call(&mut self, call: &mut ExprCall) -> NeedsCarrier {
        visit_callee(self, &mut call.func);
        let args: Vec<_> = call.args.iter().collect();
        let path = callee(&mut call.func);
        let site = path.as_ref().and_then(|path| spawns::function(path, &args));
        self.arguments(&mut call.args, site.as_ref());
        let (Some(path), Some(site)) = (path, site) else {
            return false;
        };
        let plain = without_generics(path);
        let Some(last) = path.segments.last_mut() else {
            return false;
        };
        let spelled = Spelled {
            path: Some(&plain),
            what: as_typed(&plain),
            at: plain.to_token_stream(),
        };
        if let syn::PathArguments::AngleBracketed(generics) = &mut last.arguments {
            forget_type_of_work(generics, site.works.len());
        }
        self.site(&site, &spelled, &mut call.args)
    }

    fn method_call(&mut self, call: &mut ExprMethodCall) -> NeedsCarrier {
        self.visit_expr_mut(&mut call.receiver);
        let args: Vec<_> = call.args.iter().collect();
        let name = call.method.to_string();
        let site = spawns::method(&name, &args);
        self.arguments(&mut call.args, site.as_ref());
        let Some(site) = site else {
            return false;
        };
        if let Some(generics) = &mut call.turbofish {
            forget_type_of_work(generics, site.works.len());
        }
        let spelled = Spelled {
            path: None,
            what: format!(".{name}"),
            at: call.method.to_token_stream(),
        };
        self.site(&site, &spelled, &mut call.args)
    }

    fn site(
        &mut self,
        site: &Site,
        spelled: &Spelled<'_>,
        args: &mut Punctuated<Expr, Token![,]>,
    ) -> NeedsCarrier {
        let is_local = spelled
            .path
            .and_then(Path::get_ident)
            .is_some_and(|name| self.locals.contains(&name.to_string()));
        let may_be_work = |arg: &Expr| site.known && !is_local || wrap::may_be_work(arg);
        let works = args
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| site.works.contains(index))
            .map(|(_, arg)| arg);
        let works: Vec<_> = works.filter(|arg| may_be_work(arg)).collect();
        let is_marked = !self.reasons.is_empty();
        if works.is_empty() || is_marked && is_local || !is_marked && !self.may_spawn(spelled) {
            return false;
        }
        self.note(spelled, site.needs_tokio && !is_local);
        if matches!(self.policy, Policy::Note) {
            return false;
        }
        let heir = self.heir();
        let is_named = matches!(heir, Heir::Actor(_));
        let wrapped: Vec<_> = works
            .into_iter()
            .map(|arg| wrap::work(self.ctx, heir, site, arg))
            .collect();
        self.has_named |= is_named;
        let mut needs_carrier = false;
        for result in wrapped {
            needs_carrier |= self.sink.keep(result).unwrap_or_default();
        }
        needs_carrier
    }

    /// Whose the work becomes that is spawned at this place.
    fn heir(&self) -> Heir<'_> {
        match (self.reasons.last(), &self.actor) {
            (Some(why), _) => Heir::Nobody(why),
            (None, Some(name)) => Heir::Actor(name),
            (None, None) => Heir::Caller,
        }
    }

    fn note(&mut self, spelled: &Spelled<'_>, needs_tokio: bool) {
        if self.reasons.is_empty() && !matches!(self.policy, Policy::Deny { .. }) || needs_tokio {
            self.found.push(Found {
                what: spelled.what.clone(),
                at: spelled.at.clone(),
                needs_tokio,
            });
        }
    }

    fn may_spawn(&mut self, spelled: &Spelled<'_>) -> bool {
        let Policy::Deny { allow } = self.policy else {
            return true;
        };
        if allow.iter().any(|allowed| spelled.is(allowed)) {
            return true;
        }
        let what = &spelled.what;
        let listed = spelled.path.map_or_else(
            || format!("allow(JoinSet::{})", what.trim_start_matches('.')),
            |_| format!("allow({what})"),
        );
        self.sink.push(error(
            &spelled.at,
            format!("`{what}` starts a task, and `spawns = \"deny\"` forbids it"),
            format!("list it on the attribute, as in `{listed}`, or mark it `#[unowned(\"why\")]`"),
        ));
        false
    }

    fn value(&mut self, path: &Path) {
        if self.reasons.is_empty() && spawns::is_function(path, |name| self.locals.contains(name)) {
            let what = as_typed(without_generics(path));
            self.sink.push(error(
                path,
                format!("`{what}` is used as a value, so what it spawns cannot be owned"),
                format!("call it where the work is known: `|work| {what}(work)`"),
            ));
        }
    }

    fn import(&mut self, tree: &UseTree, above: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                above.push(path.ident.to_string());
                self.import(&path.tree, above);
                above.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, above)),
            UseTree::Rename(rename) => {
                let name = rename.ident.to_string();
                let known = above.iter().any(|module| spawns::is_module(module));
                if known
                    && spawns::is_name(&name)
                    && rename.rename != "_"
                    && self.reasons.is_empty()
                {
                    self.sink.push(error(
                        &rename.rename,
                        format!("`{name}` is renamed, so its calls cannot be recognised as spawns"),
                        format!(
                            "import it by its own name: `use {}::{name};`",
                            above.join("::")
                        ),
                    ));
                }
            }
            UseTree::Name(_) | UseTree::Glob(_) => {}
        }
    }
}

impl VisitMut for Rewriter<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let is_marked = attributes(expr).is_some_and(|attrs| self.take_mark(attrs));
        self.marked(is_marked, |this| match expr {
            Expr::Call(call) => {
                if this.call(call) {
                    wrap::around_call(this.ctx, this.heir(), expr);
                }
            }
            Expr::MethodCall(call) => {
                if this.method_call(call) {
                    wrap::around_call(this.ctx, this.heir(), expr);
                }
            }
            Expr::Path(value) => this.value(&value.path),
            Expr::Verbatim(tokens) => this.unreadable(tokens),
            other => visit_mut::visit_expr_mut(this, other),
        });
    }

    fn visit_expr_async_mut(&mut self, future: &mut ExprAsync) {
        self.children(|this| visit_mut::visit_expr_async_mut(this, future));
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        if self.in_work || closure.asyncness.is_some() {
            self.children(|this| visit_mut::visit_expr_closure_mut(this, closure));
        } else {
            visit_mut::visit_expr_closure_mut(self, closure);
        }
    }

    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        // `#[unowned("..")] a = b` reaches us with the mark on `a`, but it is meant for the statement.
        let is_marked = match stmt {
            Stmt::Expr(expr, _) => leftmost(expr).is_some_and(|attrs| self.take_mark(attrs)),
            _ => false,
        };
        self.marked(is_marked, |this| visit_mut::visit_stmt_mut(this, stmt));
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let is_marked = self.take_mark(&mut local.attrs);
        self.marked(is_marked, |this| visit_mut::visit_local_mut(this, local));
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let is_marked = self.take_mark(&mut arm.attrs);
        self.marked(is_marked, |this| visit_mut::visit_arm_mut(this, arm));
    }

    fn visit_stmt_macro_mut(&mut self, stmt: &mut StmtMacro) {
        let is_marked = self.take_mark(&mut stmt.attrs);
        self.marked(is_marked, |this| {
            visit_mut::visit_stmt_macro_mut(this, stmt);
        });
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        for stmt in &block.stmts {
            if let Stmt::Item(Item::Fn(function)) = stmt {
                self.locals.insert(function.sig.ident.to_string());
            }
        }
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        self.locals.insert(pat.ident.to_string());
        visit_mut::visit_pat_ident_mut(self, pat);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        self.macro_call(mac);
    }

    /// A nested item is not part of the body, but what it brings into the body is.
    fn visit_item_mut(&mut self, item: &mut Item) {
        let is_marked = item_attributes(item).is_some_and(|attrs| self.take_mark(attrs));
        self.marked(is_marked, |this| match item {
            Item::Use(import) => this.import(&import.tree, &mut Vec::new()),
            Item::Macro(definition) if definition.mac.path.is_ident("macro_rules") => {
                this.unreadable(&definition.mac.tokens);
            }
            Item::Macro(call) => this.macro_call(&mut call.mac),
            _ => {}
        });
    }

    /// Marks are taken away where they may stand, so one that is left is misplaced.
    fn visit_attributes_mut(&mut self, attrs: &mut Vec<Attribute>) {
        let misplaced = attrs
            .iter()
            .filter(|attribute| unowned::is_mark(attribute))
            .map(|mark| {
                error(
                    mark.path(),
                    "`#[unowned]` cannot stand here",
                    "put it on an expression statement, a `let`, a block, a match arm or an item",
                )
            });
        self.sink.extend(misplaced);
        attrs.retain(|attribute| !unowned::is_mark(attribute));
    }
}

fn visit_callee(rewriter: &mut Rewriter<'_>, callee: &mut Expr) {
    match callee {
        Expr::Paren(inner) => visit_callee(rewriter, &mut inner.expr),
        Expr::Group(inner) => visit_callee(rewriter, &mut inner.expr),
        Expr::Path(_) => {}
        other => rewriter.visit_expr_mut(other),
    }
}

fn callee(func: &mut Expr) -> Option<&mut Path> {
    match func {
        Expr::Paren(inner) => callee(&mut inner.expr),
        Expr::Group(inner) => callee(&mut inner.expr),
        Expr::Path(path) => Some(&mut path.path),
        _ => None,
    }
}

/// `spawn::<F, R>(work)`: the work gets another type when it is wrapped.
fn forget_type_of_work(generics: &mut AngleBracketedGenericArguments, works: usize) {
    let types = generics.args.iter_mut().filter_map(|arg| match arg {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.take(works).for_each(|ty| *ty = parse_quote!(_));
}

fn leftmost(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
    let inner = match expr {
        Expr::Assign(assign) => &mut assign.left,
        Expr::Binary(binary) => &mut binary.left,
        Expr::Cast(cast) => &mut cast.expr,
        _ => return None,
    };
    match &mut **inner {
        deeper @ (Expr::Assign(_) | Expr::Binary(_) | Expr::Cast(_)) => leftmost(deeper),
        other => attributes(other),
    }
}

macro_rules! attributes_of {
    ($node:expr, $kind:ident: $($variant:ident)*) => {
        match $node {
            $($kind::$variant(node) => Some(&mut node.attrs),)*
            _ => None,
        }
    };
}

fn attributes(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
    attributes_of!(expr, Expr:
        Array Assign Async Await Binary Block Break Call Cast Closure Const Continue Field ForLoop Group If Index Infer
        Let Lit Loop Macro Match MethodCall Paren Path Range RawAddr Reference Repeat Return Struct Try TryBlock Tuple
        Unary Unsafe While Yield)
}

/// The attributes of an item.
pub(crate) fn item_attributes(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    attributes_of!(item, Item:
        Const Enum ExternCrate Fn ForeignMod Impl Macro Mod Static Struct Trait TraitAlias Type Union Use)
}

/// Whether a path is spelled as one of these names, whatever stands before them.
fn ends_with(path: &Path, names: &[&str]) -> bool {
    names.contains(&last_name(path).as_str())
}
