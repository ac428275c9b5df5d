// How the kernel schedules a process, and what it says it is: sched_setattr(2), ioprio_set(2), set_mempolicy(2), personality(2).
// Runs in init and in exec'd processes, while they still have the right to better themselves.
import { EngineError } from '@berth/errdefs/engine-error';
import type { Linux, Process, Scheduler } from '@berth/oci/runtime-spec';
import { setIoPriority, setPersonality, setScheduler } from '@berth/sys/process';
import { applyMemoryPolicy } from '../memory-policy.ts';

/** Of sched_setattr(2). */
const POLICIES = { SCHED_OTHER: 0, SCHED_FIFO: 1, SCHED_RR: 2, SCHED_BATCH: 3, SCHED_ISO: 4, SCHED_IDLE: 5, SCHED_DEADLINE: 6 } as const;
const FLAGS: Record<string, bigint> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01n,
  SCHED_FLAG_RECLAIM: 0x02n,
  SCHED_FLAG_DL_OVERRUN: 0x04n,
  SCHED_FLAG_KEEP_POLICY: 0x08n,
  SCHED_FLAG_KEEP_PARAMS: 0x10n,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20n,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40n,
};
/** struct sched_attr, its first version. */
const SCHED_ATTR_SIZE = 48;
const IOPRIO_CLASSES = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;
const DOMAINS = { LINUX: 0, LINUX32: 8 } as const;

/** What config.json may name. */
export const SCHEDULER_POLICIES = Object.keys(POLICIES);
export const SCHEDULER_FLAGS = Object.keys(FLAGS);
export const IO_PRIORITY_CLASSES = Object.keys(IOPRIO_CLASSES);
export const PERSONALITIES = Object.keys(DOMAINS);

export function applyScheduling(process: Process, linux: Linux | undefined): void {
  if (process.scheduler) setScheduler(schedulerAttributes(process.scheduler));
  if (process.ioPriority) setIoPriority((IOPRIO_CLASSES[process.ioPriority.class] << 13) | (process.ioPriority.priority ?? 0));
  if (linux?.memoryPolicy) applyMemoryPolicy(linux.memoryPolicy);
  if (linux?.personality) setPersonality(DOMAINS[linux.personality.domain]);
}

function schedulerAttributes(scheduler: Scheduler): Uint8Array {
  const policy = POLICIES[scheduler.policy as keyof typeof POLICIES];
  if (policy === undefined) throw new EngineError('InvalidArgument', `invalid scheduler policy: ${scheduler.policy}`, { layer: 'runtime' });
  const attributes = Buffer.alloc(SCHED_ATTR_SIZE);
  attributes.writeUInt32LE(SCHED_ATTR_SIZE, 0);
  attributes.writeUInt32LE(policy, 4);
  attributes.writeBigUInt64LE(
    (scheduler.flags ?? []).reduce((all, name) => all | (FLAGS[name] ?? 0n), 0n),
    8,
  );
  attributes.writeInt32LE(scheduler.nice ?? 0, 16);
  attributes.writeUInt32LE(scheduler.priority ?? 0, 20);
  for (const [index, value] of [scheduler.runtime, scheduler.deadline, scheduler.period].entries())
    attributes.writeBigUInt64LE(BigInt(value ?? 0), 24 + 8 * index);
  return attributes;
}
