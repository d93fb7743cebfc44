/**
 * Before every test file of the Worker: a machine that has other work is no overload, in which a shard would rightly ask
 * fewer drivers, leave its model out, and turn riders away [V1]. Only the test of overload feels the load.
 */
import { LoadMeter } from "../../durable-objects/ports/load-meter.ts";

const { frame, inferred } = LoadMeter.prototype;

LoadMeter.prototype.frame = () => {};
LoadMeter.prototype.inferred = () => {};

export function feelLoad(): void {
  Object.assign(LoadMeter.prototype, { frame, inferred });
}
