// SSE: a small reader of server-sent events (WHATWG HTML §9.2), and of OpenAI's chat streams over it.

export type SseEvent = { event: string; data: string; id: string | null; comment: string | null };

/** Events of a response in order; comments too, as events with `comment`. Ends when the body does. */
export async function* readSse(response: Response): AsyncGenerator<SseEvent> {
  if (!response.body) throw new Error("the response has no body");
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const bytes of response.body) {
    rest += decoder.decode(bytes, { stream: true }).replaceAll("\r\n", "\n");
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) if (block !== "") yield eventOf(block);
  }
  if (rest.trim() !== "") throw new Error(`the stream ended inside an event: ${JSON.stringify(rest)}`);
}

function eventOf(block: string): SseEvent {
  const event: SseEvent = { event: "message", data: "", id: null, comment: null };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "") event.comment = value;
    else if (field === "data") data.push(value);
    else if (field === "event") event.event = value;
    else if (field === "id") event.id = value;
  }
  event.data = data.join("\n");
  return event;
}

/** One chunk of OpenAI's chat stream, as far as tests look at it. */
export type ChatChunk = {
  id: string;
  created: number;
  model: string;
  choices: { index: number; delta: { role?: string; content?: string }; finish_reason: string | null }[];
  usage?: { prompt_tokens: number; completion_tokens: number } | null;
};
export type ChatError = { message: string; type: string; param: string | null; code: string | null };

export type ChatTranscript = {
  text: string;
  chunks: ChatChunk[];
  finishReason: string | null;
  usage: { prompt_tokens: number; completion_tokens: number } | null;
  /** An `{"error":{…}}` event in mid-stream. */
  error: ChatError | null;
  /** `[DONE]` came. */
  done: boolean;
  comments: number;
};

/** Reads a chat stream to its end. `onText` is called after each piece with the text so far, `onChunk` after each chunk. */
export async function readChat(
  response: Response,
  onText?: (text: string) => void,
  onChunk?: (chunk: ChatChunk) => void,
): Promise<ChatTranscript> {
  const transcript: ChatTranscript = {
    text: "",
    chunks: [],
    finishReason: null,
    usage: null,
    error: null,
    done: false,
    comments: 0,
  };
  for await (const { data, comment } of readSse(response)) {
    if (comment !== null) transcript.comments++;
    if (data === "") continue;
    if (transcript.done) throw new Error(`an event after [DONE]: ${data}`);
    if (data === "[DONE]") transcript.done = true;
    else {
      const chunk = JSON.parse(data) as ChatChunk & { error?: ChatError };
      take(transcript, chunk, onText);
      if (!chunk.error) onChunk?.(chunk);
    }
  }
  return transcript;
}

function take(
  transcript: ChatTranscript,
  chunk: ChatChunk & { error?: ChatError },
  onText?: (text: string) => void,
): void {
  if (chunk.error) {
    transcript.error = chunk.error;
    return;
  }
  transcript.chunks.push(chunk);
  if (chunk.usage) transcript.usage = chunk.usage;
  const [choice] = chunk.choices;
  if (choice?.finish_reason) transcript.finishReason = choice.finish_reason;
  if (!choice?.delta.content) return;
  transcript.text += choice.delta.content;
  onText?.(transcript.text);
}
