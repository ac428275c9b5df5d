// An exec goes from the daemon to the container's shim, and needs the lifecycle service for nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Berthd, processesOf } from '../harness/berthd.ts';

let daemon: Berthd;
before(async () => {
  daemon = await Berthd.start();
  await daemon.importBusybox();
});
after(() => daemon[Symbol.asyncDispose]());

function lifecycleService(): number {
  const line = processesOf(daemon.directory).find((one) => one.includes('berth-lifecycle'));
  return Number(line?.split(' ')[1]);
}

test('a lifecycle service that stands still holds no exec up', async () => {
  await daemon.docker(['run', '-d', '--name', 'still', 'busybox', 'sleep', '600']);
  const service = lifecycleService();
  process.kill(service, 'SIGSTOP');
  try {
    for (let round = 0; round < 2; round++) {
      const result = await daemon.docker(['exec', 'still', 'sh', '-c', 'echo said; exit 7'], { timeout: 20_000 });
      assert.deepEqual([result.stdout, result.code], ['said\n', 7]);
    }
  } finally {
    process.kill(service, 'SIGCONT');
  }
  await daemon.docker(['rm', '-f', 'still']);
});

test('a container that starts again has another shim, and execs find it', async () => {
  await daemon.docker(['run', '-d', '--name', 'again', 'busybox', 'sleep', '600']);
  for (let round = 0; round < 3; round++) {
    const result = await daemon.docker(['exec', 'again', 'hostname']);
    assert.equal(result.code, 0, result.stderr);
    await daemon.docker(['restart', '-t', '0', 'again']);
  }
  await daemon.docker(['rm', '-f', 'again']);
});

test('an exec is over for its client, with 137, when its shim dies', async () => {
  await daemon.docker(['run', '-d', '--name', 'dies', 'busybox', 'sleep', '600']);
  const running = daemon.docker(['exec', 'dies', 'sleep', '600']);
  for (let waited = 0; waited < 100; waited++) {
    if ((await daemon.docker(['top', 'dies'])).stdout.split('sleep 600').length > 2) break;
    await sleep(50);
  }
  const shim = processesOf(daemon.directory).find((line) => line.includes('berth-shim'));
  process.kill(Number(shim?.split(' ')[1]), 'SIGKILL');
  assert.equal((await running).code, 137);
  await daemon.docker(['rm', '-f', 'dies']);
});
