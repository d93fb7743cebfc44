/** What a rider may expect of a ride he has not asked for yet. */
export interface Quote {
  readonly tripMeters: number;
  readonly tripSeconds: number;
  readonly fareCents: number;
  readonly currency: string;
  /** How many times the tariff the fare is; 1 where there are drivers enough. */
  readonly surge: number;
  /** Drivers near the pickup who could take the ride; of many only the nearest are counted. */
  readonly drivers: number;
  /** Of the quickest of them, rounded up to half a minute; null where there is none. */
  readonly pickupSeconds: number | null;
}
