//! Walks the items of one file and looks into every body that no attribute of ours covers.

use super::Finding;
use super::sources::{Dirs, Source, Sources};
use crate::ctx::Ctx;
use crate::item::is_ours;
use crate::rewrite::{Policy, Rewriter, item_attributes};
use crate::unowned;
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Attribute, Block, ImplItem, Item, Signature, TraitItem};

/// The spawns in this file outside annotated code. Its modules are handed to `sources`.
pub(super) fn findings(source: &mut Source, sources: &mut Sources) -> Vec<Finding> {
    let ctx = Ctx::new(None);
    let mut walk = Walk {
        name: &source.name,
        dirs: source.dirs.clone(),
        sources,
        ctx: &ctx,
        covered: false,
        in_body: false,
        findings: Vec::new(),
    };
    source
        .file
        .items
        .iter_mut()
        .for_each(|item| walk.visit_item_mut(item));
    walk.findings
}

struct Walk<'a> {
    name: &'a str,
    dirs: Dirs,
    sources: &'a mut Sources,
    ctx: &'a Ctx,
    /// Inside `#[owned_task]` or `#[sandboxed]`.
    covered: bool,
    /// Inside the body of a function, whose own spawns are looked for there.
    in_body: bool,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn function(&mut self, sig: &mut Signature, block: &mut Block) {
        if !self.covered {
            self.note(|rewriter| rewriter.body(None, sig, block));
        }
        // An attribute covers a body, but not the items nested in it.
        let outside = (self.covered, self.in_body);
        (self.covered, self.in_body) = (false, true);
        self.visit_block_mut(block);
        (self.covered, self.in_body) = outside;
    }

    fn note(&mut self, visit: impl FnOnce(&mut Rewriter<'_>)) {
        let mut rewriter = Rewriter::new(self.ctx, &Policy::Note);
        visit(&mut rewriter);
        let found = std::mem::take(&mut rewriter.found);
        for spawn in found {
            let message = format!(
                "`{}` outside annotated code\n\nhelp: put `#[owned_task]` on the function around it; \
                 a task that nobody owns is marked `#[unowned(\"why\")]` in there",
                spawn.what
            );
            self.find(spawn.at.span(), message);
        }
        for error in rewriter.sink.into_errors() {
            self.find(error.span(), error.to_string());
        }
    }

    fn find(&mut self, at: Span, message: String) {
        let at = at.start();
        let file = self.name.to_owned();
        self.findings.push(Finding {
            file,
            line: at.line,
            column: at.column + 1,
            message,
        });
    }

    fn covering(&mut self, attrs: &[Attribute], visit: impl FnOnce(&mut Self)) {
        if attrs.iter().any(unowned::is_mark) {
            return;
        }
        let outside = self.covered;
        self.covered |= attrs.iter().any(is_ours);
        visit(self);
        self.covered = outside;
    }

    fn content(&mut self, item: &mut Item) {
        match item {
            Item::Fn(function) => self.function(&mut function.sig, &mut function.block),
            Item::Impl(block) => block.items.iter_mut().for_each(|item| {
                if let ImplItem::Fn(method) = item {
                    self.covering(&method.attrs, |this| {
                        this.function(&mut method.sig, &mut method.block);
                    });
                }
            }),
            Item::Trait(block) => block.items.iter_mut().for_each(|item| {
                if let TraitItem::Fn(method) = item
                    && let Some(body) = &mut method.default
                {
                    self.covering(&method.attrs, |this| this.function(&mut method.sig, body));
                }
            }),
            Item::Mod(module) if module.content.is_none() => {
                self.sources.follow(module, &self.dirs, self.name);
            }
            Item::Mod(module) => {
                let inside = self.dirs.inside(module);
                let outside = std::mem::replace(&mut self.dirs, inside);
                let items = module.content.iter_mut().flat_map(|(_, items)| items);
                items.for_each(|item| self.visit_item_mut(item));
                self.dirs = outside;
            }
            Item::Const(item) if !self.covered => {
                self.note(|rewriter| rewriter.visit_expr_mut(&mut item.expr));
            }
            Item::Static(item) if !self.covered => {
                self.note(|rewriter| rewriter.visit_expr_mut(&mut item.expr));
            }
            Item::Macro(call) if !self.covered && call.mac.path.is_ident("include") => {
                self.sources.follow_include(&call.mac, &self.dirs);
            }
            Item::Use(_) | Item::Macro(_) if !self.covered && !self.in_body => {
                self.note(|rewriter| rewriter.visit_item_mut(item));
            }
            _ => {}
        }
    }
}

impl VisitMut for Walk<'_> {
    fn visit_item_mut(&mut self, item: &mut Item) {
        let attrs = item_attributes(item)
            .map(|attrs| attrs.clone())
            .unwrap_or_default();
        self.covering(&attrs, |this| this.content(item));
    }
}
