// An exec goes from the daemon to the container's shim, and needs the lifecycle service for nothing.
import assert from 'node:assert/strict';
import { request } from 'node:http';
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

/** One request of the Engine API; the answer's body as it is. */
function post(path: string, body: object): Promise<string> {
  const text = JSON.stringify(body);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    request({ socketPath: daemon.socket, method: 'POST', path, headers }, (response) => {
      let answer = '';
      response.on('data', (chunk) => {
        answer += chunk;
      });
      response.on('end', () => resolve(answer));
    })
      .on('error', reject)
      .end(text);
  });
}

test('an exec runs as the container is when it starts, however long after its creation', async () => {
  await daemon.docker(['run', '-d', '--name', 'later', 'busybox', 'sleep', '600']);
  const create = async (Cmd: string[], more: object = {}): Promise<string> =>
    JSON.parse(await post('/containers/later/exec', { Cmd, AttachStdout: true, ...more })).Id;
  const late = await create(['id', '-u'], { User: 'somebody' });
  await daemon.docker(['exec', 'later', 'sh', '-c', 'mkdir -p /etc; echo somebody:x:1234:1234::/: >> /etc/passwd']);
  assert.match(await post(`/exec/${late}/start`, {}), /1234/);
  const changed = await create(['id', '-u'], { User: 'somebody' });
  await daemon.docker(['exec', 'later', 'sh', '-c', 'echo somebody:x:4321:4321::/: > /etc/passwd']);
  await sleep(600);
  assert.match(await post(`/exec/${changed}/start`, {}), /4321/);
  const sized = await create(['stty', 'size'], { Tty: true });
  assert.match(await post(`/exec/${sized}/start`, { Tty: true, ConsoleSize: [11, 22] }), /11 22/);
  await daemon.docker(['rm', '-f', 'later']);
});
