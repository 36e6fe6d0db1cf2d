//! Annotated code, marks and tests pass; so does a `spawn` that starts nothing.
heirloom::deny_unowned_spawns!();

#[heirloom::owned_task]
async fn covered() {
    tokio::spawn(async {}).await.unwrap();
    #[unowned("needs no database")]
    std::thread::spawn(|| {});
}

#[heirloom::owned_task]
mod inside {
    pub fn thread() {
        std::thread::spawn(|| {});
    }
}

#[cfg_attr(all(), heirloom::owned_task)]
fn behind_cfg() {
    std::thread::spawn(|| {});
}

#[heirloom::test]
async fn test() {
    tokio::spawn(async {}).await.unwrap();
}

struct World(u8);

impl World {
    fn spawn(&mut self, _: &str) {
        self.0 += 1;
    }
}

fn main() {
    World(0).spawn("entity");
    std::process::Command::new("true")
        .spawn()
        .unwrap()
        .wait()
        .unwrap();
    inside::thread();
    behind_cfg();
    drop(covered());
}
