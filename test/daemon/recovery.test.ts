// Sudden death of the daemon and of the lifecycle service: containers run on, logs and exit codes are kept, the next start repairs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** Asks until the answer is the wanted one, or ten seconds have passed. */
async function until(wanted: string, ...args: string[]): Promise<void> {
  let answer = '';
  for (let attempt = 0; attempt < 200; attempt++) {
    answer = await daemon.docker(args).then(({ stdout, stderr }) => (stdout || stderr).trim());
    if (answer === wanted) return;
    await sleep(50);
  }
  assert.equal(answer, wanted);
}

test('a daemon that was killed finds its containers again, with what happened meanwhile', async () => {
  await output('run', '-d', '--name', 'runs', 'busybox', 'sh', '-c', 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done');
  await output('run', '-d', '--name', 'ends', 'busybox', 'sh', '-c', 'sleep 0.5; echo bye; exit 9');
  await output('run', '-d', '--name', 'returns', '--restart', 'always', 'busybox', 'sh', '-c', 'sleep 0.5');
  await daemon.kill();
  const died = Date.now();
  await sleep(1_000);
  const back = Date.now();
  await daemon.launch();
  await until('running', 'inspect', '-f', '{{.State.Status}}', 'runs');
  await until('exited 9', 'inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'ends');
  assert.equal(await output('logs', 'ends'), 'bye');
  const logged = async () => Number(await output('logs', '--tail', '1', 'runs'));
  const before = await logged();
  for (let waited = 0; waited < 100 && (await logged()) <= before; waited++) await sleep(50);
  assert.ok((await logged()) > before, 'the log has ended');
  // Also of the second without a daemon, every line is there.
  const lines = (await output('logs', 'runs')).split('\n');
  assert.deepEqual(
    lines,
    Array.from(lines, (_, at) => String(at)),
  );
  const written = await output('logs', '-t', '--since', String(died / 1000), '--until', String(back / 1000), 'runs');
  assert.notEqual(written, '', 'nothing was logged while there was no daemon');
  assert.equal(await output('exec', 'runs', 'echo', 'alive'), 'alive');
  await until('true', 'inspect', '-f', '{{gt .RestartCount 0}}', 'returns');
  await output('rm', '-f', 'runs', 'ends', 'returns');
});

test('the lifecycle service is started again when it dies; nobody has to do anything', async () => {
  await output('run', '-d', '--name', 'stays', 'busybox', 'sleep', '60');
  process.kill(Number(readFileSync(join(daemon.execRoot, 'lifecycle.pid'), 'utf8')), 'SIGKILL');
  await until('alive', 'exec', 'stays', 'echo', 'alive');
  assert.equal(await output('run', '--rm', 'busybox', 'echo', 'new'), 'new');
  await output('stop', '-t', '0', 'stays');
  assert.equal(await output('inspect', '-f', '{{.State.ExitCode}}', 'stays'), '137');
  await output('rm', 'stays');
});

test('an orderly stop leaves containers running for the next daemon', async () => {
  await output('run', '-d', '--name', 'survivor', 'busybox', 'sleep', '60');
  const pid = await output('inspect', '-f', '{{.State.Pid}}', 'survivor');
  await daemon.stop();
  await daemon.launch();
  assert.equal(await output('inspect', '-f', '{{.State.Status}} {{.State.Pid}}', 'survivor'), `running ${pid}`);
  await output('rm', '-f', 'survivor');
});
