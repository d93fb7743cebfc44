/**
 * Feels how strained this object is, by a beat of one second while frames come in: how late it is says how long
 * everything else waits here too, because timers and frames stand in the same queue. An idle object has no beat and
 * can sleep.
 */
import type { ShardName } from "../../src/domain/place.ts";
import type { LoadSample } from "../../src/matching/overload.ts";
import { logChange } from "../../src/observe/log.ts";

const BEAT_MS = 1_000;

export class LoadMeter {
  readonly #shard: ShardName;
  readonly #judge: (sample: LoadSample) => number;
  #frames = 0;
  #inferences = 0;
  #inferenceMs = 0;
  #level = 0;
  /** Null between beats, when nothing comes in. */
  #due: number | null = null;

  /** `judge` answers with the level of overload; above 0 the beat goes on until it is 0 again. */
  constructor(shard: ShardName, judge: (sample: LoadSample) => number) {
    this.#shard = shard;
    this.#judge = judge;
  }

  frame(): void {
    this.#frames++;
    if (this.#due === null) this.#arm();
  }

  /** Production's clock stands still while code runs, so there only a model that missed its deadline is seen to be slow. */
  inferred(ms: number): void {
    this.#inferences++;
    this.#inferenceMs += ms;
    if (this.#due === null) this.#arm();
  }

  #arm(): void {
    this.#due = Date.now() + BEAT_MS;
    setTimeout(() => this.#beat(), BEAT_MS);
  }

  #beat(): void {
    const lagMs = Math.max(0, Date.now() - (this.#due ?? 0));
    const sample = {
      lagMs,
      framesPerSecond: (this.#frames * 1_000) / (BEAT_MS + lagMs),
      inferenceMs: this.#inferences === 0 ? 0 : this.#inferenceMs / this.#inferences,
    };
    const busy = this.#frames + this.#inferences > 0;
    this.#frames = 0;
    this.#inferences = 0;
    this.#inferenceMs = 0;
    this.#due = null;
    const level = this.#judge(sample);
    if (level !== this.#level) logChange("overload", { shard: this.#shard, from: this.#level, to: level, ...sample });
    this.#level = level;
    if (busy || level > 0) this.#arm();
  }
}
