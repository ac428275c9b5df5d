// `serve`: the process that `start` leaves behind. It gets its parameters as a line on descriptor 3 and answers there.
import { closeSync } from 'node:fs';
import { exitNow } from '@berth/sys/fork';
import { becomeShim } from '../shim.ts';
import { LineSocket } from '../zygote/line-socket.ts';
import type { ShimParameters, ZygoteReply } from '../zygote/protocol.ts';

const PARENT = 3;

export function serve(): void {
  const parent = new LineSocket(PARENT);
  const report = (reply: ZygoteReply) => {
    parent.write(reply);
    closeSync(PARENT);
  };
  const failed = (error: unknown) => {
    report({ ok: false, error: error instanceof Error ? error.message : String(error) });
    exitNow(1);
  };
  try {
    becomeShim(parent.read() as ShimParameters, { ready: (bootstrap) => report({ ok: true, bootstrap }), failed });
  } catch (error) {
    failed(error);
  }
}
