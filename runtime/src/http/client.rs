//! The client's side: the current owner's token on what is sent.

use super::header::{LONGEST, names_an_owner};
use super::here::is_here;
use super::request::line_with_host;
use crate::context::Carrier;
use crate::error::Place;
use crate::owner::{Owner, Token};
use crate::task::Tracked;
use http::header::{HOST, HeaderMap, HeaderName, USER_AGENT};
use http::uri::Authority;
use http::{HeaderValue, Request};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// Puts the current owner's token on the requests that a client sends, so that a server with
/// [`SandboxLayer`](super::SandboxLayer) handles them as that owner, and counts them for
/// [`Sandbox::settle`](crate::Sandbox::settle) until the head of their response is there, whoever the server is.
///
/// The token is the last word of the user agent, whatever else that is. It goes to this machine only: to `localhost`, a name
/// below that, or a loopback address, by the request's URI, else by its `Host`; a request without both is handled in this
/// process, by a router. A request that names an owner itself, in any header that the layer would write to, stays as it is.
/// Where nobody is the current owner, the process
/// may be the child of a test: then the token is that of `HEIRLOOM_OWNER`, if it holds one.
///
/// ```
/// use tower_layer::Layer as _;
/// # let client = ();
/// let client = heirloom::http::TokenLayer::new().layer(client);
/// # let _ = client;
/// ```
///
/// Without the `sandbox` feature it is the identity.
#[derive(Clone, Debug)]
pub struct TokenLayer {
    label: Label,
    remote: bool,
    made_at: Place,
}

/// How a request tells whose it is.
#[derive(Clone, Debug)]
struct Label {
    header: HeaderName,
    baggage: bool,
}

impl TokenLayer {
    /// Puts the token at the end of the user agent.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self {
            label: Label {
                header: USER_AGENT,
                baggage: false,
            },
            remote: false,
            made_at: Location::caller().into(),
        }
    }

    /// Puts it in this header, and not in the user agent.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.label.header = name;
        self
    }

    /// Puts it in W3C `baggage` as well, beside what is there.
    #[must_use]
    pub fn baggage(mut self) -> Self {
        self.label.baggage = true;
        self
    }

    /// Sends it to other machines, too: whoever reads it there can use the test's database for as long as the test runs.
    #[must_use]
    pub fn allow_remote(mut self) -> Self {
        self.remote = true;
        self
    }
}

impl Default for TokenLayer {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for TokenLayer {
    type Service = TokenService<S>;

    fn layer(&self, inner: S) -> TokenService<S> {
        TokenService {
            inner,
            layer: self.clone(),
        }
    }
}

/// What [`TokenLayer`] makes.
#[derive(Clone, Debug)]
pub struct TokenService<S> {
    inner: S,
    layer: TokenLayer,
}

impl<S, Sent> Service<Request<Sent>> for TokenService<S>
where
    S: Service<Request<Sent>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TokenFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Sent>) -> Self::Future {
        let owner = crate::context::current();
        let token = owner.as_ref().map(|owner| *owner.token());
        let token = token.or_else(of_the_parent);
        if let Some(token) = token.filter(|_| self.layer.remote || stays_here(&request)) {
            self.layer.label.put(&token, request.headers_mut());
        }
        let tracked = owner.map(|owner| {
            let line = line_with_host(&request);
            Tracked::sent::<S::Future>(&Carrier::of(&owner), self.layer.made_at, line)
        });
        TokenFuture {
            future: self.inner.call(request),
            tracked,
        }
    }
}

/// The token of the test that this process is a child of.
fn of_the_parent() -> Option<Token> {
    static TOKEN: OnceLock<Option<Token>> = OnceLock::new();
    let read = || std::env::var("HEIRLOOM_OWNER").ok()?.trim().parse().ok();
    *TOKEN.get_or_init(read)
}

/// Whether a request does not leave this machine.
fn stays_here<B>(request: &Request<B>) -> bool {
    if let Some(host) = request.uri().host() {
        return is_here(host);
    }
    match request.headers().get(HOST) {
        Some(host) => {
            let host = host.as_bytes().try_into();
            host.is_ok_and(|host: Authority| is_here(host.host()))
        }
        None => true,
    }
}

impl Label {
    /// In all of its headers or, where one of them names an owner already, in none: a server refuses two.
    fn put(&self, token: &Token, headers: &mut HeaderMap) {
        if self.is_named_in(headers) {
            return;
        }
        if self.header == USER_AGENT {
            add_product(token, headers);
        } else {
            headers.insert(&self.header, secret(&token.to_string()));
        }
        if self.baggage {
            add_baggage(token, headers);
        }
    }

    fn is_named_in(&self, headers: &HeaderMap) -> bool {
        let in_its_own = if self.header == USER_AGENT {
            is_named(&USER_AGENT, headers)
        } else {
            headers.contains_key(&self.header)
        };
        in_its_own || self.baggage && is_named(&BAGGAGE, headers)
    }
}

/// Whether the request names an owner itself.
fn is_named(header: &HeaderName, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header).into_iter();
    values.any(|value| names_an_owner(header, value.as_bytes()))
}

/// Behind what the user agent is.
fn add_product(token: &Token, headers: &mut HeaderMap) {
    let product = format!("heirloom/{token}");
    match headers.get_mut(USER_AGENT) {
        Some(line) => *line = joined(line.as_bytes(), b" ", &product),
        None => {
            headers.insert(USER_AGENT, secret(&product));
        }
    }
}

/// Into the one line that is there, as long as everybody has to carry that on; else in a line of its own.
fn add_baggage(token: &Token, headers: &mut HeaderMap) {
    let member = format!("heirloom={token}");
    let lines = headers.get_all(BAGGAGE).iter().count();
    match headers.get(BAGGAGE) {
        Some(line) if lines == 1 && line.len() + 1 + member.len() <= LONGEST => {
            let value = joined(line.as_bytes(), b",", &member);
            headers.insert(BAGGAGE, value);
        }
        _ => {
            headers.append(BAGGAGE, secret(&member));
        }
    }
}

/// What a header holds already, which need not be text, and what comes behind it.
fn joined(base: &[u8], between: &[u8], more: &str) -> HeaderValue {
    if base.trim_ascii().is_empty() {
        return secret(more);
    }
    let bytes = [base, between, more.as_bytes()].concat();
    let value = HeaderValue::from_bytes(&bytes);
    marked(value.expect("a header's bytes and ASCII behind them are a header's: heirloom's bug"))
}

fn secret(text: &str) -> HeaderValue {
    let value = HeaderValue::from_str(text);
    marked(value.expect("digits and letters are a header's: heirloom's bug"))
}

/// Whoever prints headers does not print the token.
fn marked(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl Owner {
    /// A user agent that names this owner: `base`, a space, and `heirloom/<its token>`. For a browser.
    ///
    /// ```
    /// # use heirloom::{Sandbox, Test};
    /// # Test::here("example").run(|sandbox: Sandbox| async move {
    /// let owner = sandbox.owner();
    /// let agent = owner.user_agent("Mozilla/5.0 (X11; Linux x86_64)");
    /// assert_eq!(agent, format!("Mozilla/5.0 (X11; Linux x86_64) heirloom/{}", owner.token()));
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn user_agent(&self, base: &str) -> String {
        let base = base.trim();
        let space = if base.is_empty() { "" } else { " " };
        format!("{base}{space}heirloom/{}", self.token())
    }

    /// The headers that name this owner, one line: `user-agent: heirloom/<its token>`. For a client that has default headers,
    /// as reqwest's `ClientBuilder::default_headers`. A user agent that is set beside them replaces theirs; then it is to be
    /// made by [`Owner::user_agent`].
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, secret(&self.user_agent("")));
        headers
    }
}

pin_project! {
    /// The response to a request that [`TokenLayer`] has seen.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct TokenFuture<F> {
        #[pin]
        future: F,
        tracked: Option<Tracked>,
    }
}

impl<F: Future> Future for TokenFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.future.poll(cx);
        if polled.is_ready() {
            *this.tracked = None;
        }
        polled
    }
}

impl<F> fmt::Debug for TokenFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
