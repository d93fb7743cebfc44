/** Hears of new versions of a market's configuration while a shard works. No ride waits for it, and silence changes nothing. */
import { callOrNull } from "../../src/calls/call-object.ts";
import type { ConfiguredMarket } from "../../src/domain/market-hours.ts";
import { logError } from "../../src/observe/log.ts";
import { parseConfigured } from "../../src/protocol/market-configuration.ts";
import { Refresh } from "./refresh.ts";

const LOOK = { deadlineMs: 2_000, attempts: 1 };

export interface MarketWatchNeeds {
  readonly read: () => Promise<unknown>;
  /** A version that this object has not told of yet. */
  readonly hear: (configured: ConfiguredMarket) => void;
  readonly waitUntil: (work: Promise<void>) => void;
}

export class MarketWatch {
  readonly #needs: MarketWatchNeeds;
  readonly #refresh: Refresh;
  /** As it was told last, so that the same thing is neither judged nor complained of twice. */
  #last = "";

  constructor(needs: MarketWatchNeeds) {
    this.#needs = needs;
    this.#refresh = new Refresh(() => this.#look(), needs.waitUntil);
  }

  worked(): void {
    this.#refresh.worked();
  }

  async #look(): Promise<void> {
    const answer = await callOrNull(this.#needs.read, LOOK);
    const text = JSON.stringify(answer);
    if (answer === null || text === this.#last) return;
    this.#last = text;
    const configured = parseConfigured(answer);
    if (configured !== null) this.#needs.hear(configured);
    else logError("market configuration not understood", new Error("written by another version of the code"));
  }
}
