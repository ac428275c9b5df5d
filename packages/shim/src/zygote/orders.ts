// The moment at which a process becomes the shim of one container: its superior assigns it, by a ttrpc call on a connection that the
// process was born with, and goes on with calls of the task API on the same connection. The shims that a zygote forks and the ones that are
// programs of their own do the same.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError } from '@berth/errdefs/engine-error';
import { type AssignResponse, Orders } from '@berth/rpc/gen/berth/shim/v1/orders';
import { TtrpcServer } from '@berth/rpc/ttrpc/server';
import { exitNow } from '@berth/sys/fork';
import { becomeShim, type PreparedShim, type ShimEvents } from '../shim.ts';
import type { ShimParameters } from './protocol.ts';

/** Returns at once, the event loop does the rest; ends the process when there will be no orders, and when they cannot be followed. */
export function followOrders(fd: number, prepared: PreparedShim): void {
  const superior = new Socket({ fd });
  const unassigned = () => exitNow(0);
  superior.once('close', unassigned);
  takeOrders(superior, (parameters, server, { ready, failed }) => {
    superior.off('close', unassigned);
    const failedForGood = (error: unknown) => {
      failed(error);
      // The answer is written before its connection is closed.
      superior.once('close', () => exitNow(1));
      setImmediate(() => server.close());
    };
    try {
      const shim = becomeShim(parameters, prepared, server, { ready, failed: failedForGood });
      // EPIPE: its answer reaches nobody. Whoever wanted it starts another.
      superior.once('error', () => shim.idle && exitNow(1));
    } catch (error) {
      failedForGood(error);
    }
  });
}

type Become = (parameters: ShimParameters, server: TtrpcServer, told: Pick<ShimEvents, 'ready' | 'failed'>) => void;

/** Has `become` serve besides what it serves itself, once it is assigned over the connection. */
export function takeOrders(superior: Duplex, become: Become): void {
  let assigned = false;
  const server = new TtrpcServer();
  server.register(Orders, {
    assign: (parameters): Promise<AssignResponse> => {
      if (assigned) throw new EngineError('FailedPrecondition', 'this shim has a container', { layer: 'shim' });
      assigned = true;
      return new Promise((ready, failed) => become(parameters, server, { ready, failed }));
    },
  });
  server.serve(superior);
}
