#!/usr/bin/env node
/** One driver from the command line, against any server that issues development tokens. */
import { createDriverClient, type DriverEvent } from "../client/driver-client.ts";
import { createDevTokens } from "../client/tokens.ts";
import { numberOf, readArgs } from "../sim/arguments.ts";
import { advance, createCar } from "../sim/city/movement.ts";
import type { DriverNotice, DriverRide, OfferCard, TripStep, Verdict } from "../src/domain/notice.ts";
import { haversineMeters } from "../src/spatial/distance.ts";
import { DEFAULT_URL, openPrompt, readPlace, readUrl, readVehicle, runApp } from "./command-line.ts";

const USAGE = `kerb-driver [--name ID] [--at LAT,LNG] [--home LAT,LNG] [--vehicle TYPE] [--speed M/S] [--url URL]
  --name     who you are (default driver-by-hand)
  --at       where you are (default 40.7549,-73.984)
  --home     where you will want to be in the end (default 40.68,-73.94)
  --vehicle  economy | comfort | xl | premium (default economy)
  --speed    how fast the car drives itself to where the ride wants it (default 15)
  --url      the server (default ${DEFAULT_URL})`;

const OPTIONS = {
  name: { type: "string", default: "driver-by-hand" },
  at: { type: "string", default: "40.7549,-73.984" },
  home: { type: "string", default: "40.68,-73.94" },
  vehicle: { type: "string", default: "economy" },
  speed: { type: "string", default: "15" },
  url: { type: "string", default: DEFAULT_URL },
  help: { type: "boolean", default: false },
} as const;

const FIRST_FIX_EVERY_MS = 1_000;

await runApp(async () => {
  const values = readArgs(process.argv.slice(2), OPTIONS);
  if (values.help) return console.log(USAGE);
  const http = { baseUrl: readUrl(values.url) };
  const profile = {
    vehicleType: readVehicle(values.vehicle),
    seats: 4,
    accessible: false,
    rating: 4.9,
    payments: ["card" as const, "cash" as const, "wallet" as const],
  };
  const home = readPlace("--home", values.home);
  const speed = numberOf("speed", values.speed, 0, 10_000);
  const car = createCar(readPlace("--at", values.at));
  let offer: OfferCard | null = null;
  let ride: DriverRide | null = null;
  let driving = setInterval(drive, FIRST_FIX_EVERY_MS);
  let drovenAt = performance.now();

  const client = createDriverClient({
    ...http,
    token: createDevTokens(http, { role: "driver", sub: values.name, profile }),
    position: () => car.position,
    onEvent: hear,
  });

  const prompt = openPrompt(
    {
      a: { help: "accept the offer", run: () => answer("accept") },
      d: { help: "decline it", run: () => answer("decline") },
      arrive: { help: "you are at the pickup", run: () => step("arrive") },
      start: { help: "the rider is in the car", run: () => step("start") },
      complete: { help: "the rider is where he wanted to be", run: () => step("complete") },
      cancel: { help: "give the ride back", run: () => step("cancel") },
      pause: { help: "no offers, please", run: () => client.setAvailable(false) },
      ready: { help: "offers, please", run: () => client.setAvailable(true) },
      home: { help: "only offers that bring you nearer to --home", run: () => client.setAvailable(true, home) },
      status: { help: "where you are and what you hold", run: () => prompt.say(statusLine()) },
      quit: { help: "go home", run: () => prompt.close() },
    },
    () => {
      clearInterval(driving);
      client.stop();
    },
  );

  function hear(event: DriverEvent): void {
    if (event.type === "live") {
      const { holding, fixEveryMs, status } = event.welcome;
      clearInterval(driving);
      driving = setInterval(drive, fixEveryMs);
      prompt.say(`online as ${values.name}, ${describe(status)}`);
      offer = null;
      if (holding.kind === "none") ride = null;
      if (holding.kind === "offer") showOffer(holding.offer);
      if (holding.kind === "ride") showRide(holding.ride);
    }
    if (event.type === "lost") {
      prompt.say(`connection lost (${event.code}), trying again in ${Math.round(event.retryInMs)} ms`);
    }
    if (event.type === "ended") {
      prompt.say(`ended: ${event.reason}`);
      prompt.close();
    }
    if (event.type !== "told") return;
    const { notice } = event;
    if (notice.type === "offer") showOffer(notice);
    if (notice.type === "trip.changed") showRide(notice.ride);
    if (notice.type === "hint") prompt.say(adviceOf(notice));
    if (notice.type === "status") prompt.say(`you are ${describe(notice.status)}`);
    if (notice.type === "queue") prompt.say(queueLine(notice.standing));
    if (notice.type === "fault") prompt.say(`the server did not understand: ${notice.message}`);
    if (notice.type === "offer.closed") {
      offer = null;
      prompt.say(`offer closed: ${notice.reason}`);
    }
  }

  function showOffer(card: OfferCard): void {
    offer = card;
    const { pickupMeters, pickupSeconds, tripMeters, fareCents, currency, ttlMs, zone } = card;
    const way = `${kilometres(pickupMeters)}, about ${Math.ceil(pickupSeconds / 60)} min to the pickup`;
    const queue = zone === undefined ? "" : ` from the queue of ${zone}`;
    const trip = `${way}, ${kilometres(tripMeters)} trip${queue}`;
    prompt.say(
      `OFFER ${trip}, ${(fareCents / 100).toFixed(2)} ${currency}; ${Math.round(ttlMs / 1_000)} s to answer: a or d`,
    );
  }

  function showRide(next: DriverRide): void {
    ride = next;
    if (next.state === "assigned") car.target = next.pickup;
    if (next.state === "on_trip") car.target = next.dropoff;
    prompt.say(`ride ${next.rideId} is ${next.state}`);
    if (!["assigned", "arrived", "on_trip"].includes(next.state)) ride = null;
    if (next.next) {
      prompt.say("another driver is nearer to it, and you to his rider: you have swapped");
      showRide(next.next);
    }
  }

  async function answer(word: "accept" | "decline"): Promise<void> {
    if (!offer) return prompt.say("there is no offer");
    const { offerId } = offer;
    const verdict: Verdict = await (word === "accept" ? client.accept(offerId) : client.decline(offerId));
    offer = null;
    if (verdict.outcome === "won") {
      prompt.say("WON");
      showRide(verdict.ride);
    } else prompt.say(word === "decline" ? "declined" : `lost: ${verdict.reason}`);
  }

  async function step(word: TripStep): Promise<void> {
    if (!ride) return prompt.say("you have no ride");
    const verdict = await client.step(ride.offerId, word);
    if (verdict.outcome === "done") return showRide(verdict.ride);
    prompt.say(`refused: ${verdict.reason}${verdict.state ? `, the ride is ${verdict.state}` : ""}`);
    if (verdict.next) showRide(verdict.next);
  }

  function drive(): void {
    const now = performance.now();
    const reached = advance(car, speed, (now - drovenAt) / 1_000);
    drovenAt = now;
    if (reached) prompt.say(ride?.state === "assigned" ? "at the pickup: arrive" : "at the destination: complete");
    locate();
  }

  function locate(): void {
    const { position, headingDegrees, speedMetersPerSecond } = car;
    client.locate({ ...position, headingDegrees, speedMetersPerSecond, accuracyMeters: 5 });
  }

  function statusLine(): string {
    const way = car.target ? `, ${kilometres(haversineMeters(car.position, car.target))} to go` : "";
    const holds = ride ? `ride ${ride.rideId} is ${ride.state}` : offer ? "an offer waits" : "nothing to do";
    return `at ${car.position.lat.toFixed(5)},${car.position.lng.toFixed(5)}${way}; ${holds}`;
  }

  locate();
  client.start();
});

function queueLine(standing: Extract<DriverNotice, { type: "queue" }>["standing"]): string {
  return standing === null
    ? "you are in no queue"
    : `${standing.place} of ${standing.of} in the queue of ${standing.zone}`;
}

function describe(status: { readonly state: string; readonly reason?: string }): string {
  return status.reason ? `${status.state} (${status.reason})` : status.state;
}

function adviceOf({ to, meters, seconds, surge, ttlMs }: DriverNotice & { type: "hint" }): string {
  const way = `${kilometres(meters)}, about ${Math.ceil(seconds / 60)} min from here`;
  const where = `around ${to.lat.toFixed(4)},${to.lng.toFixed(4)}, ${way}`;
  return `riders are short of drivers ${where}; fares ×${surge}; for ${Math.round(ttlMs / 60_000)} min`;
}

function kilometres(meters: number): string {
  return `${(meters / 1_000).toFixed(1)} km`;
}
