// Client: calls to one coordinator's client API by hand, where a test wants to see more than the openai package shows.
import { type ChatTranscript, readChat, readSse, type SseEvent } from "./sse.ts";
import { type WaitOptions, waitFor } from "./wait-for.ts";

/** A job as `GET /api/v1/jobs/:id` shows it, as far as tests look at it. */
export type JobView = {
  id: string;
  kind: "chat" | "async";
  model: string;
  status: "queued" | "dispatched" | "running" | "completed" | "failed" | "cancelled" | "expired";
  error: { code: string; message: string } | null;
  attempts: { n: number; node: string; outcome: string | null }[];
  usage: { prompt_tokens: number; completion_tokens: number } | null;
  result?: { choices: { message: { content: string | null } }[] };
};
export type JobPage = { data: JobView[]; next_cursor: string | null };
export type ApiError = { error: { message: string; type: string; param: string | null; code: string } };

export type CallOptions = { headers?: Record<string, string>; signal?: AbortSignal };

/** What a reader of a job's stream got. */
export type JobTranscript = {
  text: string;
  ids: string[];
  done: boolean;
  error: ApiError["error"] | null;
};

export type Client = {
  get(path: string, options?: CallOptions): Promise<Response>;
  post(path: string, body: unknown, options?: CallOptions): Promise<Response>;
  /** A chat with one user message. */
  chat(fields?: object, options?: CallOptions): Promise<Response>;
  /** A streamed chat, read to its end. */
  readChat(fields?: object): Promise<ChatTranscript>;
  submit(fields?: object, options?: CallOptions): Promise<Response>;
  /** Submits a job, which must be taken; its id. */
  submitted(fields?: object): Promise<string>;
  job(id: string): Promise<JobView>;
  jobs(query?: string): Promise<JobPage>;
  /** Waits until the job has one of these states. */
  jobIn(id: string, states: JobView["status"][], options?: WaitOptions): Promise<JobView>;
  cancel(id: string): Promise<Response>;
  /** The job's stream from the start, or after an event. Events are given to `onEvent` as they come. */
  readJob(
    id: string,
    options?: CallOptions & { lastEventId?: string; onEvent?: (event: SseEvent) => void },
  ): Promise<JobTranscript>;
};

/** `url` is asked at every call, since an instance may come back elsewhere. */
export function client(url: () => string, key: string, model: string): Client {
  const call = (method: string, path: string, body: unknown, { headers = {}, signal }: CallOptions = {}) =>
    fetch(`${url()}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  const request = (fields: object) => ({ model, messages: [{ role: "user", content: "Hello?" }], ...fields });
  const self: Client = {
    get: (path, options) => call("GET", path, undefined, options),
    post: (path, body, options) => call("POST", path, body, options),
    chat: (fields = {}, options) => self.post("/v1/chat/completions", request(fields), options),
    readChat: async (fields = {}) => readChat(await good(await self.chat({ stream: true, ...fields }), 200)),
    submit: (fields = {}, options) => self.post("/api/v1/jobs", request(fields), options),
    async submitted(fields) {
      return ((await (await good(await self.submit(fields), 202)).json()) as { id: string }).id;
    },
    job: async (id) => (await (await good(await self.get(`/api/v1/jobs/${id}`), 200)).json()) as JobView,
    jobs: async (query = "") => (await (await good(await self.get(`/api/v1/jobs${query}`), 200)).json()) as JobPage,
    async jobIn(id, states, options) {
      let last: JobView | null = null;
      return waitFor(
        `job ${id} to be ${states.join(" or ")}`,
        async () => {
          last = await self.job(id);
          return states.includes(last.status) && last;
        },
        { detail: () => JSON.stringify(last), ...options },
      );
    },
    cancel: (id) => self.post(`/api/v1/jobs/${id}/cancel`, {}),
    async readJob(id, { lastEventId, onEvent, ...options } = {}) {
      const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
      const response = await good(await self.get(`/api/v1/jobs/${id}/stream`, { headers, ...options }), 200);
      return readJobStream(response, onEvent);
    },
  };
  return self;
}

async function good(response: Response, status: number): Promise<Response> {
  if (response.status === status) return response;
  throw new Error(`${response.url} answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
}

async function readJobStream(response: Response, onEvent?: (event: SseEvent) => void): Promise<JobTranscript> {
  const transcript: JobTranscript = { text: "", ids: [], done: false, error: null };
  for await (const event of readSse(response)) {
    if (event.comment !== null) continue;
    if (transcript.done || transcript.error) throw new Error(`an event after the end: ${JSON.stringify(event)}`);
    if (event.data === "[DONE]") transcript.done = true;
    else {
      const piece = JSON.parse(event.data) as { text?: string; error?: ApiError["error"] };
      if (piece.error) transcript.error = piece.error;
      else {
        if (piece.text === undefined || event.id === null) throw new Error(`no piece: ${JSON.stringify(event)}`);
        transcript.text += piece.text;
        transcript.ids.push(event.id);
      }
    }
    onEvent?.(event);
  }
  return transcript;
}

/** The body of a refusal, which must have OpenAI's four fields. */
export async function refusalOf(response: Response): Promise<{ status: number } & ApiError["error"]> {
  const { error } = (await response.json()) as ApiError;
  for (const field of ["message", "type", "param", "code"]) {
    if (!(field in error)) throw new Error(`the error has no ${field}: ${JSON.stringify(error)}`);
  }
  return { status: response.status, ...error };
}
