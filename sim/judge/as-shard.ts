/** The same policy as a shard plans: what the difference costs is what the product leaves out. */
import KerbPolicy, { type Information } from "./policy.ts";

export default class extends KerbPolicy {
  constructor(info: Information) {
    super(info, { asShard: true });
  }
}
