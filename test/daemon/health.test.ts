// HEALTHCHECK: probes run, count, time out, show in ps, inspect and events, and go on after the daemon came back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Berthd } from '../harness/berthd.ts';

let daemon: Berthd;
before(async () => {
  daemon = await Berthd.start();
  await daemon.importBusybox();
});
after(() => daemon?.[Symbol.asyncDispose]());

const output = async (...args: string[]) => {
  const result = await daemon.docker(args);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.trim();
};
const health = async (name: string) => JSON.parse(await output('inspect', '-f', '{{json .State.Health}}', name));

async function untilStatus(name: string, wanted: string) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const now = await health(name);
    if (now?.Status === wanted) return now;
    await sleep(50);
  }
  assert.fail(`${name} did not become ${wanted}: ${JSON.stringify(await health(name))}`);
}

test('healthy, then unhealthy after so many failures, with output, ps and events', async () => {
  const since = String(Date.now() / 1000);
  const flags = ['--health-cmd', 'echo probed; test -e /well', '--health-interval', '100ms', '--health-retries', '2'];
  await output('run', '-d', '--name', 'patient', ...flags, 'busybox', 'sh', '-c', 'touch /well; sleep 60');
  assert.match(await output('ps', '--format', '{{.Status}}'), /\((health: starting|healthy)\)$/);
  const well = await untilStatus('patient', 'healthy');
  assert.deepEqual([well.FailingStreak, well.Log[0].ExitCode, well.Log[0].Output], [0, 0, 'probed\n']);
  assert.match(await output('ps', '--format', '{{.Status}}'), /^Up .* \(healthy\)$/);
  assert.equal(await output('ps', '-q', '--filter', 'health=unhealthy'), '');

  await output('exec', 'patient', 'rm', '/well');
  const ill = await untilStatus('patient', 'unhealthy');
  assert.ok(ill.FailingStreak >= 2);
  assert.ok(ill.Log.length <= 5);
  assert.notEqual(await output('ps', '-q', '--filter', 'health=unhealthy'), '');

  await output('rm', '-f', 'patient');
  const events = await output('events', '--since', since, '--until', String(Date.now() / 1000), '--format', '{{.Action}}');
  const told = events.split('\n');
  assert.deepEqual(
    told.filter((action) => action.startsWith('health_status')),
    ['health_status: healthy', 'health_status: unhealthy'],
  );
  assert.ok(told.includes('exec_create: /bin/sh -c echo probed; test -e /well'), events);
});

test('a probe that hangs is killed, one that cannot start says why', async () => {
  const flags = ['--health-interval', '100ms', '--health-timeout', '200ms', '--health-retries', '1'];
  await output('run', '-d', '--name', 'hangs', ...flags, '--health-cmd', 'echo before; sleep 61', 'busybox', 'sleep', '60');
  const late = await untilStatus('hangs', 'unhealthy');
  assert.deepEqual([late.Log[0].ExitCode, late.Log[0].Output], [-1, 'Health check exceeded timeout (200ms): before\n']);
  await output('pause', 'hangs');
  await sleep(100);
  const { length } = (await health('hangs')).Log;
  await sleep(300);
  assert.equal((await health('hangs')).Log.length, length, 'nobody probes a paused container');
  await output('unpause', 'hangs');
  await output('stop', '-t', '0', 'hangs');
  assert.equal((await health('hangs')).Status, 'unhealthy');
  await output('rm', 'hangs');
});

test('an image brings its check, --no-healthcheck leaves it out', async () => {
  const dockerfile = 'FROM busybox\nHEALTHCHECK --interval=100ms --retries=1 CMD ["/no/such"]\nCMD ["sleep", "60"]\n';
  const built = await daemon.docker(['build', '-t', 'checked', '-'], { input: Buffer.from(dockerfile) });
  assert.equal(built.code, 0, built.stderr);
  await output('run', '-d', '--name', 'inherits', 'checked');
  const { Log } = await untilStatus('inherits', 'unhealthy');
  assert.equal(Log[0].ExitCode, -1);
  assert.match(Log[0].Output, /OCI runtime exec failed: .*\/no\/such/);
  await output('run', '-d', '--name', 'unchecked', '--no-healthcheck', 'checked');
  assert.equal(await health('unchecked'), null);
  await output('rm', '-f', 'inherits', 'unchecked');
});

test('after the death of the daemon probes go on, and the one that was under way is gone', async () => {
  const probe = 'test -e /second && exit 0; touch /second; sleep 62';
  await output('run', '-d', '--name', 'stays', '--health-interval', '200ms', '--health-cmd', probe, 'busybox', 'sleep', '60');
  for (let attempt = 0; attempt < 100 && !(await output('top', 'stays', '-o', 'pid,args')).includes('sleep 62'); attempt++) await sleep(50);
  await daemon.kill();
  await daemon.launch();
  await untilStatus('stays', 'healthy');
  assert.ok(!(await output('top', 'stays', '-o', 'pid,args')).includes('sleep 62'), 'the probe of the dead daemon still runs');
  await output('rm', '-f', 'stays');
});
