/**
 * Writes a tree model as ONNX: `rows` -> TreeEnsembleRegressor -> `margin` -> Sigmoid -> `accept_probability`. The
 * protobuf is written by hand: fields in fixed order, no times, no names of machines, so equal models are equal files.
 * ai.onnx.ml stays at opset 3, which every runtime since 1.14 reads; field numbers are those of onnx.proto.
 */
import { assertExact, type TreeModel } from "./trees.ts";

export const ONNX_INPUT = "rows";
export const ONNX_MARGIN = "margin";
export const ONNX_OUTPUT = "accept_probability";
export const ONNX_OPSET = 17;
export const ONNX_ML_OPSET = 3;
const IR_VERSION = 8;

const TENSOR_FLOAT = 1;
const ATTRIBUTE = { INT: 2, STRING: 3, FLOATS: 6, INTS: 7, STRINGS: 8 } as const;

type Bytes = readonly number[];
const text = new TextEncoder();

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return bytes;
}

function int(field: number, value: number): Bytes {
  return [...varint(field << 3), ...varint(value)];
}

function bytes(field: number, content: Bytes): Bytes {
  return [...varint((field << 3) | 2), ...varint(content.length), ...content];
}

function string(field: number, value: string): Bytes {
  return bytes(field, [...text.encode(value)]);
}

function message(field: number, ...parts: readonly Bytes[]): Bytes {
  return bytes(field, parts.flat());
}

/** AttributeProto: name 1, then the value's own field, then type 20. */
function intAttribute(name: string, value: number): Bytes {
  return message(5, string(1, name), int(3, value), int(20, ATTRIBUTE.INT));
}

function stringAttribute(name: string, value: string): Bytes {
  return message(5, string(1, name), string(4, value), int(20, ATTRIBUTE.STRING));
}

function floatsAttribute(name: string, values: readonly number[]): Bytes {
  const packed = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, at) => {
    packed.setFloat32(at * 4, value, true);
  });
  return message(5, string(1, name), bytes(7, [...new Uint8Array(packed.buffer)]), int(20, ATTRIBUTE.FLOATS));
}

function intsAttribute(name: string, values: readonly number[]): Bytes {
  return message(5, string(1, name), bytes(8, values.flatMap(varint)), int(20, ATTRIBUTE.INTS));
}

function stringsAttribute(name: string, values: readonly string[]): Bytes {
  return message(
    5,
    string(1, name),
    values.flatMap((value) => string(9, value)),
    int(20, ATTRIBUTE.STRINGS),
  );
}

/** The trees, flattened to the parallel arrays of the operator; node ids count from 0 within each tree. */
function treeAttributes(model: TreeModel): Bytes[] {
  const nodes = model.trees.flatMap((tree, treeId) =>
    tree.feature.map((feature, node) => ({ tree, treeId, feature, node })),
  );
  const leaves = nodes.filter(({ feature }) => feature < 0);
  return [
    stringAttribute("aggregate_function", "SUM"),
    floatsAttribute("base_values", [model.base]),
    intAttribute("n_targets", 1),
    intsAttribute(
      "nodes_falsenodeids",
      nodes.map(({ tree, node }) => tree.right[node]!),
    ),
    intsAttribute(
      "nodes_featureids",
      nodes.map(({ feature }) => Math.max(0, feature)),
    ),
    intsAttribute(
      "nodes_missing_value_tracks_true",
      nodes.map(({ tree, node }) => Number(tree.missingLeft[node])),
    ),
    stringsAttribute(
      "nodes_modes",
      nodes.map(({ feature }) => (feature < 0 ? "LEAF" : "BRANCH_LEQ")),
    ),
    intsAttribute(
      "nodes_nodeids",
      nodes.map(({ node }) => node),
    ),
    intsAttribute(
      "nodes_treeids",
      nodes.map(({ treeId }) => treeId),
    ),
    intsAttribute(
      "nodes_truenodeids",
      nodes.map(({ tree, node }) => tree.left[node]!),
    ),
    floatsAttribute(
      "nodes_values",
      nodes.map(({ tree, node }) => tree.threshold[node]!),
    ),
    stringAttribute("post_transform", "NONE"),
    intsAttribute(
      "target_ids",
      leaves.map(() => 0),
    ),
    intsAttribute(
      "target_nodeids",
      leaves.map(({ node }) => node),
    ),
    intsAttribute(
      "target_treeids",
      leaves.map(({ treeId }) => treeId),
    ),
    floatsAttribute(
      "target_weights",
      leaves.map(({ tree, node }) => tree.value[node]!),
    ),
  ];
}

/** ValueInfoProto of a float matrix with any number of rows. */
function matrix(field: number, name: string, columns: number): Bytes {
  const shape = message(2, message(1, string(2, "candidates")), message(1, int(1, columns)));
  return message(field, string(1, name), message(2, message(1, int(1, TENSOR_FLOAT), shape)));
}

/** Throws where the model's sums would not be exact in float32. */
export function exportOnnx(model: TreeModel, name: string): Uint8Array {
  assertExact(model);
  const trees = message(
    1,
    string(1, ONNX_INPUT),
    string(2, ONNX_MARGIN),
    string(3, "trees"),
    string(4, "TreeEnsembleRegressor"),
    ...treeAttributes(model),
    string(7, "ai.onnx.ml"),
  );
  const squash = message(1, string(1, ONNX_MARGIN), string(2, ONNX_OUTPUT), string(3, "squash"), string(4, "Sigmoid"));
  const graph = message(
    7,
    trees,
    squash,
    string(2, name),
    matrix(11, ONNX_INPUT, model.featureCount),
    matrix(12, ONNX_OUTPUT, 1),
    matrix(12, ONNX_MARGIN, 1),
  );
  const opsets = [
    message(8, string(1, ""), int(2, ONNX_OPSET)),
    message(8, string(1, "ai.onnx.ml"), int(2, ONNX_ML_OPSET)),
  ];
  return Uint8Array.from([int(1, IR_VERSION), string(2, "kerb"), graph, ...opsets].flat());
}
