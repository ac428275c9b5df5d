// On which CPUs a process may run (sched_setaffinity(2); runtime-spec config.md, execCPUAffinity). A new process begins on all that its
// cgroup allows, whatever its engine was bound to. An exec may ask for a place before it enters the cgroup, and for another one after.
import type { Process } from '@berth/oci/runtime-spec';
import { bitMask, parseNumberList } from './number-list.ts';

/** The kernel takes what is there of it. */
export const ALL_CPUS = new Uint8Array(1024).fill(0xff);

export interface Affinity {
  beforeCgroup?: Uint8Array;
  inCgroup?: Uint8Array;
}

/** Masks for an exec. Throws InvalidArgument. */
export function execAffinity({ execCPUAffinity: asked }: Process): Affinity {
  if (!asked?.initial && !asked?.final) return { inCgroup: ALL_CPUS };
  const mask = (field: 'initial' | 'final') => {
    const list = asked[field];
    return list ? bitMask(parseNumberList(list, `config.json: invalid process.execCPUAffinity.${field}`)) : undefined;
  };
  return { beforeCgroup: mask('initial'), inCgroup: mask('final') };
}
