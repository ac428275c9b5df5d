// The zygote: one warm, single-threaded Node process that forks every shim (docs/zygote.md). It never starts its event loop; it reads
// requests from descriptor 3 with blocking calls, so that between two forks it has one thread and watches nothing.
//
// Runs as `node --v8-pool-size=0 --single-threaded … main.ts`, started by client.ts. In a forked child, serve() returns
// 'child' and the main module ends, which is when Node starts the event loop: the child's own.
import { closeSync } from 'node:fs';
import { exitNow } from '@berth/sys/fork';
import { becomeShim } from '../shim.ts';
import { forkShim } from './fork-shim.ts';
import { LineSocket } from './line-socket.ts';
import type { ShimBootstrap, ShimParameters, ZygoteHello, ZygoteReply, ZygoteRequest } from './protocol.ts';
import { selfTest } from './self-test.ts';
import { warmUp } from './warm-up.ts';

/** Where client.ts put its end of the socket pair. */
const REQUESTS = 3;

process.title = 'berth-zygote';
const client = new LineSocket(REQUESTS);
const verdict = selfTest();
if (verdict.outcome === 'fit') {
  warmUp();
  client.write({ ready: true } satisfies ZygoteHello);
  serve();
} else if (verdict.outcome === 'unfit') {
  client.write({ ready: false, reason: verdict.reason } satisfies ZygoteHello);
  exitNow(1);
}

/** Returns in a forked child only. */
function serve(): void {
  for (;;) {
    const request = client.read() as ZygoteRequest | undefined;
    if (request === undefined) exitNow(0); // the lifecycle service is gone; its shims are not
    if (request.op === 'ping') {
      client.write({ ok: true } satisfies ZygoteReply);
      continue;
    }
    const outcome = forkShim();
    if (outcome.role === 'child') {
      closeSync(REQUESTS);
      startShim(request.shim, outcome.report);
      return;
    }
    client.write(outcome.reply);
  }
}

function startShim(parameters: ShimParameters, report: (reply: ZygoteReply) => void): void {
  const failed = (error: unknown) => {
    report({ ok: false, error: error instanceof Error ? error.message : String(error) });
    exitNow(1);
  };
  try {
    becomeShim(parameters, (bootstrap: ShimBootstrap) => report({ ok: true, bootstrap }), failed);
  } catch (error) {
    failed(error);
  }
}
