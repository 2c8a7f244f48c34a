// Targets: what can be measured. To add one, add an entry: how it is started in the foreground (its children are found
// and counted), where its chat endpoint is, and what must be there first.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { infernetBoth, infernetPair } from "./target-infernet.ts";

/** What a target is made from: free ports, the backend, a scratch folder of its own, and the executables. */
export type TargetContext = {
  port: number;
  secondPort: number;
  /** Base address of the synthetic backend. */
  backend: string;
  directory: string;
  executable: string;
};

export type Target = {
  /** Null: nothing is started. Must stay in the foreground. */
  command: string[] | null;
  /** Chat endpoint. */
  url: string;
  /** Answers 2xx when it is up. */
  health: string;
  headers?: Record<string, string>;
  model?: string;
  env?: Record<string, string>;
  /** Files written before the start, by path. */
  files?: Record<string, string>;
};

export type TargetEntry = {
  note: string;
  /** Why it cannot run here, or null. */
  missing: (executable: string) => string | null;
  make: (context: TargetContext) => Target | Promise<Target>;
};

const here = import.meta.dir;
export const PEERS_DIRECTORY = join(here, "peers");
const chatUrl = (port: number) => `http://127.0.0.1:${port}/v1/chat/completions`;
const NOTHING = () => null;
const needsNginx = () => (Bun.which("nginx") ? null : "nginx is not installed: apt-get install nginx-light");
const needsPeer = (name: string) => () =>
  existsSync(join(PEERS_DIRECTORY, "node_modules", name))
    ? null
    : `${name} is not installed: (cd ${PEERS_DIRECTORY} && npm ci)`;
const needsExecutable = (executable: string) =>
  existsSync(executable) ? null : `${executable} is not there: bun run build`;

function nginxConfig(name: string, listen: number, upstream: string, directory: string): Record<string, string> {
  const scratch = `${directory}/${name}`;
  return {
    [`${scratch}.conf`]: `daemon off; worker_processes 1; pid ${scratch}.pid; error_log ${scratch}.err warn;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${scratch}-b; proxy_temp_path ${scratch}-p; fastcgi_temp_path ${scratch}-f;
  uwsgi_temp_path ${scratch}-u; scgi_temp_path ${scratch}-s; keepalive_requests 1000000; tcp_nodelay on;
  upstream b { server ${upstream}; keepalive 256; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${listen};
    location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_read_timeout 120s; }
  }
}
`,
  };
}
const nginxCommand = (name: string, directory: string) =>
  `nginx -c ${directory}/${name}.conf -p ${directory} -e ${directory}/${name}.err`;
const nginxHealth = (port: number) => `http://127.0.0.1:${port}/v1/models`;

export const TARGETS: Record<string, TargetEntry> = {
  direct: {
    note: "the backend itself",
    missing: NOTHING,
    make: ({ backend }) => ({ command: null, url: `${backend}/v1/chat/completions`, health: `${backend}/health` }),
  },
  nginx: {
    note: "1 worker, keepalive, unbuffered",
    missing: needsNginx,
    make: ({ port, backend, directory }) => ({
      command: nginxCommand("one", directory).split(" "),
      files: nginxConfig("one", port, new URL(backend).host, directory),
      url: chatUrl(port),
      health: nginxHealth(port),
    }),
  },
  nginx2: {
    note: "nginx -> nginx: the two-hop limit",
    missing: needsNginx,
    make: ({ port, secondPort, backend, directory }) => ({
      command: ["sh", "-c", `${nginxCommand("back", directory)} & ${nginxCommand("front", directory)} & wait`],
      files: {
        ...nginxConfig("front", port, `127.0.0.1:${secondPort}`, directory),
        ...nginxConfig("back", secondPort, new URL(backend).host, directory),
      },
      url: chatUrl(port),
      health: nginxHealth(port),
    }),
  },
  hop1: {
    note: "minimal Bun proxy, fetch + pipe",
    missing: NOTHING,
    make: ({ port, backend }) => ({
      command: [process.execPath, join(here, "proto/hop1.ts"), `${port}`, backend],
      headers: { authorization: "Bearer x" },
      url: chatUrl(port),
      health: `http://127.0.0.1:${port}/`,
    }),
  },
  hop2: {
    note: "minimal Bun coordinator + node over WebSocket",
    missing: NOTHING,
    make: ({ port, backend }) => ({
      command: [process.execPath, join(here, "proto/hop2.ts"), "both", `${port}`, backend],
      headers: { authorization: "Bearer x" },
      url: chatUrl(port),
      health: `http://127.0.0.1:${port}/`,
    }),
  },
  infernet: { note: "coordinator + node, two processes", missing: needsExecutable, make: infernetPair },
  "infernet-both": { note: "one process", missing: needsExecutable, make: infernetBoth },
  portkey: {
    note: "@portkey-ai/gateway 1.15.2 on Node",
    missing: needsPeer("@portkey-ai/gateway"),
    make: ({ port, backend }) => ({
      command: [
        "node",
        join(PEERS_DIRECTORY, "node_modules/@portkey-ai/gateway/build/start-server.js"),
        `--port=${port}`,
        "--headless",
      ],
      env: { NODE_ENV: "production" },
      headers: {
        authorization: "Bearer x",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": `${backend}/v1`,
      },
      url: chatUrl(port),
      health: `http://127.0.0.1:${port}/`,
    }),
  },
  musistudio: {
    note: "@musistudio/llms 1.0.53 on Node",
    missing: needsPeer("@musistudio/llms"),
    make: ({ port, backend }) => ({
      command: ["node", join(PEERS_DIRECTORY, "musistudio.mjs"), `${port}`, `${backend}/v1/chat/completions`],
      env: { NODE_ENV: "production" },
      headers: { authorization: "Bearer x" },
      model: "b,bench-model",
      url: chatUrl(port),
      health: `http://127.0.0.1:${port}/health`,
    }),
  },
};

/** The npm gateways, whose best the aims name. */
export const GATEWAYS = ["portkey", "musistudio"];
