/** What a driver makes of an offer: the card, his own situation, all in city time. */
import type { OfferCard } from "../../src/domain/notice.ts";
import { localHour } from "../../src/domain/time.ts";
import { bearingDegrees } from "../../src/spatial/distance.ts";
import type { OfferView } from "../behaviour.ts";
import type { Car } from "../city/movement.ts";
import type { CityPlan } from "../city/places.ts";
import type { CityClock } from "./city-clock.ts";

/** `idleSince` on the scale of `performance.now()`. */
export function offerView(
  card: OfferCard,
  { position, target, headingDegrees }: Car,
  idleSince: number,
  { plan, clock }: { readonly plan: Pick<CityPlan, "citySpeedMetersPerSecond" | "utcOffsetMinutes">; clock: CityClock },
): OfferView {
  const moving = target !== null && headingDegrees !== null;
  const turn = moving ? Math.abs(bearingDegrees(position, card.pickup) - headingDegrees) : null;
  return {
    pickupMeters: card.pickupMeters,
    pickupSeconds: card.pickupMeters / plan.citySpeedMetersPerSecond,
    tripMeters: card.tripMeters,
    fareCents: card.fareCents,
    headingOffDegrees: turn === null ? null : Math.min(turn, 360 - turn),
    idleSeconds: ((performance.now() - idleSince) * clock.speed) / 1_000,
    hourLocal: localHour(Date.now(), plan.utcOffsetMinutes),
    ttlMs: card.ttlMs * clock.speed,
  };
}
