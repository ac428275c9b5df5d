// The moment at which a process becomes the shim of one container: it reads its parameters, a line of JSON, from a socket, and answers
// there once it serves. The shims that a zygote forks and the ones that are programs of their own do the same.
import { closeSync } from 'node:fs';
import { exitNow } from '@berth/sys/fork';
import { becomeShim, type PreparedShim } from '../shim.ts';
import { LineSocket } from './line-socket.ts';
import type { ShimParameters, ZygoteReply } from './protocol.ts';

/** Blocks until there are orders; ends the process when there will be none, and when they cannot be followed. */
export function followOrders(fd: number, prepared: PreparedShim): void {
  const superior = new LineSocket(fd);
  const parameters = superior.read() as ShimParameters | undefined;
  if (parameters === undefined) exitNow(0);
  const report = (reply: ZygoteReply) => {
    try {
      superior.write(reply);
    } catch {
      // EPIPE: nobody will ever learn of this shim. Whoever wanted it starts another.
      exitNow(1);
    }
    closeSync(fd);
  };
  const failed = (error: unknown) => {
    report({ ok: false, error: error instanceof Error ? error.message : String(error) });
    exitNow(1);
  };
  try {
    becomeShim(parameters, prepared, { ready: (bootstrap) => report({ ok: true, bootstrap }), failed });
  } catch (error) {
    failed(error);
  }
}
