/**
 * Seeded randomness for the simulator and the benchmarks. Forks do not depend on how many numbers were drawn before,
 * so adding a draw in one place does not change the story everywhere else.
 */
export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  next(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  /** Standard normal. */
  normal(): number;
  exponential(mean: number): number;
  /** Throws RangeError when there is nothing to pick. */
  pick<T>(items: readonly T[]): T;
  /** A stream of its own, decided by this stream's seed and the label alone. */
  fork(label: string | number): Random;
}

/** Any finite number is a seed; equal seeds give equal streams, to the bit within one JavaScript engine. */
export function createRandom(seed: number): Random {
  return streamOf(`seed:${seed}`);
}

function streamOf(name: string): Random {
  let [a, b, c] = [hash(name, 1), hash(name, 2), hash(name, 3)];
  let counter = 1;

  // sfc32 by Chris Doty-Humphrey: 128 bits of state, passes PractRand, and needs only 32-bit additions.
  function bits(): number {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
  // Streams of similar names differ from the start only after the state has been stirred.
  for (let round = 0; round < 12; round++) bits();

  function next(): number {
    return ((bits() >>> 5) * 67_108_864 + (bits() >>> 6)) / 9_007_199_254_740_992;
  }
  return {
    next,
    int: (n) => Math.floor(next() * n),
    // Box and Muller; 1 - next() keeps zero away from the logarithm.
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    exponential: (mean) => -mean * Math.log(1 - next()),
    pick: (items) => {
      if (items.length === 0) throw new RangeError("cannot pick from an empty list");
      return items[Math.floor(next() * items.length)]!;
    },
    fork: (label) => streamOf(`${name}/${typeof label}:${label}`),
  };
}

/** FNV-1a over the name, then the finalizer of MurmurHash3, so that near names land far apart. */
function hash(name: string, salt: number): number {
  let value = 0x811c9dc5 ^ salt;
  for (let index = 0; index < name.length; index++) {
    value = Math.imul(value ^ name.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) | 0;
}
