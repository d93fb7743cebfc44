/**
 * The peer of the batch benchmark: shortest augmenting paths over a full matrix, as textbooks print it. Every ride gets
 * a column of its own besides the drivers', which stands for nobody.
 */
import type { AssignmentProblem } from "../src/matching/assignment-exchange.ts";

const IMPOSSIBLE = 1e9;

/** The least cost. */
export function assignDensely({ rows, columns, rowStart, column, cost, unassignedCost }: AssignmentProblem): number {
  const width = columns + rows;
  const matrix = new Float64Array(rows * width).fill(IMPOSSIBLE);
  for (let row = 0; row < rows; row++) {
    for (let at = rowStart[row]!; at < rowStart[row + 1]!; at++) matrix[row * width + column[at]!] = cost[at]!;
    matrix[row * width + columns + row] = unassignedCost[row]!;
  }
  // Column 0 and row 0 are where every search begins; both count from one.
  const rowPrice = new Float64Array(rows + 1);
  const columnPrice = new Float64Array(width + 1);
  const rowOf = new Int32Array(width + 1);
  const before = new Int32Array(width + 1);
  const distance = new Float64Array(width + 1);
  const settled = new Uint8Array(width + 1);
  for (let row = 1; row <= rows; row++) {
    rowOf[0] = row;
    distance.fill(Number.POSITIVE_INFINITY);
    settled.fill(0);
    let here = 0;
    do {
      settled[here] = 1;
      const from = rowOf[here]!;
      let least = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let to = 1; to <= width; to++) {
        if (settled[to]) continue;
        const reduced = matrix[(from - 1) * width + to - 1]! - rowPrice[from]! - columnPrice[to]!;
        if (reduced < distance[to]!) {
          distance[to] = reduced;
          before[to] = here;
        }
        if (distance[to]! < least) {
          least = distance[to]!;
          next = to;
        }
      }
      for (let to = 0; to <= width; to++) {
        if (settled[to]) {
          rowPrice[rowOf[to]!]! += least;
          columnPrice[to]! -= least;
        } else distance[to]! -= least;
      }
      here = next;
    } while (rowOf[here] !== 0);
    while (here !== 0) {
      const previous = before[here]!;
      rowOf[here] = rowOf[previous]!;
      here = previous;
    }
  }
  let sum = 0;
  for (let to = 1; to <= width; to++) if (rowOf[to] !== 0) sum += matrix[(rowOf[to]! - 1) * width + to - 1]!;
  return sum;
}
