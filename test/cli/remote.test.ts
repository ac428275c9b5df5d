// One client and several daemons: contexts, and ssh:// endpoints, which run `docker system dial-stdio` on the other host. ssh itself is a
// program that runs the command here, with the daemon of the host that was named: the seam is the command and its two streams.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Berthd } from '../harness/berthd.ts';
import { dockerClient, type Result, ROOT, type RunOptions, run } from '../harness/programs.ts';

const SSH = `#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
socket="$SOCKETS/$1"
shift
[ -e "$socket" ] || { echo "ssh: Could not resolve hostname" >&2; exit 255; }
export DOCKER_HOST="unix://$socket"
exec sh -c "$*"
`;
const BERTH = join(ROOT, 'bin', 'berth');

let directory: string;
const daemons = new Map<string, Berthd>();
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'berth-remote-'));
  mkdirSync(join(directory, 'bin'));
  writeFileSync(join(directory, 'bin', 'ssh'), SSH);
  chmodSync(join(directory, 'bin', 'ssh'), 0o755);
  symlinkSync(dockerClient(), join(directory, 'bin', 'docker'));
  symlinkSync(BERTH, join(directory, 'bin', 'berth'));
  for (const host of ['north', 'south']) {
    const daemon = await Berthd.start();
    daemons.set(host, daemon);
    await daemon.importBusybox();
    await daemon.docker(['create', '--name', `of-${host}`, 'busybox']);
    symlinkSync(daemon.socket, join(directory, host));
  }
});
after(async () => {
  for (const daemon of daemons.values()) await daemon[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

function client(program: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const { DOCKER_HOST: _here, DOCKER_CONTEXT: _other, ...rest } = process.env;
  const env = {
    ...rest,
    PATH: [join(directory, 'bin'), rest.PATH].join(delimiter),
    SOCKETS: directory,
    DOCKER_CONFIG: join(directory, 'config'),
  };
  return run(program, args, { timeout: 20_000, ...options, env: { ...env, ...options.env } });
}

const NAMES = ['ps', '-a', '--format', '{{.Names}}'];

// Which client, and which is at the other end of ssh.
for (const [name, program, remote] of [
  ['berth over docker', BERTH, 'docker'],
  ['berth over berth', BERTH, 'berth'],
  ['docker over berth', dockerClient(), 'docker'],
] as const) {
  // docker's client always asks for docker.
  const beyond = name === 'docker over berth' ? BERTH : undefined;
  test(`${name}: requests, streams and exit codes by ssh`, async () => {
    if (beyond) {
      rmSync(join(directory, 'bin', 'docker'));
      symlinkSync(beyond, join(directory, 'bin', 'docker'));
    }
    const env = { BERTH_REMOTE_COMMAND: remote };
    const at = (host: string, args: readonly string[], input?: string) =>
      client(program, ['-H', `ssh://somebody@${host}`, ...args], { env, ...(input === undefined ? {} : { input }) });
    for (const host of ['north', 'south']) assert.deepEqual(await at(host, NAMES), { code: 0, stdout: `of-${host}\n`, stderr: '' });
    const ran = await at('south', ['run', '--rm', '-i', 'busybox', 'sh', '-c', 'cat; echo err >&2; exit 7'], 'through\n');
    assert.deepEqual(ran, { code: 7, stdout: 'through\n', stderr: 'err\n' });
    const large = await at('north', ['run', '--rm', 'busybox', 'head', '-c', '3000000', '/dev/zero']);
    assert.deepEqual([large.code, large.stdout.length], [0, 3_000_000]);
    const nowhere = await at('west', ['ps']);
    assert.equal(nowhere.code, 1);
    // docker's client tells ssh's words, or that its pipe to ssh is closed, whichever it sees first.
    assert.match(nowhere.stderr, program === BERTH ? /Could not resolve hostname/ : /Could not resolve hostname|file already closed/);
  });
}

test('each context is a daemon, for both clients', async () => {
  for (const host of ['north', 'south']) {
    const made = await client(BERTH, ['context', 'create', host, '--docker', `host=unix://${daemons.get(host)?.socket}`]);
    assert.equal(made.code, 0, made.stderr);
  }
  for (const program of [BERTH, dockerClient()]) {
    for (const host of ['north', 'south']) {
      assert.equal((await client(program, ['-c', host, ...NAMES])).stdout, `of-${host}\n`);
      assert.equal((await client(program, NAMES, { env: { DOCKER_CONTEXT: host } })).stdout, `of-${host}\n`);
      assert.equal((await client(program, ['context', 'use', host])).code, 0);
      assert.equal((await client(program, NAMES)).stdout, `of-${host}\n`);
    }
  }
  const unreachable = await client(BERTH, ['-H', 'unix:///nowhere.sock', 'system', 'dial-stdio']);
  assert.equal(unreachable.code, 1);
  assert.match(unreachable.stderr, /failed to open the raw stream connection to unix:\/\/\/nowhere\.sock: connect ENOENT/);
});
