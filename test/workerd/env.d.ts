import type { D1Migration } from "cloudflare:test";
import type { Env as KerbEnv } from "../../src/env.ts";
import type * as worker from "../../src/worker.ts";

declare global {
  namespace Cloudflare {
    interface Env extends KerbEnv {
      readonly TEST_MIGRATIONS: D1Migration[];
      /** Always set in tests (vitest.config.ts). */
      readonly DEV_ISSUER_JWK: string;
    }
    interface GlobalProps {
      mainModule: typeof worker;
    }
  }
}
