// An init that is forked ahead, before it is known of which container (docs/adr/0012-prepared-init.md). Until then it is a process like
// its creator, in the same namespaces and cgroups, and waits for its order. With the order it makes its plan and the namespaces while its
// creator makes the cgroup; then it is reborn (sys/rebirth.ts) as the init that a fork would have made, with the memory that it has.
//
// Whenever that does not come off, for whatever reason, the creator forks as without it, and that does it or says why not.
import { closeSync } from 'node:fs';
import { SysError } from '@berth/errdefs/engine-error';
import type { Spec } from '@berth/oci/runtime-spec';
import { exitNow } from '@berth/sys/fork';
import { CLONE, POLLIN, pidfdOpen, pidfdSendSignal, poll, unshare } from '@berth/sys/namespace';
import { setProcessName } from '@berth/sys/process';
import { canBeReborn, readyForRebirth, rebirth } from '@berth/sys/rebirth';
import { type PageRange, touchAhead } from '@berth/sys/touched-pages';
import { waitpid } from '@berth/sys/wait';
import type { CgroupLocation } from './cgroup/cgroup.ts';
import type { Hierarchy } from './cgroup/hierarchy.ts';
import { loadCgroup } from './cgroup/open.ts';
import type { Channel, ChildMessage, ParentMessage } from './channel.ts';
import type { Place } from './claim.ts';
import type { CreateOptions } from './container-options.ts';
import { runInit } from './init/init.ts';
import { type PlanOptions, planInit } from './init-plan.ts';
import { parseMountOptions } from './mount-options.ts';
import type { NamespacePlan } from './namespaces.ts';
import type { InitPlan } from './plan.ts';
import { ignoredSignals } from './signals.ts';
import { discardChild, type Newborn, openDirectory, spawn } from './spawn.ts';

/** What ps shows until it is ordered. */
const TITLE = 'berth-spare:[init]';
const SIGKILL = 9;
/** The kernel's default for a socket's buffer, above which it refuses the message. */
const LARGEST_ORDER = 212_992;
/** Milliseconds for the end of a process that was killed, or has become another one. */
const PATIENCE = 1000;

/** Beside it come the descriptors of the gate, of the streams unless it has a terminal, and of the namespaces to join. */
export interface Order {
  type: 'order';
  /** Of the creator: what ps shows of an init that it forks. */
  title: string;
  options: Omit<PlanOptions, 'stdio' | 'preserveFds'> & { terminal: boolean };
  spec: Spec;
  cgroup: CgroupLocation;
  mounted: readonly Hierarchy[];
  cloneFlags: number;
  lateFlags: number;
  /** Flags, in order. */
  joins: number[];
}

export interface Preparation {
  /** Descriptors of the creator that are none of an init's business. */
  inherited: readonly number[];
  /** What it touches while it waits. */
  pages: readonly PageRange[];
}

/**
 * Forks one. Its creator has one thread, and makes the container itself: it is the parent of what this becomes. Undefined where there can be
 * none.
 */
export function prepareInit(preparation: Preparation = { inherited: [], pages: [] }): PreparedInit | undefined {
  if (!canBeReborn() || process.geteuid?.() !== 0) return undefined;
  try {
    ignoredSignals();
    return new PreparedInit(
      spawn({
        cloneFlags: 0,
        pidNamespace: undefined,
        intermediate: undefined,
        cgroupDirectory: undefined,
        live: (channel) => awaitOrder(channel, preparation),
      }),
    );
  } catch (error) {
    // No process, or no descriptor, is to be had: perhaps later.
    if (error instanceof SysError) return undefined;
    throw error;
  }
}

/** The creator's side. */
export class PreparedInit implements Disposable {
  readonly #newborn: Newborn;
  /** It may be reaped by others, and its pid be anybody's. */
  readonly #pidfd: number;
  #state: 'waiting' | 'ordered' | 'over' = 'waiting';

  constructor(newborn: Newborn) {
    this.#newborn = newborn;
    try {
      this.#pidfd = pidfdOpen(newborn.pid);
    } catch (error) {
      newborn.channel.close();
      discardChild(newborn);
      throw error;
    }
  }

  /** Tells it what it will be. What does not suit it ends it. */
  order(options: CreateOptions, spec: Spec, place: Place, namespaces: NamespacePlan): void {
    const { order, fds } = orderOf(options, spec, place, namespaces);
    if (!place.cgroup.needsProcess && this.#send(order, fds)) this.#state = 'ordered';
    else this.end();
  }

  /** Init, once its cgroup is there: in `cgroupDirectory` if there is a v2 hierarchy. Undefined when it was not ordered, or could not. */
  bear(cgroupDirectory: string | undefined): Newborn | undefined {
    if (this.#state !== 'ordered') return undefined;
    const { channel } = this.#newborn;
    using directory = openDirectory(cgroupDirectory);
    const told = this.#send({ type: 'birth' }, directory.fd === undefined ? [] : [directory.fd]);
    const answer = told ? channel.receive<ChildMessage>() : undefined;
    if (answer?.message.type !== 'forked') {
      this.end();
      return undefined;
    }
    this.#state = 'over';
    return { pid: answer.message.pid, reaped: false, channel };
  }

  /** It is not to become anything. */
  end(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#newborn.channel.close();
    pidfdSendSignal(this.#pidfd, SIGKILL);
  }

  /** Ends it where it has not become an init, and reaps what it was. */
  [Symbol.dispose](): void {
    if (this.#newborn.reaped) return;
    this.end();
    poll(this.#pidfd, POLLIN, PATIENCE);
    closeSync(this.#pidfd);
    waitpid(this.#newborn.pid, { noHang: true });
    this.#newborn.reaped = true;
  }

  /** False when it is gone, or the message is too large. */
  #send(message: ParentMessage, fds: readonly number[]): boolean {
    try {
      this.#newborn.channel.send(message, fds);
      return true;
    } catch (error) {
      if (error instanceof SysError) return false;
      throw error;
    }
  }
}

/**
 * Whether it would be the same as one that is forked when its container is known: with the creator's rights, a pid namespace and mounts of its
 * own, and nothing that the creator has to open or make for it.
 */
export function suitsPrepared(options: CreateOptions, { linux, mounts }: Spec): boolean {
  const own = (type: string) => linux?.namespaces?.some((namespace) => namespace.type === type && !namespace.path) ?? false;
  return (
    own('pid') &&
    own('mount') &&
    !options.preserveFds &&
    !linux?.namespaces?.some(({ type }) => type === 'user' || type === 'time') &&
    !mounts?.some((mount) => mount.uidMappings?.length || parseMountOptions(mount.options ?? [], mount.type).idMap)
  );
}

export function orderOf(
  { id, bundle, root, rootfsMounts, noPivot, noNewKeyring, stdio }: CreateOptions,
  spec: Spec,
  { cgroup, mounted, gate }: Place,
  { cloneFlags, lateFlags, joins }: NamespacePlan,
): { order: Order; fds: number[] } {
  const streams = 'terminal' in stdio ? [] : [stdio.stdin, stdio.stdout, stdio.stderr];
  const order: Order = {
    type: 'order',
    title: process.title,
    options: { id, bundle, root, rootfsMounts, noPivot, noNewKeyring, terminal: 'terminal' in stdio },
    spec,
    cgroup: cgroup.location,
    mounted,
    cloneFlags,
    lateFlags,
    joins: joins.map(({ flag }) => flag),
  };
  return { order, fds: [gate, ...streams, ...joins.map(({ fd }) => fd)] };
}

/** The life of it. */
function awaitOrder(channel: Channel, { inherited, pages }: Preparation): never {
  try {
    for (const fd of inherited) closeSync(fd);
    process.title = TITLE;
    readyForRebirth();
    touchAhead(pages);
    const ordered = channel.receive<ParentMessage>(LARGEST_ORDER);
    // The creator has no use for it, or is gone.
    if (ordered?.message.type !== 'order') exitNow(0);
    const { message, fds } = ordered;
    process.title = message.title;
    setProcessName('berth:[init]');
    const plan = planOrder(message, fds);
    // They are made by the process that is about to end, so that they are there when the cgroup is.
    const early = plan.cloneFlags & ~CLONE.NEWPID;
    if (early) unshare(early);
    const birth = channel.receive<ParentMessage>();
    if (!birth) exitNow(0);
    const [cgroup] = birth.fds;
    const pid = rebirth(CLONE.NEWPID, { cgroup });
    // A directory of the host, see spawn.ts.
    if (cgroup !== undefined) closeSync(cgroup);
    channel.send({ type: 'forked', pid });
    runInit(plan, channel);
  } catch (error) {
    try {
      channel.sendError(error);
    } catch {
      // The creator is gone.
    }
  }
  exitNow(1);
}

export function planOrder(
  { options, spec, cgroup, mounted, cloneFlags, lateFlags, joins }: Order,
  [gate = -1, ...fds]: number[],
): InitPlan {
  const stdio = options.terminal
    ? { terminal: true as const }
    : { stdin: fds.shift() ?? -1, stdout: fds.shift() ?? -1, stderr: fds.shift() ?? -1 };
  if (!spec.process) throw new Error('an order without a process');
  return planInit({ ...options, stdio }, spec, spec.process, {
    gate,
    cgroup: loadCgroup(cgroup),
    namespaces: {
      cloneFlags,
      lateFlags,
      joins: joins.map((flag, index) => ({ flag, fd: fds[index] ?? -1 })),
      joinPid: undefined,
      needsIntermediate: false,
    },
    mounted,
  });
}
