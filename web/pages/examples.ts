// Examples: calls to paste, in three languages, filled with the visitor's address and a model that is there.
import { curlCall, shellWord, visibleJson, writtenJson } from "../parts/call.ts";

export type Example = {
  /** Of its place in the page. */
  id: string;
  title: string;
  about: string;
  curl: string;
  python: string;
  typescript: string;
};
/** `embedding`: null where nothing that embeds is served. */
export type Fill = { address: string; model: string; embedding: string | null };

const QUESTION = "What is infernet?";
const text = (value: string): string => visibleJson(value);

const pythonClient = (address: string): string => `import os
from openai import OpenAI

client = OpenAI(
    base_url=${text(`${address}/v1`)},
    api_key=os.environ["INFERNET_API_KEY"],
)`;
const typescriptClient = (address: string): string => `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: ${text(`${address}/v1`)},
  apiKey: process.env.INFERNET_API_KEY,
});`;

export const examples = (fill: Fill): Example[] => [
  chat(fill),
  streaming(fill),
  tools(fill),
  embeddings(fill),
  jobs(fill),
  webhooks(fill),
  receipts(fill),
];

const chat = ({ address, model }: Fill): Example => ({
  id: "chat",
  title: "Chat",
  about: "The answer in one piece. Its header x-infernet-job names the job, usage has the tokens and what it cost.",
  curl: curlCall(address, "/v1/chat/completions", { model, messages: [{ role: "user", content: QUESTION }] }),
  python: `${pythonClient(address)}
answer = client.chat.completions.create(
    model=${text(model)},
    messages=[{"role": "user", "content": ${text(QUESTION)}}],
)
print(answer.choices[0].message.content)`,
  typescript: `${typescriptClient(address)}
const answer = await client.chat.completions.create({
  model: ${text(model)},
  messages: [{ role: "user", content: ${text(QUESTION)} }],
});
console.log(answer.choices[0]?.message.content);`,
});

const streaming = ({ address, model }: Fill): Example => ({
  id: "streaming",
  title: "Streaming",
  about:
    "Tokens as they come. A node that breaks off is followed by another within the same stream, where the model can go on.",
  curl: curlCall(
    address,
    "/v1/chat/completions",
    { model, messages: [{ role: "user", content: QUESTION }], stream: true },
    { flags: "-N" },
  ),
  python: `${pythonClient(address)}
stream = client.chat.completions.create(
    model=${text(model)},
    messages=[{"role": "user", "content": ${text(QUESTION)}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)`,
  typescript: `${typescriptClient(address)}
const stream = await client.chat.completions.create({
  model: ${text(model)},
  messages: [{ role: "user", content: ${text(QUESTION)} }],
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");`,
});

const WEATHER = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather at a place now.",
    parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
  },
};
const WHERE = "How is the weather in Oslo?";
const tools = ({ address, model }: Fill): Example => ({
  id: "tools",
  title: "Tools",
  about:
    "The model asks for a function instead of answering; you run it and send what it gave as a message of role tool.",
  curl: curlCall(address, "/v1/chat/completions", {
    model,
    messages: [{ role: "user", content: WHERE }],
    tools: [WEATHER],
  }),
  python: `${pythonClient(address)}
answer = client.chat.completions.create(
    model=${text(model)},
    messages=[{"role": "user", "content": ${text(WHERE)}}],
    tools=[${writtenJson(WEATHER, "    ")}],
)
for call in answer.choices[0].message.tool_calls or []:
    print(call.function.name, call.function.arguments)`,
  typescript: `${typescriptClient(address)}
const answer = await client.chat.completions.create({
  model: ${text(model)},
  messages: [{ role: "user", content: ${text(WHERE)} }],
  tools: [${writtenJson(WEATHER, "  ")}],
});
for (const call of answer.choices[0]?.message.tool_calls ?? []) {
  if (call.type === "function") console.log(call.function.name, call.function.arguments);
}`,
});

const embeddings = ({ address, embedding }: Fill): Example => {
  const model = embedding ?? "MODEL";
  return {
    id: "embeddings",
    title: "Embeddings",
    about:
      embedding === null
        ? "Vectors of texts. No model here embeds now: put one for MODEL that does."
        : "Vectors of texts, as many at once as you like.",
    curl: curlCall(address, "/v1/embeddings", { model, input: ["one text", "another"] }),
    python: `${pythonClient(address)}
answer = client.embeddings.create(model=${text(model)}, input=["one text", "another"])
print([len(item.embedding) for item in answer.data])`,
    typescript: `${typescriptClient(address)}
const answer = await client.embeddings.create({ model: ${text(model)}, input: ["one text", "another"] });
console.log(answer.data.map(({ embedding }) => embedding.length));`,
  };
};

const jobs = ({ address, model }: Fill): Example => ({
  id: "jobs",
  title: "Jobs",
  about:
    "Submit now, fetch later. A job survives restarts and lost connections; the same Idempotency-Key makes it once, however often it is sent.",
  curl: `${curlCall(address, "/api/v1/jobs", { model, prompt: QUESTION, max_tokens: 256 }, { headers: ["Idempotency-Key: report-42"] })}
# {"id":"…","status":"queued",…}; put it for ID
curl -N ${address}/api/v1/jobs/ID/stream -H "Authorization: Bearer $INFERNET_API_KEY"`,
  python: `import os, time, requests

base = ${text(`${address}/api/v1`)}
key = {"Authorization": "Bearer " + os.environ["INFERNET_API_KEY"]}
job = requests.post(
    base + "/jobs",
    headers=key,
    json={"model": ${text(model)}, "prompt": ${text(QUESTION)}, "max_tokens": 256},
).json()
while job["status"] not in ("completed", "failed", "cancelled", "expired"):
    time.sleep(1)
    job = requests.get(base + "/jobs/" + job["id"], headers=key).json()
print(job["status"], job.get("response"))`,
  typescript: `const base = ${text(`${address}/api/v1`)};
const headers = { authorization: "Bearer " + process.env.INFERNET_API_KEY };
const submitted = await fetch(base + "/jobs", {
  method: "POST",
  headers: { ...headers, "content-type": "application/json" },
  body: JSON.stringify({ model: ${text(model)}, prompt: ${text(QUESTION)}, max_tokens: 256 }),
});
let job = await submitted.json();
while (!["completed", "failed", "cancelled", "expired"].includes(job.status)) {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  job = await (await fetch(base + "/jobs/" + job.id, { headers })).json();
}
console.log(job.status, job.response);`,
});

const HOOK = "https://example.org/hook";
const webhooks = ({ address, model }: Fill): Example => ({
  id: "webhooks",
  title: "Webhooks",
  about:
    "The finished job is posted to you, tried up to eight times in a day, signed as Standard Webhooks says; its libraries verify it.",
  curl: `${curlCall(address, "/api/v1/jobs", { model, prompt: QUESTION, webhook: HOOK })}
# what they are signed with:
curl ${address}/api/v1/webhooks/secret -H "Authorization: Bearer $INFERNET_API_KEY"`,
  python: `import os
from flask import Flask, request
from standardwebhooks import Webhook

app = Flask(__name__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])

@app.post("/hook")
def hook():
    job = webhook.verify(request.data, dict(request.headers))  # raises where it is forged
    print(job["id"], job["status"])
    return "", 204`,
  typescript: `import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET ?? "");
Bun.serve({
  port: 8000,
  async fetch(request) {
    const job = webhook.verify(await request.text(), Object.fromEntries(request.headers)); // throws where it is forged
    console.log(job);
    return new Response(null, { status: 204 });
  },
});`,
});

const receipts = ({ address }: Fill): Example => ({
  id: "receipts",
  title: "Receipts",
  about:
    "Where work is charged, each answer has a signed receipt: who computed what, for how much. Anybody can check it, without this network.",
  curl: `curl ${address}/api/v1/jobs/ID/receipt -H "Authorization: Bearer $INFERNET_API_KEY" -o receipt.json
infernet receipts verify receipt.json   # or drop it on ${address}/check`,
  python: `import os, pathlib, requests

job = "ID"
answer = requests.get(
    ${text(`${address}/api/v1/jobs/`)} + job + "/receipt",
    headers={"Authorization": "Bearer " + os.environ["INFERNET_API_KEY"]},
)
answer.raise_for_status()
pathlib.Path("receipt.json").write_bytes(answer.content)  # infernet receipts verify receipt.json`,
  typescript: `const job = "ID";
const answer = await fetch(${text(`${address}/api/v1/jobs/`)} + job + "/receipt", {
  headers: { authorization: "Bearer " + process.env.INFERNET_API_KEY },
});
if (!answer.ok) throw new Error(await answer.text());
await Bun.write("receipt.json", answer); // infernet receipts verify receipt.json`,
});

/** Where a request may go: fields beside OpenAI's. */
export const routingExample = ({ address, model }: Fill): string =>
  curlCall(address, "/v1/chat/completions", {
    model,
    messages: [{ role: "user", content: QUESTION }],
    provider: { order: ["NODE"], sort: "throughput", max_price: { prompt: 0.5 } },
    infernet: { strategy: "fastest", session: "conversation-42" },
  });

/** Says whether a key is good, without using it up. */
export const keyCheck = (address: string): string =>
  `export INFERNET_API_KEY=${shellWord("inf_…")}\ncurl ${address}/v1/models -H "Authorization: Bearer $INFERNET_API_KEY"`;
