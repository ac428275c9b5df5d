// From a process of config.json to what is set right before execve (plan.ts). Runs in the parent, or in a prepared init.
import { readFileSync } from 'node:fs';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Linux, LinuxSeccomp, Process } from '@berth/oci/runtime-spec';
import { getRlimit, RLIMIT } from '@berth/sys/process';
import { capabilitySets } from './capabilities.ts';
import type { Stdio } from './container-options.ts';
import type { ProcessPlan, StdioPlan } from './plan.ts';
import { resolveRlimits } from './rlimits.ts';
import { FilterCache } from './seccomp/cache.ts';
import type { Filter } from './seccomp/filter.ts';

export interface ProcessPlanOptions {
  stdio: Stdio;
  linux: Linux | undefined;
  /** Where compiled filters are kept (state-file.ts filterDirectory). */
  filterDirectory: string;
  preserveFds: number;
  /** Of the container: gid 0 of a user namespace may be without the right to set groups. */
  setgroupsDenied: boolean;
}

export function planProcess(process: Process, options: ProcessPlanOptions): ProcessPlan {
  return {
    process,
    args: process.args ?? [],
    env: uniqueEnvironment(process.env ?? []),
    // No capabilities in the configuration means none for the process, as runc has it.
    capabilities: capabilitySets(process.capabilities ?? {}, ownCapabilities()),
    lastCapability: lastCapability(),
    filter: options.linux?.seccomp && filterOf(options.linux.seccomp, options.filterDirectory),
    stdio: stdioPlan(process, options.stdio),
    preserveFds: options.preserveFds,
    rlimits: resolveRlimits(process.rlimits ?? [], getRlimit(RLIMIT.NOFILE)),
    linux: options.linux,
    setgroupsDenied: options.setgroupsDenied,
  };
}

function stdioPlan(process: Process, stdio: Stdio): StdioPlan {
  if ('terminal' in stdio) return { terminal: process.consoleSize };
  if (process.terminal)
    throw new EngineError('InvalidArgument', 'cannot allocate tty if runc will detach without setting console socket', {
      layer: 'runtime',
    });
  return stdio;
}

/** The last of several entries of one name wins, as runc has it. */
function uniqueEnvironment(env: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of env) byName.set(entry.slice(0, Math.max(entry.indexOf('='), 0)) || entry, entry);
  return [...byName.values()];
}

/** By the configuration's identity: all execs of a container have the same one, and its digest alone takes longer than a birth. */
const filters = new WeakMap<LinuxSeccomp, Filter>();
function filterOf(seccomp: LinuxSeccomp, directory: string): Filter {
  let filter = filters.get(seccomp);
  if (!filter) {
    filter = new FilterCache(directory).get(seccomp);
    filters.set(seccomp, filter);
  }
  return filter;
}

let own: bigint | undefined;
function ownCapabilities(): bigint {
  own ??= BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'}`);
  return own;
}

let last: number | undefined;
function lastCapability(): number {
  last ??= Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'latin1'));
  return last;
}
