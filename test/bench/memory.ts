// What processes hold in memory: their proportional set size (proc_pid_smaps_rollup(5)), in which a page that n processes share counts
// for one n-th.
import { readFileSync } from 'node:fs';
import { processesOf } from '../harness/berthd.ts';

/** Bytes. */
export function proportionalSetSize(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024;
}

/** The processes of the engine with these roots whose command line has the word. */
export function pidsOf(directory: string, word: string): number[] {
  return processesOf(directory)
    .filter((line) => line.includes(word))
    .map((line) => Number(line.split(' ')[1]));
}

export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

/** Bytes of all of them, and `name 12 MB, …`. */
export function inAll(parts: Readonly<Record<string, readonly number[]>>): { bytes: number; list: string } {
  const sizes = Object.entries(parts).map(([name, pids]) => ({ name, bytes: sum(pids.map(proportionalSetSize)) }));
  return {
    bytes: sum(sizes.map(({ bytes }) => bytes)),
    list: sizes.map(({ name, bytes }) => `${name} ${(bytes / 1e6).toFixed(0)}`).join(', '),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
