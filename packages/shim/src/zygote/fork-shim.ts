// The fork of a zygote that becomes a shim: it has everything but its container. It leaves its parent and waits in its event loop for
// orders, over a socket pair whose other end is handed to the lifecycle service. Where nobody has that end any more, it ends.
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { prepareInit } from '@berth/runtime/prepared-init';
import { socketPair } from '@berth/sys/fd-passing';
import { adoptEventLoop, exitNow, fork } from '@berth/sys/fork';
import { defaultSignals } from '@berth/sys/process';
import { type PageRange, touchAhead } from '@berth/sys/touched-pages';
import { prepareShim } from '../shim.ts';
import { followOrders } from './orders.ts';

/** 'child' in the forked child: its caller must return to the event loop at once. `fd`: the superior's end. */
export type Forked = { role: 'child' } | { role: 'zygote'; pid: number; fd: number };

/** The pages that a shim touches, and those of its init. */
export interface Footprint {
  shim: readonly PageRange[];
  init: readonly PageRange[];
}

export interface ForkOptions {
  /** What ps shows until it has a container. */
  title: string;
  /** Descriptors of the zygote that are none of a shim's business. */
  inherited: readonly number[];
  /** It has time before its orders: to touch pages, and to fork an init. */
  ahead: Footprint | undefined;
}

export function forkShim({ title, inherited, ahead }: ForkOptions): Forked {
  const [superiors, childs] = socketPair('stream');
  let pid: number;
  try {
    pid = fork();
  } catch (error) {
    closeSync(superiors);
    closeSync(childs);
    throw error;
  }
  if (pid !== 0) {
    closeSync(childs);
    return { role: 'zygote', pid, fd: superiors };
  }
  try {
    adoptEventLoop();
    for (const fd of [superiors, ...inherited]) closeSync(fd);
    // The zygote ignores it, and whoever inherits that would never learn of the end of its children.
    defaultSignals([constants.signals.SIGCHLD]);
    const prepared = prepareShim(title);
    if (ahead) prepared.init = prepareInit({ inherited: [childs], pages: ahead.init });
    followOrders(childs, prepared);
    // Not before that fork, after which it shares them again.
    if (ahead) touchAhead(ahead.shim);
  } catch {
    exitNow(1);
  }
  return { role: 'child' };
}
