// Starts the guestbook as a process of its own, on a free port and an empty database.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export async function start() {
  const program = process.env.GUESTBOOK;
  if (!program) throw new Error("GUESTBOOK says where the server is: cargo build -p guestbook --features sandbox");
  const home = await mkdtemp(join(tmpdir(), "guestbook-"));
  const env = {
    ...process.env,
    // The book of whoever brings no token; made if it is missing.
    DATABASE_URL: process.env.GUESTBOOK_DATABASE_URL ?? `sqlite:${join(home, "book.sqlite")}`,
    GUESTBOOK_ADDR: "127.0.0.1:0",
  };
  const child = spawn(program, { env, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const base = await Promise.race([address(child), ended.then(([code]) => { throw new Error(`${program} ended: ${code}`); })]);
  return new Server(base, async () => {
    child.kill("SIGTERM");
    const [code] = await ended;
    await rm(home, { recursive: true });
    if (code !== 0) throw new Error(`${program} did not end well: ${code}`);
  });
}

async function address(child) {
  for await (const line of createInterface({ input: child.stdout })) {
    const found = line.match(/http:\/\/\S+/);
    if (found) return found[0];
  }
  return new Promise(() => {});
}

class Server {
  constructor(base, stop) {
    Object.assign(this, { base, stop });
  }

  async ask(method, path, { body, headers = {} } = {}) {
    const kind = body === undefined ? {} : { "content-type": "application/json" };
    const answer = await fetch(this.base + path, { method, headers: { ...kind, ...headers }, body: JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, text, json: () => JSON.parse(text) };
  }
}
