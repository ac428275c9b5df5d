// What the daemon decides by itself: restart policies, events, limits that change, volumes that are filled, what a container changed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Berthd } from '../harness/berthd.ts';

let daemon: Berthd;
before(async () => {
  daemon = await Berthd.start();
  await daemon.importBusybox();
});
after(() => daemon[Symbol.asyncDispose]());

const output = async (...args: string[]) => {
  const result = await daemon.docker(args);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.trim();
};
const refusal = async (...args: string[]) => {
  const result = await daemon.docker(args);
  assert.notEqual(result.code, 0);
  return result.stderr.trim();
};

async function until(wanted: string, ...args: string[]): Promise<void> {
  let answer = '';
  for (let attempt = 0; attempt < 200 && answer !== wanted; attempt++) {
    if (attempt > 0) await sleep(50);
    answer = await output(...args);
  }
  assert.equal(answer, wanted);
}

test('on-failure starts it again so many times, and each run is logged', async () => {
  await output('run', '-d', '--name', 'fails', '--restart', 'on-failure:2', 'busybox', 'sh', '-c', 'echo run; exit 3');
  await until('2 exited 3', 'inspect', '-f', '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}', 'fails');
  assert.equal(await output('logs', 'fails'), 'run\nrun\nrun');
  await output('rm', 'fails');
});

test('a stop is final, whatever the policy', async () => {
  await output('run', '-d', '--name', 'always', '--restart', 'always', 'busybox', 'sleep', '60');
  await output('stop', '-t', '0', 'always');
  await sleep(300);
  assert.equal(await output('inspect', '-f', '{{.State.Status}}', 'always'), 'exited');
  await output('rm', 'always');
});

test('events tell a life in order, and filters choose', async () => {
  const since = String(Date.now() / 1000);
  await daemon.docker(['run', '--rm', '--name', 'told', 'busybox', 'sh', '-c', 'exit 4']);
  await sleep(50);
  const until = String(Date.now() / 1000);
  const events = await output(
    'events',
    '--since',
    since,
    '--until',
    until,
    '--filter',
    'type=container',
    '--format',
    '{{.Action}} {{index .Actor.Attributes "exitCode"}}',
  );
  assert.deepEqual(
    events.split('\n').map((line) => line.trim()),
    ['create', 'attach', 'start', 'die 4', 'destroy'],
  );
  const deaths = await output(
    'events',
    '--since',
    since,
    '--until',
    until,
    '--filter',
    'event=die',
    '--filter',
    'container=told',
    '--format',
    '{{.Action}}',
  );
  assert.equal(deaths, 'die');
});

test('limits change while it runs', async () => {
  await output('run', '-d', '--name', 'limited', '-m', '64m', 'busybox', 'sleep', '60');
  await output('update', '-m', '32m', '--memory-swap', '64m', 'limited');
  assert.equal(await output('inspect', '-f', '{{.HostConfig.Memory}}', 'limited'), String(32 << 20));
  const stats = JSON.parse(await output('stats', '--no-stream', '--format', 'json', 'limited')) as { MemUsage: string };
  assert.match(stats.MemUsage, /\/ 32MiB$/);
  assert.match(await refusal('update', '-m', '1m', 'limited'), /Minimum memory limit allowed is 6MB/);
  await output('rm', '-f', 'limited');
});

test('an empty volume gets what the image has there; it is kept, and kept from removal while it is used', async () => {
  await output('run', '--name', 'filler', '-v', 'kept:/etc', 'busybox', 'sh', '-c', 'echo more > /etc/more');
  assert.equal(
    await output('run', '--rm', '-v', 'kept:/x:ro', 'busybox', 'ls', '/x'),
    ['group', 'hostname', 'hosts', 'more', 'passwd', 'resolv.conf'].join('\n'),
  );
  assert.match(await refusal('volume', 'rm', 'kept'), /volume is in use - \[[0-9a-f]{64}\]/);
  await output('rm', 'filler');
  assert.equal(await output('volume', 'rm', 'kept'), 'kept');
});

test('anonymous volumes go with rm -v and with --rm', async () => {
  await output('run', '--rm', '-v', '/data', 'busybox', 'touch', '/data/x');
  await until('', 'volume', 'ls', '-q');
});

test('diff shows what the container did, and nothing that the engine did', async () => {
  await output('run', '--name', 'changed', 'busybox', 'sh', '-c', 'echo > /new; rm /etc/group; mkdir /tmp/d');
  assert.deepEqual((await output('diff', 'changed')).split('\n').sort(), ['A /new', 'A /tmp/d', 'C /etc', 'C /tmp', 'D /etc/group']);
  await output('rm', 'changed');
});

test('pause stops the world, and refuses what needs a running one', async () => {
  await output('run', '-d', '--name', 'still', 'busybox', 'sleep', '60');
  await output('pause', 'still');
  assert.match(await refusal('exec', 'still', 'true'), /is paused, unpause the container before exec/);
  assert.match(await refusal('start', 'still'), /cannot start a paused container, try unpause instead/);
  await output('unpause', 'still');
  assert.equal(await output('exec', 'still', 'echo', 'moves'), 'moves');
  await output('rm', '-f', 'still');
});

test('two names, one loser', async () => {
  const id = await output('create', '--name', 'taken', 'busybox');
  assert.ok(
    (await refusal('create', '--name', 'taken', 'busybox')).includes(
      `Conflict. The container name "/taken" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
    ),
  );
  await output('rename', 'taken', 'free');
  await output('rm', 'free');
});
