//! One browser, with a profile of its own.

use crate::chromedriver;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use heirloom::BoxError;
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::ops::Deref;
use url::{ParseError, Url};

/// Headless, without what a browser does by itself in the background, and steered through a pipe: it ends with its driver,
/// however that one ends.
const ARGUMENTS: &[&str] = &[
    "--headless=new",
    // Its own sandbox needs rights that containers do not give. It only ever opens our own pages.
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
    // A page that was left is gone, with its requests and its WebSocket, and not kept for the way back.
    "--disable-features=BackForwardCache",
    "--hide-scrollbars",
    "--window-size=1000,800",
];

/// Marks the page that is about to be left, and tells whether the browser will send a form.
const LEAVE: &str = "document.documentElement.dataset.left = '';
    return document.querySelector(arguments[0]).checkValidity()";

/// A running browser, which begins with an empty profile. Everything of [`Client`] works on it.
#[derive(Clone, Debug)]
pub struct Browser {
    client: Client,
    home: String,
}

impl Deref for Browser {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Browser {
    /// Starts one for a site, with this as its user agent.
    pub(crate) async fn start(user_agent: &str, home: String) -> Result<Self, BoxError> {
        let mut arguments = vec![format!("--user-agent={user_agent}")];
        arguments.extend(ARGUMENTS.iter().map(|&argument| argument.to_owned()));
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is written above");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(chromedriver::url()?)
            .await?;
        Ok(Self { client, home })
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// When it has gone already.
    pub(crate) async fn close(self) -> Result<(), CmdError> {
        self.client.close().await
    }

    /// Opens a page of the site: `/`, `/?page=2`.
    ///
    /// # Errors
    ///
    /// When the browser cannot reach it.
    pub async fn open(&self, path: &str) -> Result<(), CmdError> {
        self.goto(&format!("{}{path}", self.home)).await
    }

    /// Types into the form that is sent to `action` and sends it; done when the answer is shown, or at once where the browser
    /// itself refuses what was typed.
    ///
    /// # Errors
    ///
    /// When there is no such form or field, or no answer within fantoccini's 30 s.
    pub async fn fill(&self, action: &str, fields: &[(&str, &str)]) -> Result<(), CmdError> {
        let form = format!("form[action='{action}']");
        for (name, text) in fields {
            let selector = format!("{form} [name='{name}']");
            let field = self.find(Locator::Css(&selector)).await?;
            field.clear().await?;
            field.send_keys(text).await?;
        }
        // The driver waits for the page that a click leads to only if the browser has set out for it already.
        let is_sent = self.execute(LEAVE, vec![form.as_str().into()]).await?;
        let button = format!("{form} button");
        self.find(Locator::Css(&button)).await?.click().await?;
        if is_sent == true {
            let answer = Locator::Css("html:not([data-left])");
            self.wait().for_element(answer).await?;
        }
        Ok(())
    }

    /// What is shown of all elements that match, in the page's order.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub async fn texts(&self, selector: &str) -> Result<Vec<String>, CmdError> {
        let script =
            "return [...document.querySelectorAll(arguments[0])].map((found) => found.innerText)";
        let texts = self.execute(script, vec![selector.into()]).await?;
        Ok(serde_json::from_value(texts).unwrap_or_default())
    }

    /// What is shown of the first that matches, once there is one.
    ///
    /// # Errors
    ///
    /// When there is none within fantoccini's 30 s.
    pub async fn text(&self, selector: &str) -> Result<String, CmdError> {
        loop {
            let found = self.wait().for_element(Locator::Css(selector)).await?;
            match found.text().await {
                // The page was replaced in between.
                Err(error) if error.is_stale_element_reference() => {}
                text => return text,
            }
        }
    }

    /// Waits until an entry is in the list.
    ///
    /// # Errors
    ///
    /// When it is not there within fantoccini's 30 s.
    pub async fn sees(&self, entry: &str) -> Result<(), CmdError> {
        let path = format!("//ol[@id='entries']/li/p[. = \"{entry}\"]");
        self.wait().for_element(Locator::XPath(&path)).await?;
        Ok(())
    }

    /// The entries of the list, the newest first.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub async fn entries(&self) -> Result<Vec<String>, CmdError> {
        self.texts("#entries li p").await
    }

    /// Waits until the page follows the book.
    ///
    /// # Errors
    ///
    /// When it does not within fantoccini's 30 s.
    pub async fn is_live(&self) -> Result<(), CmdError> {
        let live = Locator::XPath("//p[@id='state' and . = 'live']");
        self.wait().for_element(live).await.map(drop)
    }

    /// Waits until the page says that it follows the book no more.
    ///
    /// # Errors
    ///
    /// When it does not within fantoccini's 30 s.
    pub async fn is_away(&self) -> Result<(), CmdError> {
        let away = Locator::Css("#state.away");
        self.wait().for_element(away).await.map(drop)
    }

    /// What stands in a field of the form that is sent to `action`.
    ///
    /// # Errors
    ///
    /// When there is no such field.
    pub async fn value(&self, action: &str, name: &str) -> Result<String, CmdError> {
        let selector = format!("form[action='{action}'] [name='{name}']");
        let field = self.find(Locator::Css(&selector)).await?;
        Ok(field.prop("value").await?.unwrap_or_default())
    }

    /// Presses the tab key.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub async fn press_tab(&self) -> Result<(), CmdError> {
        let tab = String::from(char::from(Key::Tab));
        self.active_element().await?.send_keys(&tab).await
    }

    /// From the next page on, scripts of pages are not run.
    ///
    /// # Errors
    ///
    /// Those of Chromium.
    pub async fn run_no_scripts(&self) -> Result<(), CmdError> {
        let none = json!({ "value": true });
        self.devtools("Emulation.setScriptExecutionDisabled", none)
            .await
    }

    /// Something that only Chromium's own protocol can, such as `Emulation.setEmulatedMedia`.
    ///
    /// # Errors
    ///
    /// Those of Chromium.
    pub async fn devtools(&self, name: &'static str, parameters: Value) -> Result<(), CmdError> {
        let command = Devtools { name, parameters };
        self.issue_cmd(command).await.map(drop)
    }
}

#[derive(Debug)]
struct Devtools {
    name: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.name, "params": self.parameters });
        (Method::POST, Some(body.to_string()))
    }
}
