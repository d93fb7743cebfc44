/** The model's card: what it is for, how good it is by which command, and what it must not be used for. */
import { RETRY_SECONDS } from "../../src/ranking/ranker.ts";
import type { OrderFigures } from "./evaluate.ts";
import type { Interval } from "./metrics.ts";
import type { TrainedManifest } from "./train.ts";

export function modelCard(manifest: TrainedManifest): string {
  const { training, metrics } = manifest;
  const { onOffers, onDecisions, modelMinusNearest: gain } = metrics;
  const offers = (name: string, f: { auc: number; logLoss: number; calibrationError: number }) =>
    `| ${name} | ${f.auc.toFixed(4)} | ${f.logLoss.toFixed(4)} | ${f.calibrationError.toFixed(4)} |`;
  const order = (name: string, f: OrderFigures) => {
    const regret = f.expectedCostSeconds - onDecisions.oracle.expectedCostSeconds;
    const shares = [f.ndcg1, f.ndcg5, f.firstAccepts].map((share) => share.toFixed(4)).join(" | ");
    return `| ${name} | ${shares} | ${f.expectedCostSeconds.toFixed(2)} | ${regret.toFixed(2)} |`;
  };
  const oracleGain = onDecisions.nearest.expectedCostSeconds - onDecisions.oracle.expectedCostSeconds;
  return `# ${manifest.name}@${manifest.version}

P(accept): the chance that a driver accepts this offer of this ride before it expires. Dispatch adds it to the time to
the pickup (\`src/ranking/ranker.ts\`) and asks the driver with the least expected cost first. ${training.trees} trees,
${manifest.input.columns} features (\`src/ranking/feature-view.ts\`, set ${manifest.featureSetHash}), ONNX opset
${manifest.opset.onnx} with ai.onnx.ml ${manifest.opset.ml}.

## How it was made

    node models/accept/train.ts --seed ${training.seed} --hours ${training.hours}

writes these files byte for byte (same version of Node). Data: ${training.offers} labelled offers of three simulated
cities (\`models/accept/generate.ts\`, behaviour in \`sim/behaviour.ts\`), the earlier three quarters of the time;
overtaken offers have no label and are left out.

## How good it is

On the last quarter of the time, requests whole: ${metrics.offers} offers, ${metrics.decisions} decisions.

| P(accept) on offers made | AUC | log-loss | calibration error |
|---|---|---|---|
${offers("this model", onOffers.model)}
${offers("logistic regression", onOffers.logistic)}
| nearest first | ${onOffers.nearestAuc.toFixed(4)} | | |

| order of all candidates | NDCG@1 | NDCG@5 | first one accepts | expected cost, s | above the oracle, s |
|---|---|---|---|---|---|
${order("this model", onDecisions.model)}
${order("logistic regression", onDecisions.logistic)}
${order("nearest first", onDecisions.nearest)}
${order("oracle (true chances)", onDecisions.oracle)}

Orders are by expected cost, as served; NDCG has gain 1 for a driver who would accept; the expected cost is that of
asking down the order under the simulator's true chances, every refusal at the ranker's price of ${RETRY_SECONDS} s.

Model minus nearest first, 95 % bootstrap over requests:

- AUC ${interval(gain.auc, 4)}
- NDCG@1 ${interval(gain.ndcg1, 4)}
- first one accepts ${interval(gain.firstAccepts, 4)}
- expected cost ${interval(gain.expectedCostSeconds, 2)} s

Nearest first is hard to beat in time, because time is most of the cost: an oracle that knew every driver's mind would
gain ${oracleGain.toFixed(2)} s on it. What a model buys is fewer refusals on the way.

## Limits

- It knows simulated drivers. Its figures say that the pipeline learns what is there to be learned, not how people in
  any real city decide; before it ranks for real people it must be trained on their answers.
- Labels exist only for offers that were made. The policy that made them explores, and its propensities are logged, but
  drivers it rarely asked (far away, many refusals in a row) are known less well.
- Answers are those to offers of 15 seconds; another time to live shifts the chances.
- A driver's past answers are features: a driver who often declines is asked later. Pay, rating and area of drivers are
  not balanced by this model; whoever dispatches with it must watch how offers are shared out.
`;
}

function interval({ mean, low, high }: Interval, digits: number): string {
  return `${mean.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}
