//! The source files of a crate, one after the other, as `mod name;` leads from one to the next.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, ExprLit, ItemMod, Lit, LitStr, Macro, Meta};

/// One parsed file.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) file: syn::File,
    pub(super) dirs: Dirs,
}

/// Where the modules of a file are looked for.
#[derive(Clone)]
pub(super) struct Dirs {
    /// Of the file, also inside an inline module; `include!` starts here.
    file: PathBuf,
    /// Of the file itself; `#[path]` starts here.
    own: PathBuf,
    /// Of its modules: `own`, or `own/name` for a file that is not a root or a `mod.rs`.
    modules: Vec<PathBuf>,
}

impl Dirs {
    fn of(file: &Path, is_root: bool) -> Self {
        let own = file.parent().map(Path::to_path_buf).unwrap_or_default();
        let below = file
            .file_stem()
            .map(|stem| own.join(stem))
            .unwrap_or_default();
        let is_mod_rs = file.file_name().is_some_and(|name| name == "mod.rs");
        let modules = match (is_root, is_mod_rs) {
            // The macro may stand in a file that is not the root after all.
            (true, _) => vec![own.clone(), below],
            (false, true) => vec![own.clone()],
            (false, false) => vec![below],
        };
        Self {
            file: own.clone(),
            own,
            modules,
        }
    }

    /// Inside an inline `mod name { .. }`.
    pub(super) fn inside(&self, module: &ItemMod) -> Self {
        let names = paths(&module.attrs);
        let folder = names.first().cloned().unwrap_or_else(|| bare(module));
        Self {
            file: self.file.clone(),
            own: self.modules[0].join(&folder),
            modules: self.modules.iter().map(|dir| dir.join(&folder)).collect(),
        }
    }

    fn candidates(&self, module: &ItemMod) -> Vec<PathBuf> {
        let given: Vec<_> = paths(&module.attrs)
            .into_iter()
            .map(|path| self.own.join(path))
            .collect();
        let unconditional = module
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("path"));
        if unconditional {
            return given;
        }
        let name = bare(module);
        let usual = self.modules.iter().flat_map(|dir| {
            [
                dir.join(format!("{name}.rs")),
                dir.join(&name).join("mod.rs"),
            ]
        });
        given.into_iter().chain(usual).collect()
    }
}

/// Files still to be read, and those that were.
pub(super) struct Sources {
    queue: VecDeque<(PathBuf, Dirs)>,
    seen: HashSet<PathBuf>,
    base: PathBuf,
    pub(super) files: Vec<PathBuf>,
    pub(super) problems: Vec<String>,
}

impl Sources {
    pub(super) fn new(root: &Path, manifest: Option<&Path>) -> Self {
        let root = absolute(root, manifest);
        let base = match manifest {
            Some(manifest) if root.starts_with(manifest) => manifest.to_path_buf(),
            _ => root.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        let dirs = Dirs::of(&root, true);
        Self {
            seen: HashSet::from([root.clone()]),
            queue: VecDeque::from([(root, dirs)]),
            base,
            files: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Reads and parses the next file. Those that cannot be are noted as problems.
    pub(super) fn next_file(&mut self) -> Option<Source> {
        loop {
            let (path, dirs) = self.queue.pop_front()?;
            let name = path
                .strip_prefix(&self.base)
                .unwrap_or(&path)
                .display()
                .to_string()
                .replace('\\', "/");
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    self.files.push(path);
                    match syn::parse_file(&text) {
                        Ok(file) => return Some(Source { name, file, dirs }),
                        Err(error) => {
                            let at = error.span().start();
                            self.problems.push(format!(
                                "{name}:{}:{}: `deny_unowned_spawns!` cannot parse this file: {error}",
                                at.line,
                                at.column + 1
                            ));
                        }
                    }
                }
                Err(error) => self.problems.push(format!(
                    "`deny_unowned_spawns!` cannot read {name}: {error}"
                )),
            }
        }
    }

    /// Follows `include!("..")`; its items stand where the macro stands.
    pub(super) fn follow_include(&mut self, mac: &Macro, dirs: &Dirs) {
        let Some(path) = included(mac).map(|name| dirs.file.join(name)) else {
            return;
        };
        // One that is not there may be behind a `#[cfg]`; otherwise the compiler says so.
        if is_rust(&path) && path.is_file() && self.seen.insert(path.clone()) {
            let file = path.parent().map(Path::to_path_buf).unwrap_or_default();
            let dirs = Dirs {
                file,
                ..dirs.clone()
            };
            self.queue.push_back((path, dirs));
        }
    }

    /// Follows `mod name;`.
    pub(super) fn follow(&mut self, module: &ItemMod, dirs: &Dirs, from: &str) {
        let found: Vec<_> = dirs
            .candidates(module)
            .into_iter()
            .filter(|path| path.is_file())
            .collect();
        let is_optional = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
        });
        if found.is_empty() && !is_optional {
            self.problems.push(format!(
                "`deny_unowned_spawns!` cannot find the file of `mod {};` in {from}",
                module.ident
            ));
        }
        for path in found {
            if self.seen.insert(path.clone()) {
                // A file named by `#[path]` has its modules beside it, like a `mod.rs`.
                let beside = !paths(&module.attrs).is_empty();
                let mut dirs = Dirs::of(&path, false);
                if beside {
                    dirs.modules.insert(0, dirs.own.clone());
                }
                self.queue.push_back((path, dirs));
            }
        }
    }
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The file in `include!("..")`. One whose name is put together, as that of a generated file, is not followed.
fn included(mac: &Macro) -> Option<String> {
    let is_include = mac
        .path
        .segments
        .last()
        .is_some_and(|last| last.ident == "include");
    let file = is_include.then(|| mac.parse_body::<LitStr>().ok())?;
    file.map(|file| file.value())
}

fn absolute(root: &Path, manifest: Option<&Path>) -> PathBuf {
    if root.is_absolute() {
        return root.to_path_buf();
    }
    // The compiler runs in the workspace, so a relative path may start at any directory above the manifest.
    let mut dirs = manifest
        .into_iter()
        .flat_map(Path::ancestors)
        .map(|dir| dir.join(root));
    dirs.find(|path| path.is_file())
        .unwrap_or_else(|| std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf()))
}

fn bare(module: &ItemMod) -> String {
    module.ident.to_string().trim_start_matches("r#").to_owned()
}

/// Every `#[path = ".."]`, also behind a `cfg_attr`.
fn paths(attrs: &[Attribute]) -> Vec<String> {
    attrs
        .iter()
        .flat_map(|attribute| path_in(&attribute.meta))
        .collect()
}

fn path_in(meta: &Meta) -> Vec<String> {
    match meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(path),
                ..
            }) => vec![path.value()],
            _ => Vec::new(),
        },
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            let metas = list.parse_args_with(
                syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated,
            );
            metas.iter().flatten().skip(1).flat_map(path_in).collect()
        }
        _ => Vec::new(),
    }
}
