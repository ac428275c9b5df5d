// From which NUMA nodes a container's memory comes (set_mempolicy(2); runtime-spec config-linux.md, memoryPolicy). Set on init and on
// exec'd processes right before they become the program: the policy survives execve and is inherited.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Linux } from '@berth/oci/runtime-spec';
import { setMemoryPolicy } from '@berth/sys/process';
import { bitMask, parseNumberList } from './number-list.ts';

/** Of linux/mempolicy.h. */
const MODES = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
} as const;
const FLAGS = { MPOL_F_NUMA_BALANCING: 1 << 13, MPOL_F_RELATIVE_NODES: 1 << 14, MPOL_F_STATIC_NODES: 1 << 15 } as const;

export const MEMORY_POLICY_MODES = Object.keys(MODES);
export const MEMORY_POLICY_FLAGS = Object.keys(FLAGS);

type Policy = NonNullable<Linux['memoryPolicy']>;

export function applyMemoryPolicy(policy: Policy): void {
  const { mode, nodes } = parseMemoryPolicy(policy);
  setMemoryPolicy(mode, nodes);
}

/** The mode with its flags, and the mask of nodes. Throws InvalidArgument with runc's wordings. */
export function parseMemoryPolicy(policy: Policy): { mode: number; nodes: Uint8Array } {
  const mode = MODES[policy.mode as keyof typeof MODES];
  if (mode === undefined)
    throw invalid(`invalid memory policy mode ${JSON.stringify(policy.mode ?? '')}: one of ${MEMORY_POLICY_MODES.join(', ')}`);
  const flags = (policy.flags ?? []).map((name) => {
    const flag = FLAGS[name as keyof typeof FLAGS];
    if (flag === undefined) throw invalid(`invalid memory policy flag ${JSON.stringify(name)}: one of ${MEMORY_POLICY_FLAGS.join(', ')}`);
    return flag;
  });
  const nodes = policy.nodes ? parseNumberList(policy.nodes, 'config.json: linux.memoryPolicy: invalid memory policy nodes') : [];
  if ((mode === MODES.MPOL_DEFAULT || mode === MODES.MPOL_LOCAL) && nodes.length > 0)
    throw invalid(`memory policy mode requires 0 nodes but got ${nodes.length}`);
  if (mode !== MODES.MPOL_DEFAULT && mode !== MODES.MPOL_LOCAL && mode !== MODES.MPOL_PREFERRED && nodes.length === 0)
    throw invalid('memory policy mode requires at least one node but got 0');
  return { mode: flags.reduce((all, flag) => all | flag, mode as number), nodes: bitMask(nodes) };
}

function invalid(message: string): EngineError {
  return new EngineError('InvalidArgument', `config.json: linux.memoryPolicy: ${message}`, {
    layer: 'runtime',
    details: { field: 'linux.memoryPolicy' },
  });
}
