//! How the page looks, and whether everybody can use it.

use guestbook_e2e::{Browser, Site, TestResult};
use heirloom::{BoxError, sandboxed};
use serde_json::{Value, json};
use std::path::PathBuf;

const BOOK: &[(&str, &str)] = &[
    ("Katherine", "Checked every number by hand. They are right."),
    ("Alan", "Can the book tell whether a person has signed it?"),
    (
        "Grace",
        "Found a moth between the pages. I have taped it in, with the date and the hour, so that whoever comes after me knows why it would not close.",
    ),
    (
        "Ada",
        "What a lovely engine! It weaves entries as the loom weaves leaves.",
    ),
];

/// Puts some nice entries into the book, the last one on top.
async fn write_book(site: &Site) -> TestResult {
    for (name, text) in BOOK {
        site.guest(name).await?;
        site.sign_as(name, text).await?;
    }
    Ok(())
}

async fn prefers(browser: &Browser, scheme: &str) -> TestResult {
    let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
    let media = json!({ "features": [feature] });
    Ok(browser
        .devtools("Emulation.setEmulatedMedia", media)
        .await?)
}

async fn is_as_wide_as(browser: &Browser, width: u32, height: u32) -> TestResult {
    let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    Ok(browser
        .devtools("Emulation.setDeviceMetricsOverride", size)
        .await?)
}

/// Writes what is shown into `target/tmp/guestbook/`.
async fn keep(browser: &Browser, name: &str) -> Result<PathBuf, BoxError> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guestbook");
    std::fs::create_dir_all(&dir)?;
    let path = dir.join(name);
    std::fs::write(&path, browser.screenshot().await?)?;
    Ok(path)
}

#[sandboxed]
async fn the_page_fits_a_desk_and_a_phone_in_light_and_dark(site: Site) -> TestResult {
    write_book(&site).await?;
    let browser = site.browser().await?;
    for (width, height, scheme, name) in [
        (900, 890, "light", "page.png"),
        (900, 890, "dark", "dark.png"),
        (360, 1200, "light", "phone.png"),
        (320, 1200, "dark", "phone-dark.png"),
    ] {
        is_as_wide_as(&browser, width, height).await?;
        prefers(&browser, scheme).await?;
        browser.open("/").await?;
        browser.is_live().await?;
        let wide = "return document.documentElement.scrollWidth";
        assert_eq!(
            browser.execute(wide, vec![]).await?,
            width,
            "{name}: it scrolls sideways"
        );
        let picture = std::fs::read(keep(&browser, name).await?)?;
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
    }
    Ok(())
}

/// What a person who cannot see, or cannot use a mouse, needs.
#[sandboxed]
async fn everybody_can_use_the_page(site: Site) -> TestResult {
    write_book(&site).await?;
    let browser = site.browser().await?;
    for scheme in ["light", "dark"] {
        prefers(&browser, scheme).await?;
        for path in ["/", "/?notice=signed", "/?page=2"] {
            browser.open(path).await?;
            let wrong = browser
                .execute(include_str!("accessible.js"), vec![])
                .await?;
            assert_eq!(wrong, json!([]), "{path}, {scheme}");
        }
    }
    Ok(())
}

#[sandboxed]
async fn the_tab_key_goes_through_the_forms_in_their_order(site: Site) -> TestResult {
    let browser = site.browser().await?;
    browser.open("/").await?;
    let mut names = Vec::new();
    for _ in 0..7 {
        browser.press_tab().await?;
        let name = "const e = document.activeElement; return `${e.form?.getAttribute('action')} ${e.name || e.innerText}`";
        names.push(browser.execute(name, vec![]).await?);
    }
    let expected = [
        "/sign email",
        "/sign text",
        "/sign Sign",
        "/sign-up name",
        "/sign-up email",
        "/sign-up Sign up",
    ];
    assert_eq!(names[..6], expected.map(Value::from));
    Ok(())
}
