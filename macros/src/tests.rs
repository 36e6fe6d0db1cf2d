//! What the attributes make of code, against checked-in files; and what they say, where a whole program is too much.

mod deny;

use crate::{owned_task, sandboxed};
use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use std::path::Path;

/// Compares the pretty-printed expansion with `tests/expanded/<name>.rs`; `HEIRLOOM_BLESS=1` writes the file.
#[track_caller]
fn expands_to(name: &str, expansion: &TokenStream) {
    let file =
        syn::parse2(expansion.clone()).unwrap_or_else(|error| panic!("{error} in {expansion}"));
    let printed = prettyplease::unparse(&file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expanded")
        .join(name)
        .with_extension("rs");
    if std::env::var_os("HEIRLOOM_BLESS").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        printed, expected,
        "{name} has changed; HEIRLOOM_BLESS=1 accepts that"
    );
}

/// The text of every `compile_error!` in an expansion.
fn messages(expansion: TokenStream) -> Vec<String> {
    let trees: Vec<_> = expansion.into_iter().collect();
    let is_error = |window: &[TokenTree]| {
        window[0].to_string() == "compile_error" && window[1].to_string() == "!"
    };
    let text = |window: &[TokenTree]| match &window[2] {
        TokenTree::Group(group) => syn::parse2::<syn::LitStr>(group.stream()).unwrap().value(),
        other => panic!("unexpected {other}"),
    };
    trees
        .windows(3)
        .filter(|window| is_error(window))
        .map(text)
        .collect()
}

/// Whether a name occurs as a token, at any depth.
fn names(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => names(group.stream(), name),
        TokenTree::Ident(ident) => ident == name,
        _ => false,
    })
}

#[test]
fn smallest_test() {
    expands_to(
        "smallest_test",
        &sandboxed::expanded(
            quote!(),
            quote!(
                async fn nothing() {}
            ),
        ),
    );
}

#[test]
fn every_argument() {
    let args = quote! {
        migrations = "./db",
        fixtures("users"),
        fixtures(path = "scripts", scripts("entries.sql")),
        isolation = "database",
        shared = true,
        flavor = "multi_thread",
        worker_threads = 4,
        ownership_timeout = "90s",
        drain_timeout = "500ms",
        spawns = "deny",
        allow(tokio::spawn),
        crate = ::renamed,
    };
    let test = quote! {
        /// Documented.
        #[ignore = "slow"]
        pub(crate) async fn everything((pool, _): (SqlitePool, Owner), mut app: TestApp) -> anyhow::Result<()> {
            tokio::spawn(work(pool)).await?
        }
    };
    expands_to("every_argument", &sandboxed::expanded(args, test));
}

#[test]
fn plain_test() {
    let test = quote!(
        fn plain(owner: Owner, sandbox: Sandbox) -> Result<(), Error> {
            check(owner, sandbox)
        }
    );
    expands_to(
        "plain_test",
        &sandboxed::expanded(
            quote!(
                migrator = crate::MIGRATOR,
                isolation = "none",
                shared = false
            ),
            test,
        ),
    );
}

#[test]
fn rstest_below() {
    let test = quote! {
        #[rstest]
        #[case(1)]
        #[awt]
        async fn cases<T: Display>(#[case] mut number: T, pool: SqlitePool, #[future] app: App) {
            number.check(pool, app).await;
        }
    };
    expands_to(
        "rstest_below",
        &sandboxed::expanded(quote!(migrations = false), test),
    );
}

#[test]
fn async_fn_captures_when_called() {
    let function = quote! {
        /// Documented.
        pub async fn worker<'a, T>(mut pool: SqlitePool, (left, _): (u8, T), text: &'a str) -> Result<&'a str, Error>
        where
            T: Send,
        {
            pool.begin().await?;
            Ok(text)
        }
    };
    expands_to("async_fn", &owned_task::run(quote!(), function));
}

#[test]
fn methods_capture_when_called() {
    let block = quote! {
        impl Actor {
            async fn start(&mut self) -> ! { loop {} }
            pub async unsafe fn opaque(self) -> Result<impl Sized, Error> { Ok(self) }
            fn plain(&self) { self.tracker.spawn(work()); }
            #[unowned("why")]
            fn left_alone(&self) { self.tracker.spawn(work()); }
            #[owned_task]
            async fn annotated_itself(&self) {}
            #[tracing::instrument]
            async fn instrumented(&self) {}
        }
    };
    expands_to(
        "methods",
        &owned_task::run(quote!(crate = crate::renamed), block),
    );
}

#[test]
fn async_trait_above_and_below() {
    let below = quote! {
        #[async_trait]
        impl Works for Actor { async fn work(&self) {} }
    };
    expands_to("async_trait_below", &owned_task::run(quote!(), below));
    let above = quote! {
        impl Works for Actor {
            fn work<'life0>(&'life0 self) -> ::core::pin::Pin<Box<dyn Future<Output = ()> + Send + 'life0>> {
                Box::pin(async move { tokio::spawn(work()); })
            }
        }
    };
    expands_to("async_trait_above", &owned_task::run(quote!(), above));
}

#[test]
fn spawn_sites() {
    let function = quote! {
        fn sites(scope: &Scope) {
            tokio::spawn(future);
            spawn_blocking(|| work());
            map.spawn(key, future);
            JoinSet::spawn(&mut set, future);
            set.spawn_on(future, &handle);
            std::thread::spawn::<fn(), ()>(work);
            std::thread::Builder::new().spawn_scoped(scope, || work());
            boxes.spawn(Box::pin(async {}));
            boxes.spawn(async {}.boxed());
            rayon::join(a, b);
            commands.spawn("entity").spawn(&reference).spawn(Default::default()).spawn(text.into());
            Command::new("true").spawn();
        }
    };
    expands_to("spawn_sites", &owned_task::run(quote!(), function));
}

#[test]
fn closures_with_arguments() {
    let function = quote! {
        fn closures(scope: &Scope) {
            scope.spawn(|scope| work(scope));
            upgrade.on_upgrade(move |socket| chat(socket));
            upgrade.on_upgrade(listen);
            supervisor.spawn(move || work());
                supervisor.spawn(|| work());
                supervisor.spawn(|| async { work().await });
            supervisor.spawn(async |input| work(input).await);
            rayon::spawn_broadcast(|context| work(context));
            pool.broadcast(|context| work(context));
            pool.spawn_pinned(|| async { work().await });
        }
    };
    expands_to("closures", &owned_task::run(quote!(), function));
}

#[test]
fn marks_make_work_nobodys() {
    let function = quote! {
        async fn marked() {
            #[unowned("metrics")]
            tokio::spawn(report());
            #[unowned("a whole block")]
            {
                scope.spawn(|scope| work(scope));
                let start = tokio::spawn;
                opaque!(go => tokio::spawn(x));
            }
        }
    };
    expands_to("unowned", &owned_task::run(quote!(), function));
}

#[test]
fn macros_are_read() {
    let function = quote! {
        fn macros() {
            tokio::join!(tokio::spawn(a), untouched);
            tokio::select! {
                biased;
                Ok(x) = tokio::spawn(a), if ready => { tokio::spawn(b) }
                else => c,
            }
            vec![tokio::spawn(a); 2];
            println!("{x}", x = tokio::spawn(a));
            matches!(tokio::spawn(a), Some(x) if x.spawn(b));
            stringify!(tokio::spawn(a));
            untouched! { any => thing }
        }
    };
    expands_to("macros", &owned_task::run(quote!(), function));
}

#[test]
fn named_async_fn_is_the_actor() {
    let function = quote! {
        async fn pricing(pool: SqlitePool) {
            tokio::spawn(child(pool));
        }
    };
    expands_to(
        "named_async_fn",
        &owned_task::run(quote!(name = "pricing"), function),
    );
    let instrumented = quote! {
        #[instrument]
        async fn pricing() {}
    };
    expands_to(
        "named_below",
        &owned_task::run(
            quote!(crate = ::renamed, name = "pricing",),
            instrumented.clone(),
        ),
    );
}

#[test]
fn named_fn_spawns_the_actor() {
    let function = quote! {
        fn start(pool: SqlitePool) -> JoinHandle<()> {
            std::thread::spawn(|| { rayon::spawn(child) });
            upgrade.on_upgrade(listen);
            upgrade.on_upgrade(move |socket| chat(socket));
            scope.spawn(|scope| work(scope));
            scope.spawn(|scope| -> u8 { return 1 });
            supervisor.spawn(|| work());
            pool.broadcast(|context| work(context));
            pools.for_each(|pool| { tokio::spawn(of_each(pool)); });
            #[unowned("metrics")]
            tokio::spawn(report());
            tokio::spawn(async move {
                tokio::spawn(child());
            })
        }
    };
    expands_to(
        "named_fn",
        &owned_task::run(quote!(name = "pricing"), function),
    );
}

#[test]
fn named_fn_returns_the_actor() {
    let function = quote! {
        fn pricing(&self) -> Pin<Box<dyn Future<Output = ()>>> {
            if self.done {
                return Box::pin(async {});
            }
            Box::pin(async move {
                tokio::spawn(child());
            })
        }
    };
    expands_to(
        "named_future",
        &owned_task::run(quote!(name = "pricing"), function),
    );
}

#[test]
fn a_name_without_a_task_is_a_mistake() {
    let functions = [
        quote!(
            fn starts_nothing(pool: SqlitePool) -> Handle {
                start(pool)
            }
        ),
        quote!(
            fn only_children() {
                runtime.block_on(async { tokio::spawn(child()) });
            }
        ),
        quote!(
            fn only_tasks_of_nobody() {
                #[unowned("metrics")]
                tokio::spawn(report());
            }
        ),
        quote!(
            #[tokio::main]
            async fn main() {
                tokio::spawn(child());
            }
        ),
    ];
    for function in functions {
        let messages = messages(owned_task::run(quote!(name = "pricing"), function.clone()));
        assert!(
            matches!(&messages[..], [one] if one.contains("`name` has no task to name in this function\n\nhelp: ")),
            "{messages:?} about {function}"
        );
    }
    let escape = quote!(
        fn escape() {
            futures.map(tokio::spawn);
        }
    );
    assert_eq!(
        messages(owned_task::run(quote!(name = "pricing"), escape)).len(),
        1,
        "the mistake in the body may be the reason"
    );
}

/// `crate = …` means that nothing else is named.
#[test]
fn given_crate_replaces_the_default_everywhere() {
    let everything = quote! {
        async fn everything(pool: SqlitePool) -> ! {
            tokio::spawn(a);
            scope.spawn(|scope| work(scope));
            pool.broadcast(|context| work(context));
            upgrade.on_upgrade(listen);
            #[unowned("why")]
            tokio::spawn(b);
        }
    };
    let test = sandboxed::expanded(
        quote!(crate = ::renamed, fixtures("users"), drain_timeout = "1s"),
        everything.clone(),
    );
    let plain = quote!(
        fn plain(pool: SqlitePool) -> u8 {
            1
        }
    );
    let plain = sandboxed::expanded(quote!(crate = ::renamed), plain);
    let task = owned_task::run(quote!(crate = ::renamed), everything);
    let deferred = owned_task::run(
        quote!(crate = ::renamed),
        quote!(
            #[instrument]
            async fn deferred() {}
        ),
    );
    let named = owned_task::run(
        quote!(crate = ::renamed, name = "pricing"),
        quote!(
            fn start() {
                scope.spawn(|scope| work(scope));
                tokio::spawn(a);
            }
        ),
    );
    for expansion in [test, plain, task, deferred, named] {
        assert!(names(expansion.clone(), "renamed"), "{expansion}");
        assert!(!names(expansion.clone(), "heirloom"), "{expansion}");
    }
}

#[test]
fn without_the_feature_one_error_says_how_to_turn_it_on() {
    let expansion = sandboxed::without_sandbox(
        "sandboxed",
        quote!(
            #[tokio::test]
            async fn test(#[case] x: u8) {}
        ),
    );
    let messages = messages(expansion.clone());
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].contains("`#[sandboxed]` needs the feature `sandbox` of heirloom\n\nhelp: "),
        "{messages:?}"
    );
    assert!(messages[0].contains("[dev-dependencies]"), "{messages:?}");
    assert!(
        names(expansion.clone(), "test"),
        "the function is given back"
    );
    assert!(!names(expansion, "tokio"), "but not as a test");
}

#[test]
fn all_mistakes_of_an_item_are_reported_and_it_is_given_back() {
    let test = quote!(
        const unsafe fn test<T>(&self, pool: &SqlitePool) {
            let start = tokio::spawn;
        }
    );
    let expansion = sandboxed::expanded(quote!(flavor = 1, flavor, "x", nothing), test);
    let messages = messages(expansion.clone());
    let expected = [
        "expected the name of an argument",
        "`flavor` is given twice",
        "unexpected value for `flavor`",
        "unexpected form of `flavor`",
        "unknown argument `nothing`",
        "cannot be used on a `const fn`",
        "cannot be used on an `unsafe fn`",
        "a test cannot have `self`",
        "a test cannot be generic",
        "cannot be references",
        "`tokio::spawn` is used as a value",
    ];
    assert_eq!(messages.len(), expected.len(), "{messages:#?}");
    for (message, expected) in messages.iter().zip(expected) {
        assert!(
            message.contains(expected),
            "{message}\ndoes not contain\n{expected}"
        );
        assert!(message.contains("\n\nhelp: "), "{message}");
    }
    assert!(names(expansion, "test"));
}

#[test]
fn local_names_are_not_spawns() {
    let function = quote! {
        fn locals(spawn_local: bool) {
            let spawn = true;
            if spawn && spawn_local {}
            fn spawn_blocking() {}
            takes(spawn_blocking);
        }
    };
    assert_eq!(
        messages(owned_task::run(quote!(), function)),
        Vec::<String>::new()
    );
}
