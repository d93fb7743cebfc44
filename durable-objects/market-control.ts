/** How one market is configured: the versions of its configuration, who made them and why, changed by compare-and-set. */
import { DurableObject } from "cloudflare:workers";
import { AS_DEPLOYED, type ConfiguredMarket, type MarketConfiguration } from "../src/domain/market-hours.ts";
import type { Env } from "../src/env.ts";
import type { MarketChange, MarketControlApi } from "../src/protocol/peer.ts";
import { applySchema } from "./ports/sql-schema.ts";

const SCHEMA = [
  `CREATE TABLE versions (
     version INTEGER PRIMARY KEY, at INTEGER NOT NULL, by TEXT NOT NULL, why TEXT NOT NULL, configuration TEXT NOT NULL
   )`,
];
const ENTRIES_PER_PAGE = 20;

type Row = { version: number; at: number; by: string; why: string; configuration: string };

export class MarketControl extends DurableObject<Env> implements MarketControlApi {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    applySchema(ctx.storage, SCHEMA);
  }

  async current(): Promise<ConfiguredMarket> {
    const [row] = this.#newest(1);
    return row === undefined ? AS_DEPLOYED : { version: row.version, configuration: configurationOf(row) };
  }

  async change({ seen, configuration, by, why }: Parameters<MarketControlApi["change"]>[0]) {
    const [last] = this.#newest(1);
    const version = last?.version ?? AS_DEPLOYED.version;
    const text = JSON.stringify(configuration);
    if (seen === version) {
      const insert = "INSERT INTO versions (version, at, by, why, configuration) VALUES (?, ?, ?, ?, ?)";
      this.ctx.storage.sql.exec(insert, seen + 1, Date.now(), by, why, text);
      return { outcome: "changed", version: seen + 1 } as const;
    }
    // Whoever did not hear the answer says it again, and must not take himself for somebody else.
    const again = seen + 1 === version && last?.by === by && last.why === why && last.configuration === text;
    return { outcome: again ? "changed" : "conflict", version } as const;
  }

  async history({ below }: Parameters<MarketControlApi["history"]>[0]): Promise<readonly MarketChange[]> {
    // One more than is shown: what was before the oldest of them.
    const rows = this.#newest(ENTRIES_PER_PAGE + 1, below);
    return rows.slice(0, ENTRIES_PER_PAGE).map(({ version, at, by, why, ...row }, index) => {
      const older = rows[index + 1];
      const before = older === undefined ? AS_DEPLOYED.configuration : configurationOf(older);
      return { version, at, by, why, before, after: configurationOf(row) };
    });
  }

  #newest(count: number, below = Number.MAX_SAFE_INTEGER): Row[] {
    const query = "SELECT * FROM versions WHERE version < ? ORDER BY version DESC LIMIT ?";
    return this.ctx.storage.sql.exec<Row>(query, below, count).toArray();
  }
}

function configurationOf({ configuration }: Pick<Row, "configuration">): MarketConfiguration {
  return JSON.parse(configuration) as MarketConfiguration;
}
