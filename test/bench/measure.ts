// Measures commands in turn, A B A B …, so that a machine whose speed drifts treats both alike; what is quoted is the median of the
// pairs' ratios. Times are of whole processes, from outside.
import { spawnSync } from 'node:child_process';

export interface Side {
  command: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
}

export interface Series {
  /** Milliseconds, in the order they were taken. */
  times: number[];
}

export interface Comparison {
  ours: Series;
  theirs: Series;
  /** The median of ours/theirs, pair by pair. */
  ratio: number;
}

export function timeOnce(side: Side): number {
  const started = process.hrtime.bigint();
  const result = spawnSync(side.command, side.args, { env: side.env, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  const elapsed = Number(process.hrtime.bigint() - started) / 1e6;
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${side.command} ${side.args.join(' ')} ended with ${result.status}: ${result.stderr}`);
  return elapsed;
}

export function compare(ours: () => number, theirs: () => number, runs: number, warmUp = 3): Comparison {
  for (let i = 0; i < warmUp; i++) {
    ours();
    theirs();
  }
  const a: number[] = [];
  const b: number[] = [];
  for (let i = 0; i < runs; i++) {
    a.push(ours());
    b.push(theirs());
  }
  return { ours: { times: a }, theirs: { times: b }, ratio: median(a.map((time, at) => time / (b[at] as number))) };
}

/** The same for what takes its time by itself. */
export async function compareInTurn(ours: () => Promise<number>, theirs: () => Promise<number>, runs: number): Promise<Comparison> {
  const a: number[] = [];
  const b: number[] = [];
  for (let i = 0; i < runs; i++) {
    a.push(await ours());
    b.push(await theirs());
  }
  return { ours: { times: a }, theirs: { times: b }, ratio: median(a.map((time, at) => time / (b[at] as number))) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The middle half: from the first to the third quartile. */
export function spread(values: readonly number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  return [sorted[Math.floor(sorted.length / 4)] as number, sorted[Math.floor((sorted.length * 3) / 4)] as number];
}
