/** The same policy without a limit on exchanges: what the limit costs is the difference. */
import { LIMITS } from "../../src/matching/limits.ts";
import KerbPolicy, { type Information } from "./policy.ts";

const limits = {
  ...LIMITS,
  exchangesPerRide: Number.POSITIVE_INFINITY,
  exchangesPerDriver: Number.POSITIVE_INFINITY,
};

export default class extends KerbPolicy {
  constructor(info: Information) {
    super(info, { limits });
  }
}
