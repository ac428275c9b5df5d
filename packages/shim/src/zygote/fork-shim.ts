// The fork of a zygote that becomes a shim: it has everything but its container. It leaves its parent and waits in its event loop for
// orders, over a socket pair whose other end is handed to the lifecycle service. Where nobody has that end any more, it ends.
import { closeSync } from 'node:fs';
import { socketPair } from '@berth/sys/fd-passing';
import { adoptEventLoop, exitNow, fork } from '@berth/sys/fork';
import { type PageRange, touchAhead } from '@berth/sys/touched-pages';
import { prepareShim } from '../shim.ts';
import { followOrders } from './orders.ts';

/** 'child' in the forked child: its caller must return to the event loop at once. `fd`: the superior's end. */
export type Forked = { role: 'child' } | { role: 'zygote'; pid: number; fd: number };

export interface ForkOptions {
  /** What ps shows until it has a container. */
  title: string;
  /** Descriptors of the zygote that are none of a shim's business. */
  inherited: readonly number[];
  /** What it touches while it has nothing else to do. */
  pages: readonly PageRange[];
}

export function forkShim({ title, inherited, pages }: ForkOptions): Forked {
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
    followOrders(childs, prepareShim(title));
    touchAhead(pages);
  } catch {
    exitNow(1);
  }
  return { role: 'child' };
}
