/**
 * Gradient boosting on log-loss: histogram based, leaf-wise, with monotone constraints and a learned direction for NaN
 * at every split. It has no randomness at all: the same rows give the same trees.
 */
import { type Binned, binRows, MAXIMUM_BINS } from "./bins.ts";
import { sigmoid, type Tree, type TreeModel, toGrid } from "./trees.ts";

export interface BoostOptions {
  readonly trees: number;
  readonly leaves: number;
  readonly depth: number;
  readonly learningRate: number;
  /** L2 on leaf values. */
  readonly lambda: number;
  readonly rowsPerLeaf: number;
  /** Per feature: 1 never falls, -1 never rises, 0 free. */
  readonly monotone: readonly (-1 | 0 | 1)[];
}

export const DEFAULT_BOOST: Omit<BoostOptions, "monotone"> = {
  trees: 90,
  leaves: 12,
  depth: 6,
  learningRate: 0.12,
  lambda: 5,
  rowsPerLeaf: 60,
};

/** One slot per value bin, one for NaN. */
const SLOTS = MAXIMUM_BINS + 1;
/** Gradient, hessian, rows. */
const CELL = 3;

interface Split {
  readonly gain: number;
  readonly feature: number;
  /** Rows with bin <= this go left. */
  readonly bin: number;
  readonly missingLeft: boolean;
  readonly leftValue: number;
  readonly rightValue: number;
}

/** A leaf that may still be split: its rows are `order[start, end)`. */
interface Leaf {
  readonly node: number;
  readonly start: number;
  readonly end: number;
  readonly depth: number;
  /** Bounds that the monotone constraints of the ancestors put on the value. */
  readonly low: number;
  readonly high: number;
  readonly value: number;
  readonly histogram: Float64Array;
  readonly split: Split | null;
}

/** Sums of one side of a split. */
class Side {
  gradient = 0;
  hessian = 0;
  rows = 0;

  add(histogram: Float64Array, slot: number): void {
    this.gradient += histogram[slot]!;
    this.hessian += histogram[slot + 1]!;
    this.rows += histogram[slot + 2]!;
  }

  value(lambda: number, low: number, high: number): number {
    return Math.min(high, Math.max(low, -this.gradient / (this.hessian + lambda)));
  }

  /** Reduction of the loss at this value; with clipped values the usual closed form would overstate it. */
  gain(lambda: number, value: number): number {
    return -(this.gradient * value + 0.5 * (this.hessian + lambda) * value * value);
  }
}

class TreeGrower {
  readonly #data: Binned;
  readonly #options: BoostOptions;
  readonly #gradients: Float64Array;
  readonly #hessians: Float64Array;
  readonly #order: Int32Array;
  readonly #spare: Int32Array;
  readonly #tree = {
    feature: [-1],
    threshold: [0],
    missingLeft: [false],
    left: [0],
    right: [0],
    value: [0],
  };

  constructor(data: Binned, options: BoostOptions, gradients: Float64Array, hessians: Float64Array) {
    this.#data = data;
    this.#options = options;
    this.#gradients = gradients;
    this.#hessians = hessians;
    this.#order = Int32Array.from({ length: data.count }, (_, row) => row);
    this.#spare = new Int32Array(data.count);
  }

  /** Grows one tree and adds its leaves' values to the margins of the training rows. */
  grow(margins: Float64Array): Tree {
    const whole = this.#histogram(0, this.#data.count);
    let leaves = [this.#leaf(0, 0, this.#data.count, 0, -Infinity, Infinity, 0, whole)];
    while (leaves.length < this.#options.leaves) {
      // Ties go to the older leaf, so the order of growth is fixed.
      const best = leaves.reduce((a, b) => ((b.split?.gain ?? 0) > (a.split?.gain ?? 0) ? b : a));
      if (best.split === null) break;
      leaves = [...leaves.filter((leaf) => leaf !== best), ...this.#divide(best, best.split)];
    }
    for (const leaf of leaves) {
      const value = toGrid(leaf.value * this.#options.learningRate);
      this.#tree.value[leaf.node] = value;
      for (let at = leaf.start; at < leaf.end; at++) margins[this.#order[at]!]! += value;
    }
    return this.#tree;
  }

  #histogram(start: number, end: number): Float64Array {
    const { count, featureCount, bins } = this.#data;
    const histogram = new Float64Array(featureCount * SLOTS * CELL);
    for (let feature = 0; feature < featureCount; feature++) {
      const base = feature * SLOTS * CELL;
      const column = bins.subarray(feature * count, (feature + 1) * count);
      for (let at = start; at < end; at++) {
        const row = this.#order[at]!;
        const slot = base + column[row]! * CELL;
        histogram[slot]! += this.#gradients[row]!;
        histogram[slot + 1]! += this.#hessians[row]!;
        histogram[slot + 2]! += 1;
      }
    }
    return histogram;
  }

  #leaf(
    node: number,
    start: number,
    end: number,
    depth: number,
    low: number,
    high: number,
    value: number,
    histogram: Float64Array,
  ): Leaf {
    const divisible = depth < this.#options.depth && end - start >= 2 * this.#options.rowsPerLeaf;
    const split = divisible ? this.#bestSplit(histogram, low, high) : null;
    return { node, start, end, depth, low, high, value, histogram, split };
  }

  #bestSplit(histogram: Float64Array, low: number, high: number): Split | null {
    let best: Split | null = null;
    for (let feature = 0; feature < this.#data.featureCount; feature++) {
      const found = this.#bestSplitOf(feature, histogram, low, high);
      if (found !== null && found.gain > (best?.gain ?? 1e-9)) best = found;
    }
    return best;
  }

  #bestSplitOf(feature: number, histogram: Float64Array, low: number, high: number): Split | null {
    const { lambda, rowsPerLeaf, monotone } = this.#options;
    const edges = this.#data.edges[feature]!;
    const base = feature * SLOTS * CELL;
    const missingSlot = base + (edges.length + 1) * CELL;
    const whole = new Side();
    for (let bin = 0; bin <= edges.length + 1; bin++) whole.add(histogram, base + bin * CELL);
    const wholeGain = whole.gain(lambda, whole.value(lambda, low, high));
    const anyMissing = histogram[missingSlot + 2]! > 0;
    let best: Split | null = null;
    for (const missingLeft of anyMissing ? [true, false] : [false]) {
      const left = new Side();
      if (missingLeft) left.add(histogram, missingSlot);
      for (let bin = 0; bin < edges.length; bin++) {
        left.add(histogram, base + bin * CELL);
        const right = new Side();
        right.gradient = whole.gradient - left.gradient;
        right.hessian = whole.hessian - left.hessian;
        right.rows = whole.rows - left.rows;
        if (left.rows < rowsPerLeaf || right.rows < rowsPerLeaf) continue;
        const leftValue = left.value(lambda, low, high);
        const rightValue = right.value(lambda, low, high);
        if ((rightValue - leftValue) * monotone[feature]! < 0) continue;
        const gain = left.gain(lambda, leftValue) + right.gain(lambda, rightValue) - wholeGain;
        if (gain <= (best?.gain ?? 0)) continue;
        // Where training never saw NaN here, it later goes with the larger side.
        const side = anyMissing ? missingLeft : left.rows >= right.rows;
        best = { gain, feature, bin, missingLeft: side, leftValue, rightValue };
      }
    }
    return best;
  }

  #divide(leaf: Leaf, split: Split): [Leaf, Leaf] {
    const middle = this.#partition(leaf, split);
    const leftNode = this.#addNode();
    const rightNode = this.#addNode();
    const tree = this.#tree;
    tree.feature[leaf.node] = split.feature;
    tree.threshold[leaf.node] = this.#data.edges[split.feature]![split.bin]!;
    tree.missingLeft[leaf.node] = split.missingLeft;
    tree.left[leaf.node] = leftNode;
    tree.right[leaf.node] = rightNode;

    const direction = this.#options.monotone[split.feature]!;
    const border = (split.leftValue + split.rightValue) / 2;
    const leftHigh = direction > 0 ? border : leaf.high;
    const leftLow = direction < 0 ? border : leaf.low;
    const rightLow = direction > 0 ? border : leaf.low;
    const rightHigh = direction < 0 ? border : leaf.high;
    // Only the smaller side is counted; the larger is what remains.
    const leftIsSmaller = middle - leaf.start <= leaf.end - middle;
    const counted = leftIsSmaller ? this.#histogram(leaf.start, middle) : this.#histogram(middle, leaf.end);
    const rest = leaf.histogram.map((sum, at) => sum - counted[at]!);
    const [left, right] = leftIsSmaller ? [counted, rest] : [rest, counted];
    const depth = leaf.depth + 1;
    return [
      this.#leaf(leftNode, leaf.start, middle, depth, leftLow, leftHigh, split.leftValue, left),
      this.#leaf(rightNode, middle, leaf.end, depth, rightLow, rightHigh, split.rightValue, right),
    ];
  }

  /** Stable: rows keep their order on both sides. Returns where the right side starts. */
  #partition(leaf: Leaf, split: Split): number {
    const column = this.#data.bins.subarray(split.feature * this.#data.count);
    const missingBin = this.#data.edges[split.feature]!.length + 1;
    let left = leaf.start;
    let spare = 0;
    for (let at = leaf.start; at < leaf.end; at++) {
      const row = this.#order[at]!;
      const bin = column[row]!;
      const goesLeft = bin === missingBin ? split.missingLeft : bin <= split.bin;
      if (goesLeft) this.#order[left++] = row;
      else this.#spare[spare++] = row;
    }
    this.#order.set(this.#spare.subarray(0, spare), left);
    return left;
  }

  #addNode(): number {
    const { feature, threshold, missingLeft, left, right, value } = this.#tree;
    threshold.push(0);
    missingLeft.push(false);
    left.push(0);
    right.push(0);
    value.push(0);
    return feature.push(-1) - 1;
  }
}

/** `rows` is row-major float32, `labels` 0 or 1. */
export function trainTrees(
  rows: Float32Array,
  labels: Uint8Array,
  featureCount: number,
  options: BoostOptions,
): TreeModel {
  const data = binRows(rows, labels.length, featureCount);
  const share = labels.reduce((sum, label) => sum + label, 0) / labels.length;
  const base = toGrid(Math.log(share / (1 - share)));
  const margins = new Float64Array(labels.length).fill(base);
  const gradients = new Float64Array(labels.length);
  const hessians = new Float64Array(labels.length);
  const trees: Tree[] = [];
  for (let round = 0; round < options.trees; round++) {
    for (let row = 0; row < labels.length; row++) {
      const p = sigmoid(margins[row]!);
      gradients[row] = p - labels[row]!;
      hessians[row] = p * (1 - p);
    }
    trees.push(new TreeGrower(data, options, gradients, hessians).grow(margins));
  }
  return { featureCount, base, trees };
}
