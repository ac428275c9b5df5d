// Children that share this process' memory: what they do, what they leave alone, and what is heard of their failures.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { O } from './path.ts';
import { blockSignals } from './process.ts';
import { SYSCALL } from './syscall-numbers.ts';
import { SyscallProgram } from './syscall-program.ts';
import { canRunPrograms } from './syscall-walker.ts';
import { waitpid } from './wait.ts';

const skip = canRunPrograms() ? false : `no machine code for ${process.arch}`;
const AT_FDCWD = -100;
let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'berth-program-'));
});
after(() => rmSync(directory, { recursive: true }));

function run(build: (program: SyscallProgram) => void) {
  const program = new SyscallProgram();
  build(program);
  const unblock = blockSignals();
  try {
    const outcome = program.run();
    return { ...outcome, exit: waitpid(outcome.pid)?.status };
  } finally {
    unblock();
  }
}

const execute = (program: SyscallProgram, path: string, ...args: string[]) =>
  program.call(SYSCALL.execve, [path, [path, ...args, 0], ['SHIP=argo', 0]]);

test('steps run one after the other, results are passed on, and the program is executed', { skip }, () => {
  const path = join(directory, 'output');
  const { executed, failure, exit } = run((program) => {
    const fd = program.call(SYSCALL.openat, [AT_FDCWD, path, O.WRONLY | O.CREAT, 0o600]);
    program.call(SYSCALL.dup3, [fd, 1, 0]);
    program.call(SYSCALL.write, [1, 'before\n', 7]);
    execute(program, '/bin/sh', '-c', 'echo $SHIP; exit 7');
  });
  assert.deepEqual([executed, failure, exit], [true, undefined, 7]);
  assert.equal(readFileSync(path, 'utf8'), 'before\nargo\n');
});

test('an error ends the child, unless the step says what to go on with', { skip }, () => {
  const failed = run((program) => {
    program.call(SYSCALL.close, [9999], { onErrorSkip: 0 });
    program.call(SYSCALL.fchdir, [9999]);
    execute(program, '/bin/true');
  });
  assert.deepEqual([failed.executed, failed.failure, failed.exit], [false, { step: 1, errno: constants.errno.EBADF }, 1]);
  const skipped = run((program) => {
    program.call(SYSCALL.close, [9999], { onErrorSkip: 1 });
    execute(program, '/bin/false');
    execute(program, '/bin/true');
  });
  assert.deepEqual([skipped.executed, skipped.exit], [true, 0]);
  const missing = run((program) => execute(program, '/nonsense'));
  assert.deepEqual([missing.executed, missing.failure], [false, { step: 0, errno: constants.errno.ENOENT }]);
});

test('a child that is killed on the way has not executed, nor failed', { skip }, () => {
  const SIGKILL = 9;
  const { executed, failure, exit } = run((program) => {
    // Its own pid is not known before it is born: kill(0) would take this process' group along.
    program.call(SYSCALL.setsid, []);
    program.call(SYSCALL.kill, [0, SIGKILL]);
    execute(program, '/bin/true');
  });
  assert.deepEqual([executed, failure, exit], [false, undefined, 128 + SIGKILL]);
});

test('descriptors, working directory, umask and identity of the parent stay as they are', { skip }, () => {
  const state = () => [process.cwd(), process.umask(), process.geteuid?.(), readdirSync('/proc/self/fd').length];
  const before = state();
  const own = openSync('/dev/null', 'r');
  run((program) => {
    program.call(SYSCALL.close, [own]);
    program.call(SYSCALL.umask, [0]);
    const root = program.call(SYSCALL.openat, [AT_FDCWD, '/', O.PATH | O.DIRECTORY]);
    program.call(SYSCALL.fchdir, [root]);
    program.call(SYSCALL.setresuid, [65534, 65534, 65534], { onErrorSkip: 0 });
    execute(program, '/bin/true');
  });
  closeSync(own);
  assert.deepEqual(state(), before);
});

test('a thousand children leave neither memory nor descriptors behind', { skip, timeout: 60_000 }, () => {
  const size = () => Number(/^VmData:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]);
  const life = () => assert.equal(run((program) => execute(program, '/bin/true')).exit, 0);
  for (let count = 0; count < 50; count++) life();
  const [fds, before] = [readdirSync('/proc/self/fd').length, size()];
  for (let count = 0; count < 1000; count++) life();
  assert.equal(readdirSync('/proc/self/fd').length, fds);
  assert.ok(size() - before < 32 * 1024, `${size() - before} KiB more`);
});

test('a process becomes its program and gives back its memory before that; what fails is worded', { skip }, () => {
  const lives = (path: string) => {
    const script = `
      import { fork } from '${new URL('./fork.ts', import.meta.url)}';
      import { blockSignals } from '${new URL('./process.ts', import.meta.url)}';
      import { SYSCALL } from '${new URL('./syscall-numbers.ts', import.meta.url)}';
      import { SyscallProgram } from '${new URL('./syscall-program.ts', import.meta.url)}';
      import { waitpid } from '${new URL('./wait.ts', import.meta.url)}';
      // A child has one thread.
      const child = fork();
      if (child > 0) process.exit(waitpid(child).status);
      const program = new SyscallProgram();
      const path = program.address('${path}');
      // Node's own are close-on-exec.
      for (const fd of [1, 2]) program.call(SYSCALL.fcntl, [fd, 2, 0]);
      // What the process holds then.
      const looking = program.call(SYSCALL.openat, [-100, '/proc/self/statm', 0]);
      const data = new Uint8Array(64);
      const place = program.address(data);
      program.call(SYSCALL.read, [looking, place, 64]);
      program.call(SYSCALL.write, [1, place, 64]);
      const executed = program.call(SYSCALL.execve, [path, program.address(['sh', '-c', 'echo $SHIP', 0]), program.address(['SHIP=argo', 0])]);
      program.tellError(executed, 2, 'exec ${path}: ');
      blockSignals();
      // What is in use by its address alone must not be collected.
      gc();
      program.become();`;
    const flags = [
      '--expose-gc',
      '--v8-pool-size=0',
      '--single-threaded',
      '--disable-warning=ExperimentalWarning',
      '--input-type=module-typescript',
    ];
    return spawnSync(process.execPath, [...flags, '-e', script], { encoding: 'utf8' });
  };
  const good = lives('/bin/sh');
  assert.equal(good.status, 0, good.stderr);
  const [statm = '', name] = good.stdout.split(/\n\0*/);
  assert.equal(name, 'argo');
  const [, resident] = statm.split(' ').map(Number);
  assert.ok((resident as number) < 200, `${resident} pages are left`);
  const missing = lives('/nonexistent');
  assert.deepEqual([missing.status, missing.stderr], [1, 'exec /nonexistent: no such file or directory\n']);
});
