/** Every rule that the design rests on, as a switch. The product is `KERB`; a mutation turns one or two of them. */
export interface Rules {
  /** False: nothing but the ride decides; a driver is simply asked. */
  readonly driverLock: boolean;
  /** `shard`: one number for each shard, as in the product. `offer`: exactly the offers known to be dead. */
  readonly fence: "shard" | "offer" | "none";
  /** `reserve` of the offer that is held is confirmed before the fence is looked at. */
  readonly holderBeforeFence: boolean;
  readonly refusalRaisesFence: boolean;
  readonly releaseMatches: "offer" | "ride";
  readonly releaseRetried: boolean;
  readonly lockAsks: boolean;
  readonly lockFreesItself: boolean;
  readonly offerAfterReserve: boolean;
  readonly intentDurable: boolean;
  /** False: after a crash the number of a lost intent is given again. */
  readonly numbersUsedOnce: boolean;
  readonly assignedOfferKept: boolean;
  readonly losersDie: boolean;
  readonly acceptChecksRide: boolean;
  /** How a repeated accept of a won offer is answered. */
  readonly repeatedAccept: "won" | "lost" | "won and logged again";
  /** How a decline that comes after the same driver's accept is answered. */
  readonly lateDecline: "won" | "lost";
  /** When a driver on his way is let go for another: once that one has accepted, or already when he is asked. */
  readonly letsGo: "accepted" | "asked";
  /** An arrival closes the offers by which the ride could be taken over. */
  readonly arrivalCloses: boolean;
  /** An accept that takes a ride over looks whether the driver on his way is still he whom it would replace. */
  readonly takeoverChecksRide: boolean;
  /** The offer of the driver who is replaced ends in the same step. */
  readonly takeoverEnds: boolean;
  /** In a swap both offers end in the step that makes the two new ones. */
  readonly swapEnds: boolean;
  /** Who has arrived is not swapped. */
  readonly swapChecksArrival: boolean;
  /** No ride is swapped while another driver is asked to take it over. */
  readonly swapWaits: boolean;
  /** A ride whose driver has changed on his way once keeps the next one: no driver is swapped out of a swap. */
  readonly swapOnce: boolean;
  /** The release of a swapped offer is sent until its lock has acknowledged it, like any other. */
  readonly swapRetried: boolean;
  /** A release that names a successor leaves the driver held for that one. */
  readonly lockTakesSuccessor: boolean;
  /** Unless the fence says that the successor is over by then. */
  readonly successorFenced: boolean;
  /** A lock that asks about an offer whose driver was swapped hears that it is dead only once he has left the other, too. */
  readonly swappedIsHeld: boolean;
  /** `one_live_per_driver` counts a ride that a swap brought. */
  readonly swappedCounts: boolean;
  /** A step that says for which offer it is counts for the ride of that offer, and for no later one. */
  readonly stepsByOffer: boolean;
}

/** The protocol of the product. */
export const KERB: Rules = {
  driverLock: true,
  fence: "shard",
  holderBeforeFence: true,
  refusalRaisesFence: true,
  releaseMatches: "offer",
  releaseRetried: true,
  lockAsks: true,
  lockFreesItself: false,
  offerAfterReserve: true,
  intentDurable: true,
  numbersUsedOnce: true,
  assignedOfferKept: true,
  losersDie: true,
  acceptChecksRide: true,
  repeatedAccept: "won",
  lateDecline: "won",
  letsGo: "accepted",
  arrivalCloses: true,
  takeoverChecksRide: true,
  takeoverEnds: true,
  swapEnds: true,
  swapChecksArrival: true,
  swapWaits: true,
  swapOnce: true,
  swapRetried: true,
  lockTakesSuccessor: true,
  successorFenced: true,
  swappedIsHeld: true,
  swappedCounts: true,
  stepsByOffer: true,
};
