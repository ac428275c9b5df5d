// A forked shim that has everything but its container: it has left its parent and blocks until it gets its parameters over a socket
// pair. Where that end of the pair is closed, for the zygote is gone or wants it no more, it ends.
//
// A child that dies before its answer is a failed fork (see sys/fork.ts): the caller tries another.
import { closeSync } from 'node:fs';
import { socketPair } from '@berth/sys/fd-passing';
import { adoptEventLoop, exitNow, fork } from '@berth/sys/fork';
import { waitReadable } from '@berth/sys/pipe';
import { prepareShim } from '../shim.ts';
import { LineSocket } from './line-socket.ts';
import { followOrders } from './orders.ts';
import type { ShimParameters, ZygoteReply } from './protocol.ts';

/** Milliseconds that a child has for its answer; it takes one or two. */
const PATIENCE = 5000;

/** 'child' in the forked child, once it has its orders: its caller must return to the event loop at once. */
export type Forked = { role: 'child' } | { role: 'zygote'; shim: UnassignedShim };

/** `inherited`: descriptors of the zygote that are none of a shim's business. */
export function forkShim(inherited: readonly number[]): Forked {
  const [zygotes, childs] = socketPair('stream');
  let pid: number;
  try {
    pid = fork();
  } catch (error) {
    closeSync(zygotes);
    closeSync(childs);
    throw error;
  }
  if (pid !== 0) {
    closeSync(childs);
    return { role: 'zygote', shim: new UnassignedShim(pid, zygotes) };
  }
  try {
    adoptEventLoop();
    for (const fd of [zygotes, ...inherited]) closeSync(fd);
    followOrders(childs, prepareShim('berth-spare'));
  } catch {
    exitNow(1);
  }
  return { role: 'child' };
}

export class UnassignedShim {
  readonly #pid: number;
  /** Readable only when the child is gone: it says nothing before it has its orders. */
  readonly fd: number;

  constructor(pid: number, fd: number) {
    this.#pid = pid;
    this.fd = fd;
  }

  /** Its answer; undefined when it died or hangs: then it is killed. In either case it is not unassigned any more. */
  assign(parameters: ShimParameters): ZygoteReply | undefined {
    try {
      const child = new LineSocket(this.fd);
      child.write(parameters);
      const reply = waitReadable(this.fd, PATIENCE) ? (child.read() as ZygoteReply | undefined) : undefined;
      if (reply === undefined) this.#kill();
      return reply;
    } catch {
      // EPIPE: it was dead before.
      this.#kill();
      return undefined;
    } finally {
      closeSync(this.fd);
    }
  }

  /** Ends it without orders. */
  discard(): void {
    this.#kill();
    closeSync(this.fd);
  }

  #kill(): void {
    try {
      process.kill(this.#pid, 'SIGKILL');
    } catch {
      // Gone already; the zygote's children leave no zombies.
    }
  }
}
