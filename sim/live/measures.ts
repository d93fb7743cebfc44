/** What the city counts and how long things took, as its clients felt it. */

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface Histogram {
  add(ms: number): void;
  percentiles(): Percentiles;
}

/** Buckets grow by 1 %, so a percentile is within 1 % of the truth and a million samples take no more room than ten. */
const GROWTH = Math.log(1.01);
const SMALLEST_MS = 0.01;

export function createHistogram(): Histogram {
  const buckets = new Map<number, number>();
  let count = 0;
  return {
    add(ms) {
      const bucket = Math.ceil(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / GROWTH);
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
      count += 1;
    },
    percentiles() {
      const sorted = [...buckets].sort(([a], [b]) => a - b);
      const at = (share: number): number => {
        let left = share * count;
        for (const [bucket, held] of sorted) {
          left -= held;
          if (left <= 0) return SMALLEST_MS * Math.exp(bucket * GROWTH);
        }
        return 0;
      };
      return { count, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
    },
  };
}

export interface Counters {
  requests: number;
  refused: number;
  offers: number;
  matched: number;
  unserved: number;
  cancelled: number;
  noShow: number;
  completed: number;
  abandoned: number;
  reconnects: number;
}

export interface Measures {
  readonly counters: Counters;
  readonly requestToOffer: Histogram;
  readonly acceptToVerdict: Histogram;
  /** The rider pressed the button. */
  requestSent(key: string): void;
  /** The server named the ride; an offer may have been seen before. */
  requestNamed(key: string, rideId: string): void;
  offerSeen(rideId: string): void;
  forgetRide(rideId: string): void;
}

export function createMeasures(): Measures {
  const sentAt = new Map<string, number>();
  const rides = new Map<string, { sentAt?: number; offeredAt?: number; measured?: boolean }>();
  const requestToOffer = createHistogram();

  function measure(rideId: string, part: { sentAt: number } | { offeredAt: number }): void {
    const ride = { ...part, ...rides.get(rideId) };
    if (!ride.measured && ride.sentAt !== undefined && ride.offeredAt !== undefined) {
      requestToOffer.add(ride.offeredAt - ride.sentAt);
      ride.measured = true;
    }
    rides.set(rideId, ride);
  }

  return {
    counters: {
      requests: 0,
      refused: 0,
      offers: 0,
      matched: 0,
      unserved: 0,
      cancelled: 0,
      noShow: 0,
      completed: 0,
      abandoned: 0,
      reconnects: 0,
    },
    requestToOffer,
    acceptToVerdict: createHistogram(),
    requestSent: (key) => void sentAt.set(key, performance.now()),
    requestNamed(key, rideId) {
      const at = sentAt.get(key);
      sentAt.delete(key);
      if (at !== undefined) measure(rideId, { sentAt: at });
    },
    offerSeen: (rideId) => measure(rideId, { offeredAt: performance.now() }),
    forgetRide: (rideId) => void rides.delete(rideId),
  };
}
