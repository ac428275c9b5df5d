import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { withBothClients } from './both-clients.ts';

withBothClients('--init', {
  'the command is not process 1, gets signals, and orphans are reaped': async ({ client, unique }) => {
    assert.equal(
      (await client(['run', '--rm', '--init', 'busybox', 'sh', '-c', 'tr "\\0" " " </proc/1/cmdline; echo; echo $$'])).stdout.split(' ')[0],
      '/sbin/docker-init',
    );
    assert.equal((await client(['run', '--rm', 'busybox', 'sh', '-c', 'echo $$'])).stdout, '1\n');
    const name = unique();
    // Without an init, a shell as process 1 would ignore this signal.
    await client(['run', '-d', '--name', name, '--init', 'busybox', 'sleep', '60']);
    await client(['exec', name, 'sh', '-c', '(sleep 0.1 &) ; exit 0']);
    assert.equal((await client(['stop', '-t', '10', name])).code, 0);
    assert.equal((await client(['inspect', '-f', '{{.State.ExitCode}}', name])).stdout, '143\n');
    assert.equal((await client(['start', name])).code, 0);
    await client(['rm', '-f', name]);
  },
  'exit codes and missing commands are the command’s own': async ({ client }) => {
    assert.equal((await client(['run', '--rm', '--init', 'busybox', 'sh', '-c', 'exit 7'])).code, 7);
    assert.equal((await client(['run', '--rm', '--init', 'busybox', 'nosuch'])).code, 127);
    const readOnly = await client(['run', '--rm', '--init', 'busybox', 'sh', '-c', 'echo x >/sbin/docker-init']);
    assert.match(readOnly.stderr, /Read-only file system/);
  },
});

test('an init that is not there is said at once', async () => {
  await using daemon = await Berthd.start({ flags: ['--init-path', '/no/such/init'] });
  await daemon.importBusybox();
  const refused = await daemon.docker(['run', '--init', 'busybox', 'true']);
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /--init-path: \/no\/such\/init is no program/);
  assert.equal((await daemon.docker(['ps', '-aq'])).stdout, '');
});

test('--init of the daemon is the default of its containers', async () => {
  await using daemon = await Berthd.start({ flags: ['--init'] });
  await daemon.importBusybox();
  assert.match((await daemon.docker(['run', '--rm', 'busybox', 'cat', '/proc/1/cmdline'])).stdout, /^\/sbin\/docker-init/);
  assert.match((await daemon.docker(['run', '--rm', '--init=false', 'busybox', 'cat', '/proc/1/cmdline'])).stdout, /^cat/);
});
