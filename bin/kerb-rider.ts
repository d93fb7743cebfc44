#!/usr/bin/env node
/** One rider from the command line, against a server that issues development tokens. Asks once, follows the ride. */
import { randomUUID } from "node:crypto";
import { createRiderClient, isOpen, type SeenQuote, type SeenRide } from "../client/rider-client.ts";
import { createDevTokens } from "../client/tokens.ts";
import { readArgs, UsageError } from "../sim/arguments.ts";
import { DEFAULT_URL, openPrompt, readMoment, readPlace, readUrl, readVehicle, runApp } from "./command-line.ts";

const USAGE = `kerb-rider [--from LAT,LNG] [--to LAT,LNG] [--vehicle TYPE] [--at TIME] [--name ID] [--url URL]
  --from     where you stand (default 40.757,-73.986)
  --to       where you want to go (default 40.7308,-73.9973)
  --vehicle  economy | comfort | xl | premium (default economy)
  --at       when to be picked up, such as 2026-12-24T08:30 (default: now); where the market takes scheduled rides
  --name     who you are (default: somebody new)
  --url      the server (default ${DEFAULT_URL})`;

const OPTIONS = {
  from: { type: "string", default: "40.757,-73.986" },
  to: { type: "string", default: "40.7308,-73.9973" },
  vehicle: { type: "string", default: "economy" },
  at: { type: "string" },
  name: { type: "string" },
  url: { type: "string", default: DEFAULT_URL },
  help: { type: "boolean", default: false },
} as const;

await runApp(async () => {
  const values = readArgs(process.argv.slice(2), OPTIONS);
  if (values.help) return console.log(USAGE);
  const name = values.name ?? `rider-${randomUUID().slice(0, 8)}`;
  const wish = {
    pickup: readPlace("--from", values.from),
    dropoff: readPlace("--to", values.to),
    vehicleType: readVehicle(values.vehicle),
  };
  const later = values.at === undefined ? {} : { pickupAt: readMoment("--at", values.at) };
  const ending = new AbortController();
  const http = { baseUrl: readUrl(values.url), signal: ending.signal };
  const client = createRiderClient({
    ...http,
    token: createDevTokens(http, { role: "rider", sub: name }, ending.signal),
  });
  let inputEnded = false;
  let over = false;

  const quote = await client.quote(wish);
  console.log(quoteLine(quote));
  let ride = await client.request({ ...wish, ...later, quoteId: quote.id }, randomUUID());
  console.log(`${name} asked for ride ${ride.id}: ${priceOf(ride)}`);

  const prompt = openPrompt(
    {
      cancel: { help: "you do not want it any more", run: () => act(() => client.cancel(ride.id)) },
      rate: { help: "1 to 5 stars for the driver", run: (stars) => act(() => client.rate(ride.id, starsOf(stars))) },
      status: { help: "how the ride stands", run: () => act(() => client.view(ride.id)) },
      quit: {
        help: "stop watching; the ride goes on",
        run: () => {
          ending.abort();
          prompt.close();
        },
      },
    },
    () => {
      inputEnded = true;
      if (over || process.stdin.isTTY) ending.abort();
    },
  );

  async function act(call: () => Promise<SeenRide>): Promise<void> {
    const seen = await call();
    prompt.say(`${line(seen)}${seen.ratings.driver ? `, you gave ${seen.ratings.driver} stars` : ""}`);
  }

  await client.follow(ride.id, (seen) => {
    ride = seen;
    prompt.say(line(seen));
  });
  over = true;
  if (isOpen(ride) || inputEnded || ending.signal.aborted) return prompt.close();
  prompt.say(ride.state === "completed" ? "how was it? rate 1 to 5, or quit" : "over; quit to leave");
});

function line(ride: SeenRide): string {
  const driver = ride.driver ? ` by ${ride.driver.id}` : "";
  const at = ride.state === "scheduled" ? ` for ${new Date(ride.pickupAt!).toLocaleString()}` : "";
  return `ride is ${ride.state}${at}${driver}${ride.reason ? ` (${ride.reason})` : ""}`;
}

function priceOf({ fareCents, currency, tripMeters }: SeenRide): string {
  return `${(tripMeters / 1_000).toFixed(1)} km for ${(fareCents / 100).toFixed(2)} ${currency}`;
}

function quoteLine({ drivers, pickupSeconds, tripMeters, tripSeconds, fareCents, currency, surge }: SeenQuote): string {
  const near = pickupSeconds === null ? "nobody is near just now" : `${minutes(pickupSeconds)} away, ${drivers} near`;
  const trip = `${(tripMeters / 1_000).toFixed(1)} km in ${minutes(tripSeconds)}`;
  const fare = `${(fareCents / 100).toFixed(2)} ${currency}${surge > 1 ? ` (${surge} times the tariff)` : ""}`;
  return `quote: ${near}; ${trip} for ${fare}`;
}

function minutes(seconds: number): string {
  return `${Math.max(1, Math.round(seconds / 60))} min`;
}

function starsOf(text: string): number {
  const stars = Number(text);
  if (Number.isInteger(stars) && stars >= 1 && stars <= 5) return stars;
  throw new UsageError(`rate takes 1 to 5, got "${text}"`);
}
