/**
 * The load of bench/system.bench.ts, a process of its own: drivers on WebSockets, riders on HTTP, everything from one
 * seed. It knows nothing of who serves; Kerb and its peer are driven by the same bytes.
 */
import { Agent, request as httpRequest } from "node:http";
import { createRandom, type Random } from "../../sim/random.ts";
import type { DriverId, DriverProfile, VehicleType } from "../../src/domain/driver.ts";
import type { LatLng } from "../../src/domain/place.ts";
import { cellOfShard, shardAt } from "../../src/routing/shard-map.ts";
import { destinationPoint } from "../../src/spatial/distance.ts";
import { createSigner, type Signer } from "./keys.ts";
import { LoadDriver } from "./load-driver.ts";
import type { FromLoad, LoadSetting, Phase, PhaseResult, ToLoad } from "./messages.ts";
import { SHARD_BITS } from "./shared.ts";
import { Tally } from "./tally.ts";

/** Drivers and riders stand along Manhattan, a few of them off its shores. */
const AXIS = { from: { lat: 40.71, lng: -74.008 }, to: { lat: 40.8, lng: -73.955 } };
const AXIS_METERS = 700;
const CONNECTING_AT_ONCE = 50;
const TICK_MS = 2;
const DRAIN_MS = 4_000;
/** So many that nobody asks for a second ride while his first is under way. */
const RIDERS = 1_000;

const agent = new Agent({ keepAlive: true });
let tally = new Tally();
let drivers: readonly LoadDriver[] = [];
let signer: Signer;
let url: string;
let random: Random;
let turn = 0;
let rides = 0;

function somewhere(draw: Random): LatLng {
  const share = draw.next();
  const { from, to } = AXIS;
  const on = { lat: from.lat + share * (to.lat - from.lat), lng: from.lng + share * (to.lng - from.lng) };
  return destinationPoint(on, draw.next() * 360, Math.abs(draw.normal()) * AXIS_METERS);
}

function vehicleType(draw: Random): VehicleType {
  return draw.next() < 0.8 ? "economy" : "comfort";
}

async function connect(setting: LoadSetting): Promise<void> {
  url = setting.url;
  random = createRandom(setting.seed);
  signer = await createSigner(setting.keys);
  const draw = random.fork("drivers");
  const socketUrl = new URL("/v1/driver/socket", url.replace("http", "ws")).href;
  const plans = Array.from({ length: setting.drivers }, (_, index) => {
    const place = somewhere(draw);
    const shard = shardAt(place, SHARD_BITS);
    const profile: DriverProfile = {
      vehicleType: vehicleType(draw),
      seats: 4,
      accessible: false,
      rating: 4 + draw.next(),
      payments: ["card", "cash"],
    };
    const driver = new LoadDriver(place, cellOfShard(shard), () => tally);
    return { driver, driverId: `driver-${index}` as DriverId, shard, profile };
  });
  drivers = plans.map(({ driver }) => driver);
  for (let at = 0; at < plans.length; at += CONNECTING_AT_ONCE) {
    await Promise.all(
      plans.slice(at, at + CONNECTING_AT_ONCE).map(async ({ driver, driverId, shard, profile }) => {
        await driver.connect(socketUrl, await signer.ticket(driverId, shard, profile));
      }),
    );
  }
}

/** Late is never never: what fell behind is sent as soon as possible, so a slow server cannot thin out its own load. */
function paced(perSecond: number, untilMs: number, act: () => void): Promise<void> {
  const startedAt = performance.now();
  let done = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      if (now >= untilMs) {
        clearInterval(timer);
        resolve();
        return;
      }
      for (const due = Math.floor(((now - startedAt) / 1e3) * perSecond); done < due; done++) act();
    }, TICK_MS);
  });
}

/** Poisson arrivals: people do not ask for rides in step. */
async function askForRides(perSecond: number, untilMs: number): Promise<void> {
  const draw = random.fork(`rides ${rides}`);
  for (let at = performance.now() + draw.exponential(1e3 / perSecond); at < untilMs; ) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, at - performance.now())));
    void askForRide(draw).catch((error: unknown) => tally.wrong(String(error)));
    at += draw.exponential(1e3 / perSecond);
  }
}

async function askForRide(draw: Random): Promise<void> {
  rides++;
  const pickup = somewhere(draw);
  const dropoff = destinationPoint(pickup, draw.next() * 360, 1_000 + draw.exponential(2_500));
  const body = JSON.stringify({ pickup, dropoff, vehicleType: vehicleType(draw), payment: "card", minimumRating: 4.1 });
  const token = await signer.riderToken(`rider-${rides % RIDERS}`);
  const mine = tally;
  const askedAt = performance.now();
  mine.rideAsked();
  try {
    const { status, text } = await post("/v1/rides", body, {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
      "idempotency-key": `ride-${rides}`,
    });
    if (status !== 201) mine.wrong(`http ${status}`);
    mine.rideAnswered(status === 201 ? (JSON.parse(text) as { id: string }).id : null, askedAt);
  } catch (error) {
    mine.wrong(String(error));
    mine.rideAnswered(null, askedAt);
  }
}

function post(path: string, body: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(new URL(path, url), { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    call.on("error", reject);
    call.end(body);
  });
}

async function run({ seconds, fixesPerSecond, ridesPerSecond, saturate }: Phase): Promise<PhaseResult> {
  tally = new Tally();
  const untilMs = performance.now() + seconds * 1e3;
  const nextDriver = (): LoadDriver => drivers[turn++ % drivers.length]!;
  const fixes = paced(fixesPerSecond, untilMs, () => {
    if (saturate) nextDriver().sendConfirmedFix();
    else nextDriver().sendFix();
  });
  await Promise.all([fixes, ridesPerSecond > 0 ? askForRides(ridesPerSecond, untilMs) : null]);
  const drainedBy = performance.now() + DRAIN_MS;
  while (tally.open > 0 && performance.now() < drainedBy) await new Promise((resolve) => setTimeout(resolve, 20));
  return tally.result();
}

function say(message: FromLoad): void {
  process.send?.(message);
}

async function hear(message: ToLoad): Promise<void> {
  if (message.type === "stop") {
    for (const driver of drivers) driver.close();
    process.exit(0);
  }
  try {
    if (message.type === "connect") {
      await connect(message.setting);
      say({ type: "connected" });
    } else say({ type: "done", result: await run(message.phase) });
  } catch (error) {
    say({ type: "failed", reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

process.on("message", (message: ToLoad) => void hear(message));
process.on("disconnect", () => process.exit(0));
