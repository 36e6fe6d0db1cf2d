use crate::isolation::postgres::template::name::*;
use proptest::prelude::*;

#[test]
fn names_say_what_they_are() {
    let family = Family::of("shop");
    let template = family.template(["a", "b"]);
    assert_eq!(template.len(), "shop_heirloom_".len() + 16);
    assert_eq!(family.kind(&template), Some(Kind::Template));
    assert_eq!(
        family.kind(&unfinished(&template)),
        Some(Kind::Unfinished(&template))
    );
    let run = run();
    assert_eq!(
        family.kind(&family.clone_of(&run, 7)),
        Some(Kind::Clone(&run))
    );
    for other in [
        "shop",
        "shop_heirloom_",
        "shop_heirloom_0123456789abcde",
        "shop_heirloom_0123456789ABCDEF",
        "shop_heirloom_0123456789abcdef_old",
        "shop_heirloom_r0123456789ab",
        "shop_heirloom_r0123456789ab_",
        "shop_heirloom_r0123456789ab_x",
        "shop_heirloom_r0123456789a_1",
        "shop_heirloom_backup",
        "Shop_heirloom_0123456789abcdef",
    ] {
        assert_eq!(family.kind(other), None, "{other}");
    }
}

#[test]
fn every_part_counts_and_none_runs_into_the_next() {
    let shop = Family::of("shop");
    let all = [
        shop.template(["ab", "c"]),
        shop.template(["a", "bc"]),
        shop.template(["ab", "c", ""]),
        shop.template(["abc"]),
        Family::of("shops").template(["ab", "c"]),
    ];
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    let long = "a".repeat(60);
    let (one, two) = (
        Family::of(&format!("{long}1")),
        Family::of(&format!("{long}2")),
    );
    assert_eq!(one.prefix, two.prefix);
    assert_ne!(one.template(["h"]), two.template(["h"]));
}

#[test]
fn marks_are_read_back() {
    let base = "a, of b";
    let text = Mark::template(17, base);
    assert_eq!(Mark::read(&text), Some(Mark::Template { used: 17, base }));
    assert_eq!(
        Mark::read(&Mark::kept(5, "app::test")),
        Some(Mark::Kept { since: 5 })
    );
    for other in [
        "",
        "my database",
        "heirloom: template, used x, of y",
        "heirloom: kept, since 1",
    ] {
        assert_eq!(Mark::read(other), None, "{other}");
    }
}

proptest! {
    #[test]
    fn every_name_fits(base in "\\PC{0,80}", number in any::<u32>()) {
        let family = Family::of(&base);
        let template = family.template(["x"]);
        for name in [unfinished(&template), family.clone_of(&run(), number), template.clone()] {
            prop_assert!(name.len() <= 63, "{name}");
            prop_assert!(family.kind(&name).is_some(), "{name}");
        }
        prop_assert!(base.starts_with(family.prefix.strip_suffix("_heirloom_").unwrap()));
        let text = Mark::template(3, &base);
        prop_assert_eq!(Mark::read(&text), Some(Mark::Template { used: 3, base: &base }));
    }
}
