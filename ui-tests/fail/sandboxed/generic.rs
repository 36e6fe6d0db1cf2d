// Nothing chooses the type.
use heirloom::sandboxed;

#[sandboxed]
async fn test<T>(_value: T) where T: Send {}

fn main() {}
