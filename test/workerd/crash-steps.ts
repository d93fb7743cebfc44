/**
 * The points between two steps of the assignment protocol, as a table: what happens there, in which life of a ride, the
 * moment at which it is seen in a real object (`crash-taps.ts` says these moments), and who is aborted there. But in the
 * lives of one cell the driver who wins is beyond the border, so that every step is a message.
 */

/**
 * Who takes part in a ride that has a crash point. In one cell the socket's shard is the ride's; the other lock is that of
 * the driver who was asked too and was slower.
 */
export type Part = "ride's shard" | "socket's shard" | "lock" | "other lock";

/** What people do after the accept or instead of it, and where the lock asks about the offer before it is told. */
export type Life =
  | "driven"
  | "driven in one cell"
  | "cancelled in the search"
  | "cancelled while asked"
  | "cancelled on the way"
  | "given back"
  | "asked about by the lock"
  | "over, its releases lost";

interface Step {
  readonly name: string;
  readonly moment: string;
  /** Every object that the step is about, one crash point each. */
  readonly victims: readonly Part[];
}

const RIDE: Part = "ride's shard";
const SOCKET: Part = "socket's shard";
const LOCK: Part = "lock";
const OTHERS: Part = "other lock";

const step = (name: string, moment: string, ...victims: readonly Part[]): Step => ({ name, moment, victims });

const CONNECT = [
  step("the driver says hello", "socket's shard hears hello", SOCKET),
  step("the attach arrives", "lock hears attach", SOCKET, LOCK),
  step("the lock knows the socket, its answer is lost", "lock has done attach", SOCKET, LOCK),
  step("the driver is to be welcomed", "socket's shard says tell welcome", SOCKET, LOCK),
];

const REQUEST = step("the request is stored, the answer lost", "ride's shard has done requestRide", RIDE);
const RANK = step("the candidates go to the ranker", "ride's shard says rank", RIDE);

const ASK_NEIGHBOUR = [
  step("the neighbour is asked for candidates", "socket's shard hears nearby", RIDE, SOCKET),
  step("the neighbour's candidates are found", "socket's shard has done nearby", RIDE, SOCKET),
];

const RESERVE = [
  step("the intent is stored", "ride's shard says reserve", RIDE, SOCKET, LOCK),
  step("the reserve arrives", "lock hears reserve", RIDE, SOCKET, LOCK),
  step("the lock holds, its answer is lost", "lock has done reserve", RIDE, SOCKET, LOCK),
];

const ACCEPT = [
  step("the offer is stored", "ride's shard says push offer", RIDE, SOCKET, LOCK),
  step("the push arrives", "socket's shard hears push offer", RIDE, SOCKET),
  step("the driver is told, the answer lost", "socket's shard has done push offer", RIDE, SOCKET),
  step("the accept is received", "socket's shard hears offer.accept", RIDE, SOCKET),
  step("the accept arrives in the ride's shard", "ride's shard hears acceptOffer", RIDE, SOCKET),
  step("the accept is stored, its answer lost", "ride's shard has done acceptOffer", RIDE, SOCKET, LOCK),
  step("the verdict is to be told", "socket's shard says tell offer.verdict", RIDE, SOCKET),
];

const ACCEPT_HERE = [
  step("the offer is stored", "ride's shard says tell offer", RIDE, LOCK),
  step("the accept is received", "ride's shard hears offer.accept", RIDE),
  step("the verdict is to be told", "ride's shard says tell offer.verdict", RIDE, LOCK),
  step("the verdict is told", "ride's shard has done offer.accept", RIDE),
];

const LOSE = [
  step("the loser is to be told", "ride's shard says tell offer.closed", RIDE, OTHERS),
  step("the loser's release arrives", "other lock hears release", RIDE, OTHERS),
  step("the loser's lock is free, the answer lost", "other lock has done release", RIDE, OTHERS),
];

const RELEASE = [
  step("the release arrives", "lock hears release", RIDE, LOCK),
  step("the lock is free, the answer lost", "lock has done release", RIDE, LOCK),
];

const EVENTS = [
  step("the events are to be sent", "ride's shard says events", RIDE),
  step("the queue delivers the events", "queue hears events", RIDE),
  step("the events are in D1, unconfirmed", "ride's shard hears eventsArchived", RIDE),
  step("the events are confirmed, the answer lost", "ride's shard has done eventsArchived", RIDE),
];

const CANCEL = [
  step("the rider's cancel arrives", "ride's shard hears cancelRide", RIDE, SOCKET),
  step("the rider's cancel is stored, the answer lost", "ride's shard has done cancelRide", RIDE, SOCKET, LOCK),
  ...RELEASE,
];

const QUESTION = [
  step("the lock is to ask", "lock hears alarm", RIDE, LOCK),
  step("the question arrives", "ride's shard hears verdictOn", RIDE, LOCK),
  step("the question is answered, the answer lost", "ride's shard has done verdictOn", RIDE, LOCK),
  step("the lock has heard the answer", "lock has done alarm", RIDE, LOCK),
];

type TripStep = "arrive" | "start" | "complete" | "cancel";

const trip = (deed: TripStep) => [
  step(`"${deed}" is received`, `socket's shard hears trip ${deed}`, RIDE, SOCKET),
  step(`"${deed}" arrives in the ride's shard`, `ride's shard hears stepTrip ${deed}`, RIDE, SOCKET),
  step(`"${deed}" is stored, its answer lost`, `ride's shard has done stepTrip ${deed}`, RIDE, SOCKET),
  step(`the answer to "${deed}" is to be told`, `socket's shard says tell trip.verdict ${deed}`, RIDE, SOCKET),
];

const tripHere = (deed: TripStep) => [
  step(`"${deed}" is received`, `ride's shard hears trip ${deed}`, RIDE),
  step(`the answer to "${deed}" is to be told`, `ride's shard says tell trip.verdict ${deed}`, RIDE),
];

const TRIP = ["arrive", "start", "complete"] as const;

const LIVES: Readonly<Record<Life, readonly Step[]>> = {
  driven: [
    ...CONNECT,
    REQUEST,
    ...ASK_NEIGHBOUR,
    RANK,
    ...RESERVE,
    ...ACCEPT,
    ...LOSE,
    ...TRIP.flatMap(trip),
    ...RELEASE,
    ...EVENTS,
  ],
  "driven in one cell": [...RESERVE, ...ACCEPT_HERE, ...TRIP.flatMap(tripHere), ...RELEASE],
  "cancelled in the search": RESERVE,
  "cancelled while asked": [
    ...CANCEL,
    step("the withdrawal arrives", "socket's shard hears push offer.closed", RIDE, SOCKET),
    step("the withdrawal is told, the answer lost", "socket's shard has done push offer.closed", RIDE, SOCKET),
  ],
  "cancelled on the way": [
    ...CANCEL,
    step("the driver is to hear of the cancel", "socket's shard hears push trip.changed", RIDE, SOCKET),
    step("the driver has heard of the cancel", "socket's shard has done push trip.changed", RIDE, SOCKET),
  ],
  "given back": [...trip("cancel"), ...RELEASE],
  "asked about by the lock": QUESTION,
  "over, its releases lost": QUESTION,
};

export interface CrashPoint {
  readonly life: Life;
  readonly name: string;
  readonly moment: string;
  readonly victim: Part;
}

const oneCell = (life: Life, victim: Part) => life === "driven in one cell" && victim === SOCKET;

export const CRASH_POINTS: readonly CrashPoint[] = (Object.entries(LIVES) as [Life, readonly Step[]][]).flatMap(
  ([life, steps]) =>
    steps.flatMap(({ name, moment, victims }) =>
      victims.filter((victim) => !oneCell(life, victim)).map((victim) => ({ life, name, moment, victim })),
    ),
);
