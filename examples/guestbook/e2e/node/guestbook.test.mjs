// The guestbook's suite in JavaScript: tests at once against one server, each in a session that it opens and ends itself.
//
// Run with: `cargo xtask test`, or by hand, with nothing but Node,
//   cargo build -p guestbook --features sandbox
//   GUESTBOOK=target/debug/guestbook node --test examples/guestbook/e2e/node/guestbook.test.mjs

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { start } from "./server.mjs";

let server;
before(async () => (server = await start()));
after(() => server?.stop());

// What holds sooner or later; 30 s are later than that.
async function eventually(look, holds) {
  const last = Date.now() + 30_000;
  for (;;) {
    const seen = await look();
    if (holds(seen) || Date.now() > last) return seen;
    await new Promise((done) => setTimeout(done, 10));
  }
}

// Opens a session, hands it to the story, and ends it whatever comes of that.
const inSession = (story) => async (test) => {
  const session = await Session.open(test.name);
  try {
    await story(session);
  } finally {
    await session.end();
  }
};

class Session {
  static async open(name) {
    const answer = await server.ask("POST", "/sandbox", { body: { name } });
    assert.equal(answer.status, 201, answer.text);
    return Object.assign(new Session(), answer.json());
  }

  ask(method, path, { body, headers } = {}) {
    const ours = { [this.header.name]: this.header.value, ...headers };
    return server.ask(method, path, { body, headers: ours });
  }

  async end() {
    const ended = await this.ask("DELETE", "/sandbox");
    assert.equal(ended.status, 200, ended.text);
  }

  // Unique keys are the one thing that sessions in transactions have in common.
  get email() {
    return `ada-${this.token.slice(0, 8)}@example.org`;
  }

  async signUp() {
    const joined = await this.ask("POST", "/api/guests", { body: { name: "Ada", email: this.email } });
    assert.equal(joined.status, 201, joined.text);
  }

  async sign(text) {
    const signed = await this.ask("POST", "/api/entries", { body: { email: this.email, text } });
    assert.equal(signed.status, 201, signed.text);
  }

  async texts() {
    const book = await this.ask("GET", "/api/entries");
    assert.equal(book.status, 200, book.text);
    return book.json().entries.map(({ text }) => text);
  }
}

describe("the guestbook", { concurrency: 8 }, () => {
  for (let count = 1; count <= 8; count += 1) {
    const name = `has ${count} entries in a session that has signed ${count}`;
    it(name, inSession(async (session) => {
      assert.deepEqual(await session.texts(), []);
      await session.signUp();
      const mine = Array.from({ length: count }, (_, index) => `${index + 1} of ${count}`);
      for (const text of mine) await session.sign(text);
      assert.deepEqual(await session.texts(), mine.reverse());
      const statistics = await session.ask("GET", "/api/statistics");
      assert.deepEqual(statistics.json(), { guests: 1, entries: count });
    }));
  }

  it("shows a session's entries to a browser with its user agent", inSession(async (session) => {
    await session.signUp();
    await session.sign("From the API");
    const headers = { "user-agent": `Mozilla/5.0 ${session.user_agent}` };
    const page = await server.ask("GET", "/", { headers });
    assert.equal(page.status, 200);
    assert.match(page.text, /From the API/);
    assert.match(page.text, /1 entry/);
  }));

  it("answers many requests of one session at once", inSession(async (session) => {
    await session.signUp();
    const texts = Array.from({ length: 10 }, (_, index) => `entry ${index}`);
    await Promise.all(texts.map((text) => session.sign(text)));
    assert.deepEqual((await session.texts()).sort(), texts);
  }));

  it("refuses in a session what it refuses anywhere", inSession(async (session) => {
    await session.signUp();
    const again = await session.ask("POST", "/api/guests", { body: { name: "Ada", email: session.email } });
    assert.equal(again.status, 409);
    assert.deepEqual(again.json(), { error: `${session.email} has signed up already` });
  }));

  it("has an empty book for whoever brings no token", async () => {
    const book = await server.ask("GET", "/api/entries");
    assert.equal(book.json().total, 0, "nothing of the sessions has been committed");
  });
});

describe("a session", { concurrency: 8 }, () => {
  it("tells its state, and ends once", async () => {
    const session = await Session.open("ends once");
    await session.signUp();
    const state = await session.ask("GET", "/sandbox");
    assert.equal(state.status, 200);
    assert.equal(state.json().name, "ends once");
    await session.end();
    for (const [method, path] of [["DELETE", "/sandbox"], ["GET", "/sandbox"], ["GET", "/api/entries"]]) {
      const late = await session.ask(method, path);
      assert.equal(late.status, 410, `${method} ${path}: ${late.text}`);
      assert.match(late.text, /ends once/);
      assert.ok(!late.text.includes(session.token), "a token is a secret");
    }
  });

  it("leaves nothing behind for the next one", async () => {
    const first = await Session.open("the first");
    await first.signUp();
    await first.sign("Here I was");
    await first.end();
    const next = await Session.open("the next");
    assert.deepEqual(await next.texts(), []);
    // The key that the first one had is free.
    const joined = await next.ask("POST", "/api/guests", { body: { name: "Ada", email: first.email } });
    assert.equal(joined.status, 201, joined.text);
    await next.end();
  });

  it("ends by itself when its client is gone", async () => {
    // Not `sliding`: looking whether it is there would keep it there.
    const body = { name: "gone", timeout_ms: 50, sliding: false };
    const opened = await server.ask("POST", "/sandbox", { body });
    assert.equal(opened.status, 201, opened.text);
    const { header } = opened.json();
    const ask = () => server.ask("GET", "/api/entries", { headers: { [header.name]: header.value } });
    const answer = await eventually(ask, ({ status }) => status === 410);
    assert.equal(answer.status, 410, answer.text);
    assert.match(answer.text, /gone/);
  });

  it("is not to be had with a made-up token", async () => {
    for (const [token, status] of [["0".repeat(32), 403], ["nonsense", 400], ["", 400]]) {
      const headers = { "user-agent": `Mozilla/5.0 heirloom/${token}` };
      const answer = await server.ask("GET", "/api/entries", { headers });
      assert.equal(answer.status, status, answer.text);
    }
  });
});
