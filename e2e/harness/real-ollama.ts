// Real Ollama: a server of its own in a temporary folder, with the demo model under several templates, and a registry
// on this machine that it can fetch from.
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { waitFor } from "./wait-for.ts";

/** `OLLAMA_BIN`, else what is on the PATH; null where there is none. */
export const ollamaBinary: string | null = process.env.OLLAMA_BIN || Bun.which("ollama");

const DEMO = resolve(import.meta.dir, "../../src/backends/embedded/demo/infernet-demo.gguf");

const turns = (assistant: string) => `{{- range .Messages }}{{- if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
<|im_start|>assistant
{{ else if eq .Role "assistant" }}${assistant}{{- end }}{{- end }}`;

/** Models by name: one that leaves the assistant's turn open, one that closes it, one that trims it. */
const TEMPLATES = {
  demo: turns("{{ .Content }}"),
  closing: turns("{{ .Content }}<|im_end|>\n"),
  tools: `{{ if .Tools }}<tools>{{ .Tools }}</tools><tool_call>{"name": <name>, "arguments": <object>}</tool_call>{{ end }}${turns("{{ .Content }}")}`,
} as const;

export type RealOllama = {
  url: string;
  folder: string;
  stop(): Promise<void>;
};

/** `certificate`: one more that it trusts. */
export async function startOllama(binary: string, certificate: string): Promise<RealOllama> {
  const folder = mkdtempSync(join(tmpdir(), "infernet-real-ollama-"));
  const host = `127.0.0.1:${await freePort()}`;
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    OLLAMA_HOST: host,
    OLLAMA_MODELS: join(folder, "models"),
    OLLAMA_NOPRUNE: "1",
    SSL_CERT_FILE: certificate,
  };
  const server = Bun.spawn([binary, "serve"], { env, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const url = `http://${host}`;
  await waitFor("Ollama", async () => ((await fetch(url).catch(() => null))?.ok ? true : undefined));
  // One thread: two on a shared machine wait for each other and fall to a few tokens a second.
  for (const [name, template] of Object.entries(TEMPLATES)) {
    const file = join(folder, `Modelfile.${name}`);
    await Bun.write(
      file,
      `FROM ${DEMO}\nTEMPLATE """${template}"""\nPARAMETER temperature 0\nPARAMETER num_thread 1\n`,
    );
    const made = Bun.spawn([binary, "create", name, "-f", file], { env, stdout: "ignore", stderr: "pipe" });
    if ((await made.exited) !== 0) throw new Error(`ollama create ${name}: ${await made.stderr.text()}`);
  }
  return {
    url,
    folder,
    async stop() {
      server.kill();
      await server.exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** A certificate for "localhost", made by openssl. */
export async function makeCertificate(folder: string): Promise<{ certificate: string; key: string }> {
  const [certificate, key] = [join(folder, "registry.crt"), join(folder, "registry.key")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const made = Bun.spawn(
    [
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-keyout",
      key,
      "-out",
      certificate,
    ].concat(subject),
    { stdout: "ignore", stderr: "pipe" },
  );
  if ((await made.exited) !== 0) throw new Error(`openssl: ${await made.stderr.text()}`);
  return { certificate, key };
}

export type Registry = {
  /** host:port, as it stands in a model's name. */
  host: string;
  /** Blobs asked for with a body hang after their first bytes while true. */
  hang: boolean;
  /** Bodies that hang, and those of them that their reader gave up. */
  hanging: number;
  givenUp: number;
  stop(): Promise<void>;
};

/** Serves the model "demo" of `models` (an OLLAMA_MODELS folder) as a registry does (OCI distribution, /v2/). */
export function startRegistry(models: string, tls: { certificate: string; key: string }): Registry {
  const manifest = readFileSync(join(models, "manifests/registry.ollama.ai/library/demo/latest"));
  // Read beforehand: they are deleted there in a test.
  const blobs = new Map<string, Buffer>();
  for (const name of readdirSync(join(models, "blobs")))
    blobs.set(name.replace("-", ":"), readFileSync(join(models, "blobs", name)));
  const registry: Registry = {
    host: "",
    hang: false,
    hanging: 0,
    givenUp: 0,
    stop: async () => await server.stop(true),
  };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    tls: { cert: readFileSync(tls.certificate, "utf8"), key: readFileSync(tls.key, "utf8") },
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname.includes("/manifests/"))
        return pathname.includes("/library/demo/") ? new Response(manifest) : new Response(null, { status: 404 });
      const bytes = blobs.get(pathname.slice(pathname.lastIndexOf("/") + 1));
      if (bytes === undefined) return new Response(null, { status: 404 });
      if (request.method === "HEAD") return new Response(null, { headers: { "content-length": `${bytes.length}` } });
      const range = request.headers.get("range");
      // It asks without a range first, to be told of another host to fetch from.
      const location = request.url.replace("localhost", "127.0.0.1");
      if (range === null) return new Response(null, { status: 307, headers: { location } });
      const [, from = "0", to = ""] = /bytes=(\d+)-(\d*)/.exec(range) ?? [];
      const part = bytes.subarray(Number(from), to === "" ? undefined : Number(to) + 1);
      if (!registry.hang || part.length < 10_000) return new Response(part, { status: 206 });
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(part.subarray(0, 1000));
          registry.hanging++;
        },
        cancel: () => void registry.givenUp++,
      });
      return new Response(body, { status: 206, headers: { "content-length": `${part.length}` } });
    },
  });
  registry.host = `localhost:${server.port}`;
  return registry;
}
