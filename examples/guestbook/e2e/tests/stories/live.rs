//! The live list: what one tab signs appears in the others.

use guestbook::Guestbook;
use guestbook_e2e::{Site, TestResult, email};
use heirloom::{BoxError, Sandbox, owned_task, sandboxed};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[sandboxed]
async fn what_one_tab_signs_appears_in_the_other_without_a_reload(site: Site) -> TestResult {
    site.guest("Ada").await?;
    let browser = site.browser().await?;
    browser.open("/").await?;
    browser.is_live().await?;
    let reader = browser.window().await?;
    // Lost when the page is loaded again.
    browser.execute("window.untouched = true", vec![]).await?;

    let writer = browser.new_window(true).await?.handle;
    browser.switch_to_window(writer).await?;
    browser.open("/").await?;
    let entry = [("email", &*email("Ada")), ("text", "From another tab")];
    browser.fill("/sign", &entry).await?;

    browser.switch_to_window(reader).await?;
    browser.sees("From another tab").await?;
    assert_eq!(browser.text("#total").await?, "1 entry");
    assert_eq!(browser.texts("#entries li b").await?, ["Ada"]);
    let untouched = browser
        .execute("return window.untouched === true", vec![])
        .await?;
    assert_eq!(untouched, true, "the page was loaded again");
    Ok(())
}

#[sandboxed]
async fn what_guests_write_is_text_in_the_live_list_too(site: Site) -> TestResult {
    site.guest("<i>Ada").await?;
    let browser = site.browser().await?;
    browser.open("/").await?;
    browser.is_live().await?;
    let evil = "<img src=x onerror=document.title='taken'>";
    site.sign_as("<i>Ada", evil).await?;
    browser.sees(evil).await?;
    browser.refresh().await?;
    browser.sees(evil).await?;
    assert_eq!(browser.texts("#entries li b").await?, ["<i>Ada"]);
    assert_eq!(browser.title().await?, "Guestbook");
    Ok(())
}

#[sandboxed]
async fn new_entries_do_not_come_on_top_of_an_older_page(site: Site) -> TestResult {
    site.guest("Ada").await?;
    for n in 1..=12 {
        site.sign(&format!("entry {n}")).await?;
    }
    let browser = site.browser().await?;
    browser.open("/").await?;
    browser.is_live().await?;
    site.sign("entry 13").await?;
    browser.sees("entry 13").await?;
    assert_eq!(browser.text("#total").await?, "13 entries");
    browser.open("/?page=2").await?;
    assert_eq!(browser.entries().await?, ["entry 3", "entry 2", "entry 1"]);
    let follows = "return document.querySelector('[data-live]') !== null";
    assert_eq!(browser.execute(follows, vec![]).await?, false);
    Ok(())
}

/// A server of this test alone, beside the one for all.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

#[owned_task]
impl Server {
    async fn start(at: SocketAddr) -> Result<Self, BoxError> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let ended = tokio::spawn(Guestbook::open().serve(listener, stopped));
        Ok(Self {
            address,
            stop,
            ended,
        })
    }

    async fn stop(self) -> TestResult {
        drop(self.stop);
        Ok(self.ended.await??)
    }
}

#[sandboxed]
async fn a_page_comes_back_when_its_server_does_and_has_missed_nothing(
    site: Site,
    sandbox: Sandbox,
) -> TestResult {
    site.guest("Ada").await?;
    let server = Server::start(([127, 0, 0, 1], 0).into()).await?;
    let address = server.address;
    let home = format!("http://{address}");
    let browser = site.browser_at(sandbox.owner(), home).await?;
    browser.open("/").await?;
    browser.is_live().await?;
    server.stop().await?;
    browser.is_away().await?;
    site.sign("While it was away").await?;
    let server = Server::start(address).await?;
    browser.is_live().await?;
    browser.sees("While it was away").await?;
    assert_eq!(browser.text("#total").await?, "1 entry");
    server.stop().await
}
