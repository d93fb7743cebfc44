/**
 * The points between two steps of the assignment protocol, as a table: what happens there, in which life of a ride, and
 * the moment at which it is seen in a real object (`crash-taps.ts` says these moments). The driver who wins is beyond the
 * border, so that every step is a message. At each the ride's shard, which decides, is aborted.
 */
/** What people do after the accept, or instead of it. */
export type Life = "driven" | "cancelled while asked" | "cancelled on the way" | "given back";

interface Step {
  readonly name: string;
  readonly moment: string;
}

const DRIVEN: readonly Step[] = [
  { name: "the request is stored, the answer lost", moment: "ride's shard has done requestRide" },
  { name: "the neighbour is asked for candidates", moment: "socket's shard hears nearby" },
  { name: "the neighbour's candidates are found", moment: "socket's shard has done nearby" },
  { name: "the candidates go to the ranker", moment: "ride's shard says rank" },
  { name: "the intent is stored", moment: "ride's shard says reserve" },
  { name: "the reserve arrives", moment: "lock hears reserve" },
  { name: "the lock holds, its answer is lost", moment: "lock has done reserve" },
  { name: "the offer is stored", moment: "ride's shard says push offer" },
  { name: "the push arrives", moment: "socket's shard hears push offer" },
  { name: "the driver is told, the answer lost", moment: "socket's shard has done push offer" },
  { name: "the accept is received", moment: "socket's shard hears offer.accept" },
  { name: "the accept arrives in the ride's shard", moment: "ride's shard hears acceptOffer" },
  { name: "the accept is stored, its answer lost", moment: "ride's shard has done acceptOffer" },
  { name: "the verdict is to be told", moment: "socket's shard says tell offer.verdict" },
  { name: "the loser is to be told", moment: "ride's shard says tell offer.closed" },
  { name: "the loser's release arrives", moment: "loser's lock hears release" },
  { name: "the loser's lock is free, the answer lost", moment: "loser's lock has done release" },
  ...(["arrive", "start", "complete"] as const).flatMap(trip),
  { name: "the winner's release arrives", moment: "lock hears release" },
  { name: "the winner's lock is free, the answer lost", moment: "lock has done release" },
  { name: "the events are to be sent", moment: "ride's shard says events" },
  { name: "the queue delivers the events", moment: "queue hears events" },
  { name: "the events are in D1, unconfirmed", moment: "ride's shard hears eventsArchived" },
  { name: "the events are confirmed, the answer lost", moment: "ride's shard has done eventsArchived" },
];

const CANCEL: readonly Step[] = [
  { name: "the rider's cancel arrives", moment: "ride's shard hears cancelRide" },
  { name: "the rider's cancel is stored, the answer lost", moment: "ride's shard has done cancelRide" },
  { name: "the release after a cancel arrives", moment: "lock hears release" },
  { name: "the lock is free after a cancel, the answer lost", moment: "lock has done release" },
];

const GIVEN_BACK: readonly Step[] = [
  ...trip("cancel"),
  { name: "the release after a gift back arrives", moment: "lock hears release" },
  { name: "the lock is free after a gift back, the answer lost", moment: "lock has done release" },
];

function trip(step: "arrive" | "start" | "complete" | "cancel") {
  return [
    { name: `"${step}" is received`, moment: `socket's shard hears trip ${step}` },
    { name: `"${step}" arrives in the ride's shard`, moment: `ride's shard hears stepTrip ${step}` },
    { name: `"${step}" is stored, its answer lost`, moment: `ride's shard has done stepTrip ${step}` },
    { name: `the answer to "${step}" is to be told`, moment: `socket's shard says tell trip.verdict ${step}` },
  ];
}

export interface CrashPoint extends Step {
  readonly life: Life;
}

const of = (life: Life, steps: readonly Step[]) => steps.map((step) => ({ ...step, life }));

export const CRASH_POINTS: readonly CrashPoint[] = [
  ...of("driven", DRIVEN),
  ...of("cancelled while asked", CANCEL),
  ...of("cancelled on the way", CANCEL),
  ...of("given back", GIVEN_BACK),
];
