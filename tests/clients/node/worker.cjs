// The same program as `python/worker.py`, for Node and its driver `pg`.

const { createInterface } = require("node:readline");
const { Client } = require("pg");

async function main() {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  const notifications = listenTo(client);
  // What a connection that runs nothing is told is the answer to the next statement, as in Python.
  let lost;
  client.on("error", (error) => (lost ??= error));
  await client.connect();
  say("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const said = await answer(client, notifications, line.trim());
    say(lost ? failure(lost) : said);
  }
  await client.end();
}

async function answer(client, notifications, line) {
  if (line.startsWith("wait ")) {
    return notifications.next(line.slice("wait ".length));
  }
  try {
    const { fields, rows } = await client.query({ text: line, rowMode: "array" });
    return fields.length > 0 ? rows : null;
  } catch (error) {
    return failure(error);
  }
}

function failure(error) {
  return { sqlstate: error.code ?? null, message: error.message };
}

// Keeps those that came before anybody waited for them.
function listenTo(client) {
  const kept = [];
  let arrived = () => {};
  client.on("notification", (notification) => {
    kept.push(notification);
    arrived();
  });
  const next = async (channel) => {
    for (;;) {
      const index = kept.findIndex((notification) => notification.channel === channel);
      if (index >= 0) {
        return kept.splice(index, 1)[0].payload;
      }
      await new Promise((resolve) => (arrived = resolve));
    }
  };
  return { next };
}

function say(answer) {
  console.log(JSON.stringify(answer));
}

main().catch((error) => {
  console.error(`worker.cjs: ${error.message}`);
  process.exit(1);
});
