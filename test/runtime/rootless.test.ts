// berth-runtime called by an ordinary user, with no daemon: the user's own id alone, and ranges of /etc/subuid by newuidmap.
// The user is of the test's own: passwd, subuid and subgid are files of its own, mounted over in a mount namespace of its own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Spec } from '@berth/oci/runtime-spec';
import { rootlessSpec } from '@berth/runtime/example-spec';
import { program, type Result, ROOT } from '../harness/programs.ts';
import { Laboratory, RUNTIME } from './laboratory.ts';

const USER = 4321;
const RANGE = 700_000;
const NEWUIDMAP = program('newuidmap');
const noHelpers = !(NEWUIDMAP.startsWith('/') ? existsSync(NEWUIDMAP) : spawnSync('which', ['newuidmap']).status === 0);
const closed =
  spawnSync('setpriv', ['--reuid', String(USER), '--clear-groups', 'test', '-x', join(ROOT, 'dist/node')]).status !== 0 &&
  'an ordinary user cannot reach this directory';

class Home {
  readonly laboratory: Laboratory;

  constructor(t: TestContext) {
    this.laboratory = Laboratory.open(t);
    const file = (name: string, text: string) => writeFileSync(join(this.laboratory.directory, name), text);
    file('passwd', `root:x:0:0::/root:/bin/sh\nsailor:x:${USER}:${USER}::/:/bin/sh\n`);
    for (const name of ['subuid', 'subgid']) file(name, `sailor:${RANGE}:65536\n`);
    mkdirSync(this.laboratory.root, { recursive: true });
    chownSync(this.laboratory.root, USER, USER);
    // mkdtemp's are for their owner alone.
    spawnSync('chmod', ['-R', 'a+rX', this.laboratory.directory]);
  }

  bundle(script: string, change: (spec: Spec) => void = () => {}): string {
    const bundle = this.laboratory.bundle(script);
    const spec = rootlessSpec(USER, USER);
    if (spec.root) spec.root.readonly = false;
    if (spec.process) Object.assign(spec.process, { terminal: false, args: ['/bin/sh', '-c', script] });
    change(spec);
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
    spawnSync('chmod', ['-R', 'a+rX', bundle]);
    spawnSync('chown', ['-R', `${USER}:${USER}`, join(bundle, 'rootfs')]);
    return bundle;
  }

  runtime(...args: string[]): Result {
    const mounts = ['passwd', 'subuid', 'subgid']
      .map((name) => `mount --bind ${join(this.laboratory.directory, name)} /etc/${name}`)
      .join('; ');
    const user = `setpriv --reuid ${USER} --regid ${USER} --clear-groups`;
    const script = `${mounts}; exec ${user} "$0" "$@"`;
    // Files: what runs in the background would hold pipes open.
    const [out, err] = ['stdout', 'stderr'].map((name) => join(this.laboratory.directory, name)) as [string, string];
    const { status } = spawnSync(
      'unshare',
      ['--mount', 'sh', '-ec', `(${script}) >${out} 2>${err}`, RUNTIME, '--root', this.laboratory.root, ...args],
      {
        stdio: 'ignore',
        cwd: '/',
        env: { PATH: `${dirname(NEWUIDMAP)}:${process.env.PATH}` },
        timeout: 30_000,
      },
    );
    return { code: status ?? -1, stdout: readFileSync(out, 'utf8'), stderr: readFileSync(err, 'utf8') };
  }
}

test('a user runs a container as their own root, from run to delete', { skip: closed }, (t) => {
  const home = new Home(t);
  const { code, stdout, stderr } = home.runtime(
    'run',
    '--bundle',
    home.bundle('id -u; cat /proc/self/uid_map; cat /proc/self/setgroups'),
    'one',
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^0\\n +0 +${USER} +1\\ndeny\\n$`));
  const bundle = home.bundle('sleep 1000');
  assert.equal(home.runtime('create', '--bundle', bundle, 'two').code, 0);
  try {
    assert.equal(home.runtime('start', 'two').code, 0);
    const exec = home.runtime('exec', 'two', 'id', '-u');
    assert.equal(exec.stdout, '0\n', exec.stderr);
    assert.equal(JSON.parse(home.runtime('state', 'two').stdout).status, 'running');
    assert.equal(home.runtime('kill', 'two', 'KILL').code, 0);
  } finally {
    assert.equal(home.runtime('delete', '--force', 'two').code, 0);
  }
  assert.equal(home.runtime('list', '-q').stdout, '');
});

test('ranges of ids are mapped by newuidmap and newgidmap', {
  skip: closed || (noHelpers && 'newuidmap is not here: apt-get install uidmap'),
}, (t) => {
  const home = new Home(t);
  const ranges = (first: number) => (spec: Spec) => {
    if (!spec.linux || !spec.process) return;
    const mappings = [
      { containerID: 0, hostID: USER, size: 1 },
      { containerID: 1, hostID: first, size: 65536 },
    ];
    Object.assign(spec.linux, { uidMappings: mappings, gidMappings: mappings });
    spec.process.user = { uid: 1000, gid: 1000, additionalGids: [4] };
  };
  const script = 'id -u; id -G; cat /proc/self/uid_map; cat /proc/self/setgroups; touch /tmp/mine';
  const bundle = home.bundle(script, ranges(RANGE));
  spawnSync('chmod', ['1777', join(bundle, 'rootfs/tmp')]);
  const { code, stdout, stderr } = home.runtime('run', '--bundle', bundle, 'one');
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^1000\\n1000 4\\n +0 +${USER} +1\\n +1 +${RANGE} +65536\\nallow\\n$`));
  assert.equal(spawnSync('stat', ['-c', '%u', join(bundle, 'rootfs/tmp/mine')], { encoding: 'utf8' }).stdout.trim(), String(RANGE + 999));
  const stolen = home.runtime('run', '--bundle', home.bundle(script, ranges(1)), 'two');
  assert.equal(stolen.code, 1);
  assert.match(stolen.stderr, /failed to map ids by newuidmap: .*\/etc\/subuid says which ids a user has/);
  assert.equal(home.runtime('list', '-q').stdout, '');
});
