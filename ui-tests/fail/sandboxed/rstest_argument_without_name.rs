// rstest knows an argument by its name.
use heirloom::sandboxed;

#[sandboxed]
#[rstest::rstest]
#[case((1, 2))]
async fn test(#[case] (left, right): (u8, u8)) {}

fn main() {}
