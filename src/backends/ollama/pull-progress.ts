// Pull progress: reads the lines of `/api/pull` and sums up the layers, which Ollama reports one by one.
import { err, ok, type Result } from "../../lib/result.ts";
import type { CommandProgress } from "../../protocol/commands.ts";
import type { BackendError } from "../backend.ts";
import { errorInStream } from "../http-errors.ts";
import { isRecord } from "../record.ts";

const MAX_LINE_CHARS = 1024 * 1024;
const MAX_PHASE_CHARS = 256;

export class PullProgress {
  private readonly report: (progress: CommandProgress) => void;
  private readonly layers = new Map<string, { completed: number; total: number }>();
  private waiting = "";
  private error: BackendError | null = null;
  private succeeded = false;

  constructor(report: (progress: CommandProgress) => void) {
    this.report = report;
  }

  /** Nothing after this counts. */
  get ended(): boolean {
    return this.succeeded || this.error !== null;
  }

  /** Throws SyntaxError and RangeError for nonsense. */
  push(text: string): void {
    const lines = (this.waiting + text).split("\n");
    this.waiting = lines.pop() ?? "";
    if (this.waiting.length > MAX_LINE_CHARS) throw new RangeError("line too long");
    for (const line of lines) this.line(line);
  }

  /** The body is over; a last line may lack its end. */
  end(): void {
    this.line(this.waiting);
    this.waiting = "";
  }

  result(): Result<void, BackendError> {
    if (this.error !== null) return err(this.error);
    if (this.succeeded) return ok(undefined);
    return err({ code: "backend_failed", message: "Ollama's answer ended before the model was there" } as const);
  }

  private line(source: string): void {
    if (this.ended || source.trim() === "") return;
    const line: unknown = JSON.parse(source);
    if (!isRecord(line)) throw new SyntaxError("a line is not an object");
    if (line.error !== undefined && line.error !== null) {
      this.error = errorInStream(line);
      return;
    }
    const status = typeof line.status === "string" ? line.status : "";
    if (status === "success") this.succeeded = true;
    if (typeof line.digest === "string" && isBytes(line.total)) {
      const completed = isBytes(line.completed) ? line.completed : 0;
      this.layers.set(line.digest, { completed, total: line.total });
    }
    this.report({ phase: status.slice(0, MAX_PHASE_CHARS), ...this.sum() });
  }

  /** Of the layers heard of so far; Ollama names each only when its turn comes. */
  private sum(): Pick<CommandProgress, "completed" | "total"> {
    if (this.layers.size === 0) return { completed: null, total: null };
    let completed = 0;
    let total = 0;
    for (const layer of this.layers.values()) {
      completed += layer.completed;
      total += layer.total;
    }
    return { completed, total };
  }
}

const isBytes = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
