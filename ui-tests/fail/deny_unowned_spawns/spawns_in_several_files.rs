// Every spawn outside annotated code, in every file, as file:line:column.
heirloom::deny_unowned_spawns!();

mod modules;

#[heirloom::owned_task]
async fn covered() {
    tokio::spawn(async {});
    fn nested() {
        std::thread::spawn(|| {});
    }
    nested();
}

fn main() {
    std::thread::spawn(|| {});
    drop(covered());
    modules::start();
}
