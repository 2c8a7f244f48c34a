// Playground: sending and stopping, one model or two, and the same call as code, as the form is now.
const form = document.getElementById("ask");
const byId = (id) => document.getElementById(id);

// The same request as src/dashboard/playground/form.ts makes of the form.
function bodyOf(data) {
  const text = (name) => String(data.get(name) ?? "");
  const number = (name) => (text(name).trim() === "" ? undefined : Number(text(name)));
  const standard = (name) => form.elements[name]?.closest("[data-default]")?.dataset.default;
  const chosen = (name) => (text(name) === "" || text(name) === standard(name) ? undefined : text(name));
  const said = JSON.parse(text("history0") || "[]");
  const answered = said.slice(0, said.findLastIndex(({ role }) => role === "assistant") + 1);
  const message = text("message").trim();
  // With nothing written yet: the call that was made last.
  const asked =
    message === "" && answered.length > 0
      ? answered.slice(0, -1)
      : [...answered, { role: "user", content: message || "Hello" }];
  const stop = text("stop").split(/\r?\n/).filter(Boolean);
  const wishes = { strategy: chosen("strategy"), pool: chosen("pool") };
  return {
    model: text("model0"),
    messages: [...(text("system").trim() === "" ? [] : [{ role: "system", content: text("system") }]), ...asked],
    stream: true,
    max_tokens: number("max_tokens"),
    temperature: number("temperature"),
    top_p: chosen("top_p") && number("top_p"),
    seed: number("seed"),
    stop: stop.length > 0 ? stop : undefined,
    response_format: data.has("json") ? { type: "json_object" } : undefined,
    infernet: wishes.strategy || wishes.pool ? wishes : undefined,
  };
}

/** What turns text around or hides it is spelled out, so that nobody pastes what they do not see. */
const INVISIBLE = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;
const spelled = (signs) =>
  Array.from({ length: signs.length }, (_, i) => `\\u${signs.charCodeAt(i).toString(16).padStart(4, "0")}`).join("");
const json = (value, indent) => JSON.stringify(value, null, indent).replace(INVISIBLE, spelled);
const kept = (body) => Object.entries(body).filter(([, value]) => value !== undefined);

/** A value as Python writes it. */
function python(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value !== "object") return json(value);
  const pairs = kept(value).map(([key, of]) => `${json(key)}: ${python(of)}`);
  return `{${pairs.join(", ")}}`;
}

const CALLS = {
  curl: (url, body) => `curl -N ${url}/chat/completions \\
  -H "Authorization: Bearer $INFERNET_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '${json(body, 2).replaceAll("'", "'\\''")}'`,
  Python: (url, { infernet, ...body }) => {
    const wishes = infernet ? { extra_body: { infernet } } : {};
    const fields = kept({ ...body, ...wishes }).map(([key, value]) => `    ${key}=${python(value)},\n`);
    return `import os
from openai import OpenAI

client = OpenAI(base_url="${url}", api_key=os.environ["INFERNET_API_KEY"])
stream = client.chat.completions.create(
${fields.join("")})
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="")`;
  },
  TypeScript: (url, body) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${url}", apiKey: process.env.INFERNET_API_KEY });
const stream = await client.chat.completions.create(${json(body, 2)}${body.infernet ? " as OpenAI.ChatCompletionCreateParamsStreaming" : ""});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
}`,
};

function showCall() {
  const code = CALLS[byId("call-language").value](`${location.origin}/v1`, bodyOf(new FormData(form)));
  byId("call-code").textContent = code;
  document.querySelector("#call-card [data-do=copy]").dataset.text = code;
}

const openTurns = () => form.querySelectorAll(".turn[data-open]");

/** An answer that was left is kept as far as it came. */
function closeTurn(turn) {
  const text = turn.querySelector("[id^=text-]");
  text.removeAttribute("aria-busy");
  const thinking = turn.querySelector(".thinking");
  thinking.hidden = thinking.querySelector("span") === null;
  delete turn.dataset.open;
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = "Stopped";
  text.after(note);
  const history = form.elements[`history${turn.dataset.side}`];
  if (text.textContent === "") return;
  history.value = JSON.stringify([...JSON.parse(history.value), { role: "assistant", content: text.textContent }]);
}

function busy(is) {
  const stop = byId("stop");
  if (!is && document.activeElement === stop) byId("message").focus();
  stop.hidden = !is;
  byId("again").hidden = is || form.querySelector(".turn") === null;
}

function began() {
  busy(true);
  byId("message").value = "";
  showCall();
}

function ended() {
  const left = [...openTurns()];
  left.forEach(closeTurn);
  if (left.length > 0) byId("said").textContent = "Stopped.";
  busy(false);
  showCall();
}

/** One model, or two side by side; nothing of the conversation is lost. */
function pair(two) {
  byId("chat").classList.toggle("two", two);
  byId("talker-1").hidden = !two;
  byId("model-1").disabled = !two;
  byId("message").placeholder = two ? "Ask both models" : "Ask the model";
}

function clear() {
  htmx.trigger(form, "htmx:abort");
  for (const side of [0, 1]) {
    byId(`talk-${side}`).replaceChildren();
    form.elements[`history${side}`].value = "[]";
    form.elements[`last${side}`].value = "";
  }
  busy(false);
  byId("said").textContent = "Cleared.";
  byId("message").focus();
  showCall();
}

/** A talk that is read at its end stays there while it grows. */
function stayAtEnd(talk) {
  let atEnd = true;
  talk.addEventListener("scroll", () => {
    atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40;
  });
  new MutationObserver(() => {
    if (atEnd) talk.scrollTop = talk.scrollHeight;
  }).observe(talk, { childList: true, subtree: true });
}

if (form) {
  form.addEventListener("htmx:sse:after:connection", began);
  form.addEventListener("htmx:sse:close", () => setTimeout(ended, 0));
  form.addEventListener("input", showCall);
  form.addEventListener("change", showCall);
  const segments = document.querySelectorAll(".head .segments a");
  segments.forEach((link, i) => {
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey) return;
      event.preventDefault();
      for (const other of segments) other.removeAttribute("aria-current");
      link.setAttribute("aria-current", "true");
      history.replaceState(null, "", link.href);
      pair(i === 1);
    });
  });
  byId("clear").addEventListener("click", (event) => {
    event.preventDefault();
    clear();
  });
  document.querySelectorAll(".talk").forEach(stayAtEnd);
  showCall();
}
