// cgroup v1 quantities, which is what bundles carry, in the units of cgroup v2. Pure functions.
//
// Facts: runtime-spec config-linux.md gives the v1 units; the conversions are the ones that runc and crun apply, so that a
// container weighs the same under each of them.
import { EngineError } from '@berth/errdefs/engine-error';

/**
 * cpu.shares (2 … 262144, default 1024) to cpu.weight (1 … 10000, default 100). The curve goes through all three pairs;
 * a straight line between the ends would give the default of v1 less than half of the default of v2.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** blkio.weight (10 … 1000) to io.weight (1 … 10000), linear. */
export function ioWeight(weight: number): number {
  return Math.trunc(1 + ((weight - 10) * 9999) / 990);
}

/** A limit as v2 files write it: -1 is "no limit". */
export function limitText(limit: number): string {
  return limit < 0 ? 'max' : String(limit);
}

/**
 * v1 limits memory and swap together, v2 swap alone: returns memory.swap.max, undefined for "leave it".
 * 0 stands for "not given" in both, as in every JSON that reaches us from Docker.
 */
export function swapLimit(memory: number, memoryAndSwap: number): number | undefined {
  if (memoryAndSwap === 0) return memory === -1 ? -1 : undefined;
  if (memoryAndSwap < 0) return -1;
  if (memory === 0) throw invalid('unable to set swap limit without memory limit');
  if (memory < 0) throw invalid(`invalid memory value: ${memory}`);
  if (memoryAndSwap < memory) throw invalid('memory+swap limit should be >= memory limit');
  return memoryAndSwap - memory;
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', message, { layer: 'runtime' });
}
