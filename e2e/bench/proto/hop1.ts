// hop1: the least one Bun hop can cost: check the key, parse the body, route on the model, fetch, pipe the reply on.
//   bun hop1.ts PORT BACKEND_BASE
const [port = "", backend = ""] = process.argv.slice(2);

Bun.serve({
  port: Number(port),
  hostname: "127.0.0.1",
  idleTimeout: 120,
  async fetch(request) {
    if (request.method === "GET") return new Response("ok");
    const text = await request.text();
    const body = JSON.parse(text) as { model?: string };
    if (body.model !== "bench-model" || !request.headers.get("authorization"))
      return new Response("no", { status: 400 });
    const reply = await fetch(`${backend}/v1/chat/completions`, {
      method: "POST",
      body: text,
      headers: { "content-type": "application/json" },
      signal: request.signal,
    });
    const contentType = reply.headers.get("content-type") ?? "";
    return new Response(reply.body, { status: reply.status, headers: { "content-type": contentType } });
  },
});
