import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withBothClients } from './both-clients.ts';

withBothClients('run', {
  'a container knows that it is one by /.dockerenv, also with a read-only root': async ({ client }) => {
    const script = 'test -f /.dockerenv && ! test -s /.dockerenv && echo inside';
    assert.equal((await client(['run', '--rm', 'busybox', 'sh', '-c', script])).stdout, 'inside\n');
    assert.equal((await client(['run', '--rm', '--read-only', 'busybox', 'sh', '-c', script])).stdout, 'inside\n');
    await client(['run', '--name', 'marked', 'busybox', 'touch', '/made']);
    assert.equal((await client(['diff', 'marked'])).stdout, 'A /made\n');
    await client(['rm', 'marked']);
  },
  'output and exit code are the command’s own': async ({ client }) => {
    const result = await client(['run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
    assert.deepEqual(result, { code: 7, stdout: 'out\n', stderr: 'err\n' });
  },
  'standard input is passed on with -i, and its end ends the command': async ({ client }) => {
    const result = await client(['run', '--rm', '-i', 'busybox', 'cat'], { input: 'line one\nline two' });
    assert.deepEqual(result, { code: 0, stdout: 'line one\nline two', stderr: '' });
  },
  'a megabyte comes through unharmed': async ({ client }) => {
    const input = Buffer.alloc(1 << 20, 'abcdefghij0123456789\n');
    const result = await client(['run', '--rm', '-i', 'busybox', 'cat'], { input });
    assert.equal(result.stdout.length, input.length);
    assert.ok(Buffer.from(result.stdout).equals(input));
  },
  '-d prints the id, and the container runs on': async ({ client, unique }) => {
    const name = unique();
    const { stdout } = await client(['run', '-d', '--name', name, 'busybox', 'sleep', '60']);
    assert.match(stdout, /^[0-9a-f]{64}\n$/);
    const listed = await client(['ps', '--filter', `name=${name}`, '--format', '{{.Names}} {{.Image}} {{.State}}']);
    assert.equal(listed.stdout, `${name} busybox running\n`);
    assert.deepEqual(await client(['rm', '-f', name]), { code: 0, stdout: `${name}\n`, stderr: '' });
  },
  '--rm removes the container': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '--rm', '--name', name, 'busybox', 'true']);
    assert.equal((await client(['ps', '-aq', '--filter', `name=${name}`])).stdout, '');
  },
  'environment, user, directory, host name and entry point': async ({ client }) => {
    const flags = ['-e', 'A=1', '-e', 'FROM_CLIENT', '-u', 'nobody', '-w', '/tmp', '--hostname', 'tug', '--entrypoint', 'sh'];
    const result = await client(['run', '--rm', ...flags, 'busybox', '-c', 'echo $A $FROM_CLIENT $(id -u) $PWD $(hostname)'], {
      env: { FROM_CLIENT: 'mine' },
    });
    assert.equal(result.stdout, '1 mine 65534 /tmp tug\n');
  },
  'memory, cpu and pids limits reach the kernel': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, '-m', '32m', '--cpus', '0.5', '--pids-limit', '20', 'busybox', 'sleep', '60']);
    const inspected = await client([
      'inspect',
      '-f',
      '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.State.Pid}}',
      name,
    ]);
    const [memory, cpus, pids, pid] = inspected.stdout.trim().split(' ');
    assert.deepEqual([memory, cpus, pids], [String(32 << 20), '500000000', '20']);
    const path = (controller: string) =>
      readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        .split('\n')
        .find((line) => line.split(':')[1]?.split(',').includes(controller))
        ?.split(':')[2];
    const v1 = '/sys/fs/cgroup/memory/memory.limit_in_bytes';
    if (existsSync(v1))
      assert.equal(readFileSync(`/sys/fs/cgroup/memory${path('memory')}/memory.limit_in_bytes`, 'utf8').trim(), String(32 << 20));
    else assert.equal(readFileSync(`/sys/fs/cgroup${path('')}/memory.max`, 'utf8').trim(), String(32 << 20));
    await client(['rm', '-f', name]);
  },
  'a process beyond its memory limit is killed, and inspect says why': async ({ client, unique }) => {
    const name = unique();
    const result = await client([
      'run',
      '--name',
      name,
      '-m',
      '8m',
      'busybox',
      'sh',
      '-c',
      'x=$(yes | head -c 100000000); echo unreachable',
    ]);
    assert.equal(result.code, 137);
    assert.equal((await client(['inspect', '-f', '{{.State.OOMKilled}}', name])).stdout, 'true\n');
    await client(['rm', name]);
  },
  'bind mounts, tmpfs, volumes and a read-only root': async ({ client, unique }) => {
    const directory = mkdtempSync(join(tmpdir(), 'berth-bind-'));
    const volume = unique();
    try {
      const flags = [
        '--read-only',
        '-v',
        `${directory}:/host`,
        '-v',
        `${volume}:/data`,
        '--tmpfs',
        '/scratch',
        '--mount',
        `type=bind,source=${directory},target=/ro,readonly`,
      ];
      const script = 'touch /host/a /data/b /scratch/c && ls /ro && ! touch /ro/x 2>/dev/null && ! touch /x 2>/dev/null && echo good';
      assert.equal((await client(['run', '--rm', ...flags, 'busybox', 'sh', '-c', script])).stdout, 'a\ngood\n');
      assert.ok(existsSync(join(directory, 'a')));
      assert.equal((await client(['run', '--rm', '-v', `${volume}:/data`, 'busybox', 'ls', '/data'])).stdout, 'b\n');
      assert.deepEqual(await client(['volume', 'rm', volume]), { code: 0, stdout: `${volume}\n`, stderr: '' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  'network none has a loopback only, host has the host’s own': async ({ client }) => {
    assert.equal((await client(['run', '--rm', '--network', 'none', 'busybox', 'ls', '/sys/class/net'])).stdout, 'lo\n');
    assert.match((await client(['run', '--rm', 'busybox', 'ip', 'addr', 'show', 'eth0'])).stdout, /inet 172\.\d+\.\d+\.\d+\/16/);
  },
  '--cidfile holds the id, and a second run refuses it': async ({ client }) => {
    const directory = mkdtempSync(join(tmpdir(), 'berth-cid-'));
    const file = join(directory, 'id');
    try {
      assert.equal((await client(['run', '--rm', '--cidfile', file, 'busybox', 'true'])).code, 0);
      assert.match(readFileSync(file, 'utf8'), /^[0-9a-f]{64}$/);
      const again = await client(['run', '--rm', '--cidfile', file, 'busybox', 'true']);
      assert.equal(again.code, 125);
      assert.match(again.stderr, /ID file found/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
});
