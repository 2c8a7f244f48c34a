// Worker: checks a file or a text beside the page, so that the page stays quick. Bundled for browsers by bundle.ts.
import "./runtime.ts";
import { check } from "./check.ts";

/** From the page: what to check. A later one ends those before. */
type Asked = { id: number; source: Blob | string; own: string };

/** The worker's own side, of which the house's types know nothing. */
declare const self: {
  onmessage: ((event: MessageEvent<Asked>) => void) | null;
  postMessage(message: unknown): void;
};

let current = 0;

self.onmessage = ({ data }: MessageEvent<Asked>) => {
  current = data.id;
  void answer(data);
};

async function answer({ id, source, own }: Asked): Promise<void> {
  const isWanted = () => current === id;
  try {
    const onProgress = async (count: number) => {
      self.postMessage({ id, count });
      // Lets a later message in.
      await new Promise((resolve) => setTimeout(resolve, 0));
      return isWanted();
    };
    const report = await check(typeof source === "string" ? textOf(source) : piecesOf(source), { own, onProgress });
    if (report && isWanted()) self.postMessage({ id, report });
  } catch (error) {
    self.postMessage({ id, failed: error instanceof Error ? error.message : String(error) });
  }
}

async function* textOf(text: string): AsyncGenerator<string> {
  yield text;
}

/** Not every browser iterates a stream. */
async function* piecesOf(file: Blob): AsyncGenerator<string> {
  const reader = file.stream().getReader();
  const decoder = new TextDecoder();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    yield decoder.decode(piece.value, { stream: true });
  }
  yield decoder.decode();
}
