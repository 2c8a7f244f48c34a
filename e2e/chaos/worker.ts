// Worker: an external worker as its users would write one, in front of another OpenAI-compatible server. Asks for jobs,
// sends pieces as they come, says everything again until it was heard. Run as a process of its own, so that it can be
// killed. Settings come by environment: COORDINATOR, COORDINATOR_KEY, ENGINE, ENGINE_KEY, MODEL,
// PRICES.
import { readChat } from "../harness/sse.ts";

const setting = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};
const SLOTS = 4;
const model = setting("MODEL");

/** The answer, or null where the coordinator does not want to hear it any more. Tries until the coordinator is there. */
async function tell<T>(path: string, body: object): Promise<T | null> {
  for (;;) {
    try {
      const response = await fetch(`${setting("COORDINATOR")}/api/v1/worker/${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${setting("COORDINATOR_KEY")}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      if (response.ok) return (await response.json()) as T;
      if (response.status < 500 && response.status !== 429) return null;
    } catch {
      // It is being started again.
    }
    await Bun.sleep(100);
  }
}

type Job = { id: string; input: object };

async function serve({ id, input }: Job): Promise<void> {
  let offset = 0;
  let sent = "";
  const send = async (text: string): Promise<void> => {
    const heard = await tell<{ next_offset: number | null; cancelled: boolean }>(`jobs/${id}/output`, { offset, text });
    if (heard === null || heard.cancelled || heard.next_offset === null) throw new Error("nobody wants it any more");
    offset = heard.next_offset;
  };
  try {
    const response = await fetch(`${setting("ENGINE")}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${setting("ENGINE_KEY")}`, "content-type": "application/json" },
      body: JSON.stringify({ ...input, model, stream: true, stream_options: { include_usage: true } }),
    });
    if (!response.ok) throw new Error(`the engine answers ${response.status}`);
    let sending = Promise.resolve();
    const read = await readChat(response, (text) => {
      const piece = text.slice(sent.length);
      sent = text;
      sending = sending.then(() => send(piece));
      sending.catch(() => undefined);
    });
    await sending;
    if (!read.done) throw new Error(`the engine broke off: ${read.error?.message}`);
    await tell(`jobs/${id}/finish`, {
      finish_reason: read.finishReason ?? "stop",
      ...(read.usage ? { usage: usageOf(read.usage) } : {}),
    });
  } catch (error) {
    await tell(`jobs/${id}/fail`, { error: `${error}`.slice(0, 500), code: "backend_unreachable" });
  }
}

const usageOf = ({ prompt_tokens, completion_tokens }: { prompt_tokens: number; completion_tokens: number }) => ({
  prompt_tokens,
  completion_tokens,
});

async function work(worker: string): Promise<never> {
  for (;;) {
    const asked = await tell<{ job: Job | null }>("jobs/next", { worker, wait_s: 20 });
    if (asked?.job) await serve(asked.job);
    else if (!asked) await Bun.sleep(100);
  }
}

const registered = await tell<{ worker: string }>("register", {
  name: "asking",
  models: [{ name: model, context_length: 512 }],
  slots: SLOTS,
  continues: true,
  prices: JSON.parse(setting("PRICES")),
});
if (!registered) throw new Error("the coordinator does not take this worker");
console.log("registered");
await Promise.all(Array.from({ length: SLOTS }, () => work(registered.worker)));
