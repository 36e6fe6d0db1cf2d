// Shows new entries as they are signed. Without it the page is the same, as of when it was loaded.

const entries = document.querySelector("#entries[data-live]");
const total = document.querySelector("#total");
const state = document.querySelector("#state");

const SHORTEST_WAIT = 250;
const LONGEST_WAIT = 10_000;
let wait = SHORTEST_WAIT; // milliseconds until the next attempt to connect

if (entries) connect();

function connect() {
  const address = new URL("/live", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.addEventListener("open", () => {
    wait = SHORTEST_WAIT;
    say("live");
    // What was signed since the page was made, or while there was no connection.
    socket.send(JSON.stringify({ page: 1 }));
  });
  socket.addEventListener("message", ({ data }) => hear(JSON.parse(data)));
  socket.addEventListener("close", () => {
    say("not connected, trying again", "away");
    setTimeout(connect, wait * (0.5 + Math.random()));
    wait = Math.min(2 * wait, LONGEST_WAIT);
  });
}

function say(text, kind = "") {
  state.hidden = false;
  state.className = kind;
  if (state.textContent !== text) state.textContent = text;
}

function hear({ signed, book }) {
  if (signed && show(signed)) count(Number.parseInt(total.textContent, 10) + 1);
  if (book) {
    book.entries.reverse().forEach(show);
    count(book.total);
  }
}

function count(number) {
  total.textContent = number === 1 ? "1 entry" : `${number} entries`;
}

// Puts an entry where it belongs, newest first, unless it is there. What guests wrote is text, never markup.
function show({ id, name, text, signed_at }) {
  const isThere = (item) => Number(item.dataset.id) === id;
  if ([...entries.children].some(isThere)) return false;
  const item = document.createElement("li");
  item.dataset.id = id;
  item.className = "new";
  child(item, "p", text);
  const footer = child(item, "footer");
  child(footer, "b", name);
  const time = child(footer, "time", signed_at.split("T")[0]);
  time.dateTime = signed_at;
  const older = [...entries.children].find((other) => Number(other.dataset.id) < id);
  entries.insertBefore(item, older ?? null);
  return true;
}

function child(parent, tag, text = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  parent.append(element);
  return element;
}
