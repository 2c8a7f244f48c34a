// Model shelf: which models are in memory. One that is asked for is loaded; where room is short, the one that was used
// least recently and is not at work goes first.
import { err, ok, type Result } from "../../lib/result.ts";

/** What is kept of a loaded model. */
export type Disposable = { dispose(): Promise<void> };

export type ShelfDeps<T extends Disposable> = {
  load(name: string): Promise<T>;
  /** About what the model takes in memory. */
  bytesOf(name: string): number;
  memoryBytes: number;
  /** Told the names of what is in memory, whenever that changes. */
  changed(names: string[]): void;
};

type Place<T> = { loaded: Promise<T>; ready: boolean; users: number; usedAt: number };

export class ModelShelf<T extends Disposable> {
  private readonly deps: ShelfDeps<T>;
  private readonly places = new Map<string, Place<T>>();
  /** Loading and dropping happen one after the other, so that room is counted right. */
  private turn: Promise<void> = Promise.resolve();
  private uses = 0;

  constructor(deps: ShelfDeps<T>) {
    this.deps = deps;
  }

  /** Runs `work` with the model, loaded before if need be; it stays in memory meanwhile. Throws where loading fails. */
  async use<R>(name: string, work: (model: T) => Promise<R>): Promise<R> {
    const place = this.places.get(name) ?? this.add(name);
    place.users++;
    place.usedAt = ++this.uses;
    try {
      return await work(await place.loaded);
    } finally {
      place.users--;
    }
  }

  /** Takes a model out of memory; one that is not there is out already. */
  async drop(name: string): Promise<Result<void, "in_use">> {
    return await this.inTurn(async () => {
      const place = this.places.get(name);
      if (place === undefined) return ok(undefined);
      if (place.users > 0) return err("in_use");
      await this.remove(name, place);
      return ok(undefined);
    });
  }

  private add(name: string): Place<T> {
    const loaded = this.inTurn(async () => {
      await this.makeRoom(name);
      return await this.deps.load(name);
    });
    const place: Place<T> = { loaded, ready: false, users: 0, usedAt: 0 };
    this.places.set(name, place);
    loaded.then(
      () => {
        place.ready = true;
        this.tell();
      },
      // A failed load is tried again at the next use; whoever waits for it is told.
      () => this.places.delete(name),
    );
    return place;
  }

  private async makeRoom(name: string): Promise<void> {
    const { bytesOf, memoryBytes } = this.deps;
    for (;;) {
      const used = [...this.places].reduce((sum, [other, { ready }]) => sum + (ready ? bytesOf(other) : 0), 0);
      if (used + bytesOf(name) <= memoryBytes) return;
      const idle = [...this.places].filter(([, { ready, users }]) => ready && users === 0);
      const [oldest] = idle.sort(([, a], [, b]) => a.usedAt - b.usedAt);
      // All are at work: the operating system may still find room, and says so if not.
      if (oldest === undefined) return;
      await this.remove(...oldest);
    }
  }

  private async remove(name: string, place: Place<T>): Promise<void> {
    this.places.delete(name);
    const model = await place.loaded;
    await model.dispose();
    this.tell();
  }

  private tell(): void {
    this.deps.changed([...this.places].flatMap(([name, { ready }]) => (ready ? [name] : [])));
  }

  private async inTurn<R>(work: () => Promise<R>): Promise<R> {
    const before = this.turn;
    const done = Promise.withResolvers<void>();
    this.turn = done.promise;
    await before;
    try {
      return await work();
    } finally {
      done.resolve();
    }
  }
}
