import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { withBothClients } from './both-clients.ts';

withBothClients('the life of a container', {
  'create, start, stop, start again, remove': async ({ client, unique }) => {
    const name = unique();
    assert.equal(
      (await client(['create', '--name', name, 'busybox', 'sh', '-c', 'trap "exit 3" TERM; echo up; while :; do sleep 0.05; done'])).code,
      0,
    );
    assert.equal((await client(['inspect', '-f', '{{.State.Status}}', name])).stdout, 'created\n');
    assert.deepEqual(await client(['start', name]), { code: 0, stdout: `${name}\n`, stderr: '' });
    await sleep(150);
    assert.deepEqual(await client(['stop', name]), { code: 0, stdout: `${name}\n`, stderr: '' });
    assert.equal((await client(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name])).stdout, 'exited 3\n');
    assert.equal((await client(['start', name])).code, 0);
    assert.equal((await client(['logs', name])).stdout.split('\n').filter(Boolean)[0], 'up');
    assert.match((await client(['rm', name])).stderr, /cannot remove container|container is running|stop the container before removing/i);
    assert.equal((await client(['rm', '-f', name])).code, 0);
  },
  'wait prints the exit code': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, 'busybox', 'sh', '-c', 'sleep 0.2; exit 9']);
    assert.deepEqual(await client(['wait', name]), { code: 0, stdout: '9\n', stderr: '' });
    await client(['rm', name]);
  },
  'kill sends the signal': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, 'busybox', 'sh', '-c', 'trap "exit 5" USR1; while :; do sleep 0.05; done']);
    await sleep(100);
    assert.equal((await client(['kill', '-s', 'USR1', name])).code, 0);
    assert.equal((await client(['wait', name])).stdout, '5\n');
    const again = await client(['kill', name]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /is not running/);
    await client(['rm', name]);
  },
  'pause stops time, unpause goes on': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, 'busybox', 'sh', '-c', 'while :; do echo tick; sleep 0.02; done']);
    await client(['pause', name]);
    assert.equal((await client(['inspect', '-f', '{{.State.Status}} {{.State.Paused}}', name])).stdout, 'paused true\n');
    const ticks = async () => (await client(['logs', name])).stdout.length;
    const before = await ticks();
    await sleep(200);
    assert.equal(await ticks(), before);
    await client(['unpause', name]);
    await sleep(200);
    assert.ok((await ticks()) > before);
    await client(['rm', '-f', name]);
  },
  'restart, rename, top, update': async ({ client, unique }) => {
    const name = unique();
    const renamed = unique();
    await client(['run', '-d', '--name', name, 'busybox', 'sleep', '60']);
    const pid = async (of: string) => (await client(['inspect', '-f', '{{.State.Pid}}', of])).stdout;
    const first = await pid(name);
    assert.equal((await client(['restart', '-t', '0', name])).code, 0);
    assert.notEqual(await pid(name), first);
    assert.equal((await client(['rename', name, renamed])).code, 0);
    assert.match((await client(['top', renamed])).stdout, /PID[\s\S]*sleep 60/);
    assert.equal((await client(['update', '-m', '64m', '--memory-swap', '128m', renamed])).code, 0);
    assert.equal((await client(['inspect', '-f', '{{.HostConfig.Memory}}', renamed])).stdout, `${64 << 20}\n`);
    await client(['rm', '-f', renamed]);
  },
  'exec: output, exit code, user, environment, standard input': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, 'busybox', 'sleep', '60']);
    const script = 'echo $X $(id -u) $PWD; cat; echo err >&2; exit 4';
    const result = await client(['exec', '-i', '-e', 'X=7', '-u', '65534', '-w', '/tmp', name, 'sh', '-c', script], { input: 'typed\n' });
    assert.deepEqual(result, { code: 4, stdout: '7 65534 /tmp\ntyped\n', stderr: 'err\n' });
    const missing = await client(['exec', name, 'nosuchprogram']);
    assert.equal(missing.code, 127);
    assert.match(missing.stdout + missing.stderr, /executable file not found in \$PATH/);
    await client(['rm', '-f', name]);
  },
  'logs: tail, since, timestamps, follow, both streams': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, 'busybox', 'sh', '-c', 'echo one; echo two >&2; sleep 0.3; echo three']);
    const followed = await client(['logs', '-f', name]);
    assert.equal(followed.stdout, 'one\nthree\n');
    assert.equal(followed.stderr, 'two\n');
    assert.equal((await client(['logs', '--tail', '1', name])).stdout, 'three\n');
    assert.match((await client(['logs', '-t', name])).stdout, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z one\n/);
    assert.equal((await client(['logs', '--since', '1h', name])).stdout, 'one\nthree\n');
    assert.equal((await client(['logs', '--until', '1h', name])).stdout, '');
    await client(['rm', name]);
  },
  'attach sees what comes after it, and the exit code': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '-i', '--name', name, 'busybox', 'sh', '-c', 'read line; echo got $line; exit 6']);
    const result = await client(['attach', name], { input: 'hello\n' });
    assert.deepEqual(result, { code: 6, stdout: 'got hello\n', stderr: '' });
    await client(['rm', name]);
  },
  'start -a shows the output of a container that was created': async ({ client, unique }) => {
    const name = unique();
    await client(['create', '--name', name, 'busybox', 'sh', '-c', 'echo here; exit 2']);
    assert.deepEqual(await client(['start', '-a', name]), { code: 2, stdout: 'here\n', stderr: '' });
    await client(['rm', name]);
  },
  'events tell the story in order': async ({ client, unique, daemon }) => {
    const name = unique();
    const since = (Date.now() / 1000 - 1).toFixed(3);
    await client(['run', '--name', name, 'busybox', 'true']);
    await client(['rm', name]);
    const until = (Date.now() / 1000 + 0.2).toFixed(3);
    const told = await client(['events', '--since', since, '--until', until, '--filter', `container=${name}`, '--format', '{{.Action}}']);
    const actions = told.stdout.split('\n').filter((action) => ['create', 'attach', 'start', 'die', 'destroy'].includes(action));
    assert.deepEqual(actions, ['create', 'attach', 'start', 'die', 'destroy'], daemon.log.slice(-2000));
  },
  'restart policy brings a failing container back': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, '--restart', 'on-failure:2', 'busybox', 'sh', '-c', 'echo again; exit 1']);
    for (let waited = 0; waited < 5000; waited += 50) {
      const { stdout } = await client(['inspect', '-f', '{{.RestartCount}} {{.State.Status}}', name]);
      if (stdout === '2 exited\n') break;
      await sleep(50);
    }
    assert.equal((await client(['logs', name])).stdout, 'again\nagain\nagain\n');
    await client(['rm', '-f', name]);
  },
});
