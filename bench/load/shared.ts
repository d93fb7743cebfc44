/** What the load and those it drives must agree on. */

/** Precision of a shard's cell: the same as in wrangler.toml, said here because tickets name the shard. */
export const SHARD_BITS = 25;
