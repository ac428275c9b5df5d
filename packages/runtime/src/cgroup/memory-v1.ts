// Memory limits in cgroup v1. The order of the two writes matters: the kernel keeps memory ≤ memory+swap at every moment.
//
// Called by apply of v1.ts, for new containers and for updates. Facts: cgroup-v1/memory.rst; rules and wordings as runc's.
import { EngineError } from '@berth/errdefs/engine-error';
import type { LinuxResources } from '@berth/oci/runtime-spec';
import { readNumber, writeControl } from '@berth/sys/cgroup-file';

type Memory = NonNullable<LinuxResources['memory']>;

const LIMIT = 'memory.limit_in_bytes';
const SWAP = 'memory.memsw.limit_in_bytes';

export function applyMemory(directory: string, memory: Memory): void {
  limitMemoryAndSwap(directory, memory);
  if (memory.reservation) writeControl(directory, 'memory.soft_limit_in_bytes', memory.reservation);
  if (memory.kernelTCP) writeControl(directory, 'memory.kmem.tcp.limit_in_bytes', memory.kernelTCP);
  if (memory.disableOOMKiller) writeControl(directory, 'memory.oom_control', 1);
  if (memory.swappiness !== undefined) {
    if (memory.swappiness > 100) {
      throw new EngineError('InvalidArgument', `invalid memory swappiness value: ${memory.swappiness} (valid range is 0-100)`, {
        layer: 'runtime',
      });
    }
    writeControl(directory, 'memory.swappiness', memory.swappiness);
  }
}

function limitMemoryAndSwap(directory: string, { limit = 0, swap: wanted = 0 }: Memory): void {
  const hasSwap = readNumber(directory, SWAP) !== undefined;
  // Unlimited memory with a limit on memory+swap would not be unlimited.
  const swap = limit === -1 && wanted === 0 && hasSwap ? -1 : wanted;
  if (limit !== 0 && swap !== 0) {
    const current = readNumber(directory, LIMIT) ?? Number.POSITIVE_INFINITY;
    // Growing: make room in the outer limit first; shrinking: the inner one first.
    if (swap === -1 || current < swap) {
      writeControl(directory, SWAP, swap);
      writeLimit(directory, limit);
    } else {
      writeLimit(directory, limit);
      writeControl(directory, SWAP, swap);
    }
    return;
  }
  if (limit !== 0) writeLimit(directory, limit);
  if (swap !== 0) writeControl(directory, SWAP, swap);
}

function writeLimit(directory: string, limit: number): void {
  try {
    writeControl(directory, LIMIT, limit);
  } catch (error) {
    if (!(error instanceof EngineError) || error.details.code !== 'EBUSY') throw error;
    const usage = readNumber(directory, 'memory.usage_in_bytes');
    const peak = readNumber(directory, 'memory.max_usage_in_bytes');
    throw new EngineError('FailedPrecondition', `unable to set memory limit to ${limit} (current usage: ${usage}, peak usage: ${peak})`, {
      layer: 'runtime',
      cause: error,
    });
  }
}
