/**
 * Which model version is champion, changed by compare-and-set. The state and its persistence are an itty-durable core;
 * around it stands a native object, because the core alone has no RPC and wakes with its defaults unless `fetch` came
 * first: an alarm or a call that persisted then would wipe it. The shell loads the core before anything else runs.
 */
import { DurableObject } from "cloudflare:workers";
import itty from "itty-durable";
import manifest from "../models/accept/v1/manifest.json";
import type { EpochMs } from "../src/domain/time.ts";
import type { Env } from "../src/env.ts";
import { isModelDigest, isModelVersion } from "../src/protocol/ops.ts";
import type { Champion, RolloutControlApi } from "../src/protocol/peer.ts";
import { versionName } from "../src/ranking/artefact.ts";

type Promotion = Awaited<ReturnType<RolloutControlApi["promote"]>>;
type AuditEntry = Awaited<ReturnType<RolloutControlApi["audit"]>>[number];

const AUDIT_ENTRIES = 100;
/** Digests that name no file in the store. */
const WITHOUT_FILE: readonly string[] = ["builtin", "heuristic"];

class RolloutCore extends itty.createDurable() {
  champion: Champion = { digest: "builtin", version: versionName(manifest), epoch: 0 };
  entries: AuditEntry[] = [];

  /** Both in one answer; the library answers 204 for a method that returns nothing. */
  read(): { champion: Champion; entries: AuditEntry[] } {
    return { champion: this.champion, entries: this.entries };
  }

  /** Decides and changes in one turn, then answers once it is stored. */
  async promote(digest: string, version: string, epoch: number, by: string, at: EpochMs): Promise<Promotion> {
    if (epoch !== this.champion.epoch) return { outcome: "conflict", champion: this.champion };
    this.champion = { digest, version, epoch: epoch + 1 };
    this.entries = [{ at, by, champion: this.champion }, ...this.entries].slice(0, AUDIT_ENTRIES);
    await this.persist();
    return { outcome: "promoted", champion: this.champion };
  }
}

export class RolloutControl extends DurableObject<Env> implements RolloutControlApi {
  readonly #core: RolloutCore;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // The library copies its second argument into the state it is given: it gets neither the real one nor the bindings.
    const state = {
      id: ctx.id,
      storage: ctx.storage,
      blockConcurrencyWhile: <T>(run: () => Promise<T>) => ctx.blockConcurrencyWhile(run),
    };
    this.#core = new RolloutCore(state, {});
    void ctx.blockConcurrencyWhile(async () => {
      Object.assign(this.#core.state, { defaultState: JSON.stringify(this.#core.getPersistable()) });
      await this.#core.loadFromStorage();
    });
  }

  async champion(): Promise<Champion> {
    return (await this.#call<ReturnType<RolloutCore["read"]>>("read")).champion;
  }

  async audit(): Promise<readonly AuditEntry[]> {
    return (await this.#call<ReturnType<RolloutCore["read"]>>("read")).entries;
  }

  async promote({ digest, version, epoch, by }: Parameters<RolloutControlApi["promote"]>[0]): Promise<Promotion> {
    if (!isModelDigest(digest)) return { outcome: "refused", reason: "the digest is not one" };
    if (!isModelVersion(version)) return { outcome: "refused", reason: "the version is not a plain name" };
    if (!WITHOUT_FILE.includes(digest) && !(await this.env.MODELS.head(modelKey(digest)))) {
      return { outcome: "refused", reason: "no such model in the store" };
    }
    return this.#call<Promotion>("promote", digest, version, epoch, by, Date.now());
  }

  /** The library's own call: the arguments travel as JSON in a header, so they are kept to plain ASCII (see promote). */
  async #call<T>(method: "read" | "promote", ...args: (string | number)[]): Promise<T> {
    const response = await this.#core.fetch(
      new Request(`https://itty-durable/do/call/${method}`, { headers: { "do-content": JSON.stringify(args) } }),
    );
    if (!response.ok) throw new Error(`rollout core answered ${response.status} to ${method}`);
    return (await response.json()) as T;
  }
}

function modelKey(digest: string): string {
  return `models/accept/sha256/${digest}/model.onnx`;
}
