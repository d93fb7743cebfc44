/** How a market is configured: look, try, and change it by compare-and-set. Shards hear of a change within seconds. */
import { createRoute } from "@hono/zod-openapi";
import type { Market } from "../domain/market.ts";
import { changesBetween, hourOfWeek, marketInHour } from "../domain/market-hours.ts";
import type { Config, Env } from "../env.ts";
import {
  ChangeMarketBody,
  DryRunBody,
  DryRunReportBody,
  HistoryQuery,
  MarketBody,
  MarketParams,
} from "../protocol/market-configuration.ts";
import type { MarketControlApi } from "../protocol/peer.ts";
import { callerAs, requires } from "./auth.ts";
import { callOrRefuse } from "./call.ts";
import { BEARER, bodyOf, jsonOf, newRoutes, refusals } from "./context.ts";
import { Refusal } from "./problem.ts";

const PATH = "/v1/ops/markets/{market}/configuration";
const NEWEST = Number.MAX_SAFE_INTEGER;

export function marketRoutes(config: Config) {
  const show = createRoute({
    method: "get",
    path: PATH,
    summary: "How a market is configured, what holds now, and how it came to be",
    security: BEARER,
    middleware: requires(config, "ops"),
    request: { params: MarketParams, query: HistoryQuery },
    responses: { 200: jsonOf("The market", MarketBody), ...refusals(401, 403, 404, 422, 503) },
  });
  const change = createRoute({
    method: "put",
    path: PATH,
    summary: "Configure a market anew",
    security: BEARER,
    middleware: requires(config, "ops"),
    request: { params: MarketParams, body: bodyOf(ChangeMarketBody) },
    responses: { 200: jsonOf("The market", MarketBody), ...refusals(400, 401, 403, 404, 409, 413, 415, 422, 503) },
  });
  const tryOut = createRoute({
    method: "post",
    path: `${PATH}/dry-run`,
    summary: "What another configuration would change, hour by hour; changes nothing",
    security: BEARER,
    middleware: requires(config, "ops"),
    request: { params: MarketParams, body: bodyOf(DryRunBody) },
    responses: {
      200: jsonOf("The differences", DryRunReportBody),
      ...refusals(400, 401, 403, 404, 413, 415, 422, 503),
    },
  });

  return newRoutes()
    .openapi(show, async (c) => {
      const market = deployedMarket(config, c.req.valid("param").market);
      return c.json(await marketNow(c.env, market, c.req.valid("query").below), 200);
    })
    .openapi(change, async (c) => {
      const market = deployedMarket(config, c.req.valid("param").market);
      const { name } = callerAs(c.var.caller, "ops");
      const { version, why, configuration } = c.req.valid("json");
      const wish = { seen: version, configuration, by: name, why };
      const { outcome, version: present } = await askControl(c.env, market, (control) => control.change(wish));
      if (outcome === "conflict")
        throw new Refusal("market-conflict", { detail: `the market's version is ${present}` });
      return c.json(await marketNow(c.env, market), 200);
    })
    .openapi(tryOut, async (c) => {
      const market = deployedMarket(config, c.req.valid("param").market);
      const { configuration: candidate } = c.req.valid("json");
      const { version, configuration } = await askControl(c.env, market, (control) => control.current());
      return c.json({ market: market.name, version, changes: changesBetween(market, configuration, candidate) }, 200);
    });
}

/** A name that no market has must not bring an object into being. */
function deployedMarket({ markets }: Config, name: string): Market {
  const area = markets.find(({ market }) => market.name === name);
  if (area === undefined) throw new Refusal("not-found");
  return area.market;
}

async function marketNow(env: Env, market: Market, below = NEWEST) {
  const [{ version, configuration }, history] = await askControl(env, market, (control) =>
    Promise.all([control.current(), control.history({ below })]),
  );
  const hour = hourOfWeek(Date.now(), market.utcOffsetMinutes);
  const { dispatch, tariff } = marketInHour(market, configuration, hour);
  return { market: market.name, version, configuration, inForce: { dispatch, tariff }, history: [...history] };
}

function askControl<T>(env: Env, { name }: Market, ask: (control: MarketControlApi) => Promise<T>): Promise<T> {
  return callOrRefuse(() => ask(env.MARKET_CONTROL.getByName(name)));
}
