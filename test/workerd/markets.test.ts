/** A market's configuration over HTTP, in the object that holds it, and in the shards that hear of it. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { MarketWatch } from "../../durable-objects/ports/market-watch.ts";
import { RideExplanationBody } from "../../src/protocol/ops.ts";
import { PATIENTLY } from "../patience.ts";
import { fallAsleep, newRide, rowsOf, shardOf } from "./shard-tools.ts";
import {
  call,
  driverAt,
  fixAt,
  migrateHistory,
  opsToken,
  problemOf,
  riderToken,
  type TestDriver,
  tokenWith,
} from "./support.ts";

beforeAll(migrateHistory);

const pathOf = (market: string) => `/v1/ops/markets/${market}/configuration`;
const BROADCAST = { settings: { dispatch: { kind: "broadcast" } }, hours: [] };
const SEQUENTIAL = { settings: { dispatch: { kind: "sequential" } }, hours: [] };

/** What code that knows more settings than this might have written. */
const FROM_TOMORROW = { settings: { dispatch: { kind: "telepathic" } }, hours: [] } as never;

const show = async (market: string, query = "") => call(`${pathOf(market)}${query}`, { token: await opsToken() });
const put = async (market: string, body: unknown, token?: string) =>
  call(pathOf(market), { method: "PUT", token: token ?? (await opsToken()), body });
const change = (version: number, configuration: object, why = "because") => ({ version, why, configuration });

describe("a market over HTTP", () => {
  test("[C1] [C2] is as it was deployed, then as it was changed, with who did that and why, newest first", async () => {
    const market = "nyc";
    const before = await (await show(market)).json<{ inForce: { dispatch: object; tariff: object } }>();
    expect(before).toMatchObject({ market, version: 0, configuration: { settings: {}, hours: [] }, history: [] });
    expect(before.inForce.dispatch).toMatchObject({ kind: "batched", replanning: true, waveSize: 3 });
    const first = await put(market, change(0, SEQUENTIAL, "Too many pop-ups"));
    expect(await first.json()).toMatchObject({
      version: 1,
      configuration: SEQUENTIAL,
      inForce: { dispatch: { ...before.inForce.dispatch, kind: "sequential" }, tariff: before.inForce.tariff },
    });
    const surge = { settings: { tariff: { surgeMaximum: 2 } } };
    await put(market, change(1, surge, "Rain"), await tokenWith({ role: "ops", sub: "otto" }));
    expect(await (await show(market)).json()).toMatchObject({
      version: 2,
      history: [
        { version: 2, by: "otto", why: "Rain", before: SEQUENTIAL, after: { ...surge, hours: [] } },
        { version: 1, by: "olga", why: "Too many pop-ups", before: { settings: {}, hours: [] }, after: SEQUENTIAL },
      ],
    });
    const older = await (await show(market, "?below=2")).json<{ version: number; history: object[] }>();
    expect(older).toMatchObject({ version: 2, history: [{ version: 1 }] });
    expect(older.history).toHaveLength(1);
  });

  test("[C2] is changed by one of twenty who all saw the same version, and the others hear which there is now", async () => {
    const [{ version }] = await Promise.all([(await show("sf")).json<{ version: number }>()]);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => put("sf", change(version, SEQUENTIAL, `wish ${at}`))),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(409)]);
    const conflict = await problemOf(await put("sf", change(version, {})), 409);
    expect(conflict).toMatchObject({
      type: "/problems/market-conflict",
      detail: `the market's version is ${version + 1}`,
    });
    expect(await (await show("sf")).json()).toMatchObject({ version: version + 1 });
  });

  test("[C2] hears the same change again from who did not hear the answer, and from nobody else", async () => {
    const control = env.MARKET_CONTROL.getByName("repeated");
    const wish = { seen: 0, configuration: { settings: {}, hours: [] }, by: "olga", why: "a test" };
    expect(await control.change(wish)).toEqual({ outcome: "changed", version: 1 });
    expect(await control.change(wish)).toEqual({ outcome: "changed", version: 1 });
    for (const other of [{ by: "otto" }, { why: "another" }, { configuration: SEQUENTIAL }]) {
      expect(await control.change({ ...wish, ...(other as object) })).toEqual({ outcome: "conflict", version: 1 });
    }
    expect(await control.history({ below: 99 })).toHaveLength(1);
  });

  test.each<[object, string]>([
    [change(0, { settings: { dispatch: { kind: "fastest" } } }), "configuration.settings.dispatch.kind"],
    [change(0, { settings: { dispatch: { waveSise: 2 } } }), "configuration.settings.dispatch.waveSise"],
    [change(0, { settings: { tariff: { currency: "EUR" } } }), "configuration.settings.tariff.currency"],
    [change(0, {}, "   "), "why"],
    [change(0, {}, "a\u0007b"), "why"],
    [{ why: "because", configuration: {} }, "version"],
  ])("[C3] refuses %j by the field's name and changes nothing", async (body, field) => {
    const problem = await problemOf(await put("elsewhere", body), 422);
    expect(problem.errors?.map((error) => error.field)).toEqual([field]);
    expect(await (await show("elsewhere")).json()).toMatchObject({ version: 0 });
  });

  test("[C3] tells what a candidate would change, for which hours, and changes nothing", async () => {
    const hours = [{ days: ["fri"], fromHour: 22, toHour: 2, settings: { dispatch: { kind: "broadcast" } } }];
    const response = await call(`${pathOf("elsewhere")}/dry-run`, {
      token: await opsToken(),
      body: { configuration: { settings: { tariff: { baseCents: 250 } }, hours } },
    });
    expect(await response.json()).toEqual({
      market: "elsewhere",
      version: 0,
      changes: [
        {
          setting: "dispatch.kind",
          before: "batched",
          after: "broadcast",
          hours: [
            { day: "fri", fromHour: 22, toHour: 24 },
            { day: "sat", fromHour: 0, toHour: 2 },
          ],
        },
      ],
    });
    expect(await (await show("elsewhere")).json()).toMatchObject({ version: 0, history: [] });
  });

  test("[E7] is nothing under a name that no market has", async () => {
    await problemOf(await show("atlantis"), 404);
    await problemOf(await put("atlantis", change(0, {})), 404);
    const dry = { token: await opsToken(), body: { configuration: {} } };
    await problemOf(await call(`${pathOf("atlantis")}/dry-run`, dry), 404);
  });
});

describe("whoever waits for a new version", () => {
  const configured = (version: number) => ({ version, configuration: { settings: {}, hours: [] } });

  test("[C4] looks every three seconds of work, is told each version once, and nothing by silence or in a strange tongue", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const heard: number[] = [];
      let answer = async (): Promise<unknown> => configured(1);
      let looks = 0;
      const work: Promise<void>[] = [];
      const watch = new MarketWatch({
        read: () => {
          looks++;
          return answer();
        },
        hear: ({ version }) => heard.push(version),
        waitUntil: (look) => work.push(look),
      });
      const lookAfter = async (ms: number) => {
        vi.setSystemTime(Date.now() + ms);
        watch.worked();
        await Promise.all(work);
        return { looks, heard };
      };
      expect(await lookAfter(0)).toEqual({ looks: 1, heard: [1] });
      expect(await lookAfter(2_999)).toEqual({ looks: 1, heard: [1] });
      expect(await lookAfter(1)).toEqual({ looks: 2, heard: [1] });
      answer = () => Promise.reject(new Error("unreachable"));
      expect(await lookAfter(3_000)).toEqual({ looks: 3, heard: [1] });
      answer = async () => ({ version: 2, configuration: FROM_TOMORROW });
      expect(await lookAfter(3_000)).toEqual({ looks: 4, heard: [1] });
      answer = async () => configured(3);
      expect(await lookAfter(3_000)).toEqual({ looks: 5, heard: [1, 3] });
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a shard", () => {
  const place = { lat: 37.77, lng: -122.44 };

  async function decided(rideId: string) {
    return vi.waitFor(async () => {
      const response = await call(`/v1/ops/rides/${rideId}/decision`, { token: await opsToken() });
      const { decisions } = RideExplanationBody.parse(await response.json());
      expect(decisions).toHaveLength(1);
      const { policy, marketVersion, candidates } = decisions[0]!;
      return { policy, marketVersion, asked: candidates.filter(({ outcome }) => outcome === "offered").length };
    }, PATIENTLY);
  }

  /** Says where they are again and again, as drivers do, until their shard has this version in its rows. */
  async function heardOf(version: number, drivers: readonly TestDriver[]): Promise<void> {
    let seq = 1;
    await vi.waitFor(
      async () => {
        seq++;
        for (const driver of drivers) driver.say({ type: "location", fixes: [fixAt(place, seq)] });
        const rows = await rowsOf<{ body: string }>(place, "SELECT body FROM market");
        expect(rows.map(({ body }) => (JSON.parse(body) as { version: number }).version)).toEqual([version]);
      },
      { ...PATIENTLY, interval: 300 },
    );
  }

  const cancel = async (rider: string, rideId: string) =>
    call(`/v1/rides/${rideId}/cancel`, { method: "POST", token: await riderToken(rider) });

  test("[C4] [C5] hears of a change while drivers talk to it, decides the next ride by it, and keeps it when it dies and is told what it cannot read", async () => {
    const drivers = [await driverAt("ann", place), await driverAt("bob", place)];
    const { version } = await (await show("sf")).json<{ version: number }>();
    await put("sf", change(version, BROADCAST));
    await heardOf(version + 1, drivers);
    const first = await newRide("rita", place);
    expect(await decided(first)).toEqual({ policy: "broadcast", marketVersion: version + 1, asked: 2 });
    await cancel("rita", first);

    await put("sf", change(version + 1, SEQUENTIAL));
    await heardOf(version + 2, drivers);
    const second = await newRide("rolf", place);
    expect(await decided(second)).toEqual({ policy: "sequential", marketVersion: version + 2, asked: 1 });
    await cancel("rolf", second);

    const control = env.MARKET_CONTROL.getByName("sf");
    await control.change({ seen: version + 2, configuration: FROM_TOMORROW, by: "olga", why: "a newer release" });
    const before = await runInDurableObject(shardOf(place), (instance) => instance);
    await fallAsleep(shardOf(place));
    expect((await runInDurableObject(shardOf(place), (instance) => instance)) !== before).toBe(true);
    const third = await newRide("rose", place);
    expect(await decided(third)).toEqual({ policy: "sequential", marketVersion: version + 2, asked: 1 });
    for (const driver of drivers) driver.close();
  });
});
