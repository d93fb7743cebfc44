/**
 * Reads a tree ensemble back out of the ONNX file that export-onnx.ts wrote, so that whoever evaluates it in plain
 * TypeScript, beside the runtime or without one, evaluates the very same model. It understands what that exporter writes and nothing else.
 */
import type { Tree, TreeModel } from "./trees.ts";

interface Field {
  readonly number: number;
  /** The number itself, or the bytes of a string, a message or packed values. */
  readonly value: number | Uint8Array;
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;

function* varints(bytes: Uint8Array): Generator<number> {
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (byte >= 0x80) continue;
    yield value;
    value = 0;
    scale = 1;
  }
}

function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const next = (): number => {
    const start = at;
    while (bytes[at]! >= 0x80) at++;
    at++;
    return varints(bytes.subarray(start, at)).next().value as number;
  };
  while (at < bytes.length) {
    const key = next();
    const wire = key & 7;
    if (wire === VARINT) fields.push({ number: key >> 3, value: next() });
    else if (wire === LENGTH_DELIMITED) {
      const length = next();
      fields.push({ number: key >> 3, value: bytes.subarray(at, at + length) });
      at += length;
    } else throw new Error(`protobuf wire type ${wire}`);
  }
  return fields;
}

function messages(fields: readonly Field[], number: number): Uint8Array[] {
  return fields.flatMap(({ number: n, value }) => (n === number && typeof value !== "number" ? [value] : []));
}

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

function floats(bytes: Uint8Array | undefined): number[] {
  if (bytes === undefined) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 4 }, (_, index) => view.getFloat32(index * 4, true));
}

/** Field numbers are those of onnx.proto. */
export function readTrees(file: Uint8Array, featureCount: number): TreeModel {
  const graph = fieldsOf(messages(fieldsOf(file), 7)[0]!);
  const nodes = messages(graph, 1).map(fieldsOf);
  const ensemble = nodes.find((node) => text(messages(node, 4)[0]) === "TreeEnsembleRegressor");
  if (ensemble === undefined) throw new Error("no tree ensemble in the file");
  const attributes = new Map(
    messages(ensemble, 5).map((bytes) => {
      const fields = fieldsOf(bytes);
      return [text(messages(fields, 1)[0]), fields] as const;
    }),
  );
  const ints = (name: string): number[] => [...varints(messages(attributes.get(name)!, 8)[0] ?? new Uint8Array())];
  const numbers = (name: string): number[] => floats(messages(attributes.get(name)!, 7)[0]);
  const modes = messages(attributes.get("nodes_modes")!, 9).map(text);
  const [treeIds, nodeIds, featureIds] = [ints("nodes_treeids"), ints("nodes_nodeids"), ints("nodes_featureids")];
  const [left, right] = [ints("nodes_truenodeids"), ints("nodes_falsenodeids")];
  const missing = ints("nodes_missing_value_tracks_true");
  const thresholds = numbers("nodes_values");
  const weights = numbers("target_weights");
  const targetTrees = ints("target_treeids");
  const leaves = new Map<string, number>();
  for (const [i, node] of ints("target_nodeids").entries()) leaves.set(`${targetTrees[i]}/${node}`, weights[i]!);

  const rowsOf = Map.groupBy(treeIds.keys(), (row) => treeIds[row]!);
  const trees = [...rowsOf].map(([treeId, rows]): Tree => {
    const sorted = rows.toSorted((a, b) => nodeIds[a]! - nodeIds[b]!);
    return {
      feature: sorted.map((row) => (modes[row] === "LEAF" ? -1 : featureIds[row]!)),
      threshold: sorted.map((row) => thresholds[row]!),
      missingLeft: sorted.map((row) => missing[row] === 1),
      left: sorted.map((row) => left[row]!),
      right: sorted.map((row) => right[row]!),
      value: sorted.map((row) => leaves.get(`${treeId}/${nodeIds[row]}`) ?? 0),
    };
  });
  return { featureCount, base: numbers("base_values")[0]!, trees };
}
