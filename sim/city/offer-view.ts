/** What a driver makes of an offer: the card, and his own situation in city time. */
import type { OfferCard } from "../../src/domain/notice.ts";
import { bearingDegrees } from "../../src/spatial/distance.ts";
import type { OfferView } from "../behaviour.ts";
import type { Car } from "./movement.ts";

export interface OfferSituation extends Pick<OfferView, "idleSeconds" | "hourLocal" | "ttlMs"> {
  readonly car: Pick<Car, "position" | "target" | "headingDegrees">;
  readonly citySpeedMetersPerSecond: number;
}

export function offerView(card: OfferCard, situation: OfferSituation): OfferView {
  const { car, citySpeedMetersPerSecond, idleSeconds, hourLocal, ttlMs } = situation;
  const { position, target, headingDegrees } = car;
  const moving = target !== null && headingDegrees !== null;
  const turn = moving ? Math.abs(bearingDegrees(position, card.pickup) - headingDegrees) : null;
  return {
    pickupMeters: card.pickupMeters,
    pickupSeconds: card.pickupMeters / citySpeedMetersPerSecond,
    tripMeters: card.tripMeters,
    fareCents: card.fareCents,
    headingOffDegrees: turn === null ? null : Math.min(turn, 360 - turn),
    idleSeconds,
    hourLocal,
    ttlMs,
  };
}
