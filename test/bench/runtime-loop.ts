// Times packages/runtime in process against `runc run` of the same bundle, pair by pair, and prints JSON: {ours: [ms], theirs: [ms]}.
// Runs as the shim does, with its flags and after the rehearsal that its zygote makes: node FLAGS runtime-loop.js BUNDLE RUNC RUNS
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContainer } from '@berth/runtime/container';
import { rehearse } from '@berth/runtime/rehearsal';
import { setChildSubreaper } from '@berth/sys/process';
import { waitpid } from '@berth/sys/wait';

const [bundle, runc, runs] = process.argv.slice(2) as [string, string, string];
const root = mkdtempSync(join(tmpdir(), 'berth-bench-runtime-'));
const nothing = openSync('/dev/null', 'r+');
setChildSubreaper(true);
const ours: number[] = [];
const theirs: number[] = [];
let serial = 0;

function once(): number {
  const started = process.hrtime.bigint();
  const container = createContainer({
    id: `berth-bench-${process.pid}-${serial++}`,
    bundle,
    root,
    stdio: { stdin: nothing, stdout: nothing, stderr: nothing },
  });
  container.start();
  const exit = waitpid(container.pid);
  container.delete();
  if (exit?.status !== 0) throw new Error(`the container ended with ${exit?.status}`);
  return Number(process.hrtime.bigint() - started) / 1e6;
}

function runcOnce(): number {
  const started = process.hrtime.bigint();
  const { status, stderr } = spawnSync(
    runc,
    ['--root', join(root, 'runc'), 'run', '--bundle', bundle, `runc-bench-${process.pid}-${serial++}`],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`runc run ended with ${status}: ${stderr}`);
  return Number(process.hrtime.bigint() - started) / 1e6;
}

try {
  rehearse({ id: `berth-bench-${process.pid}`, bundle, root, stdio: { stdin: nothing, stdout: nothing, stderr: nothing } }, 4);
  for (let i = 0; i < 5; i++) {
    once();
    runcOnce();
  }
  for (let i = 0; i < Number(runs); i++) {
    ours.push(once());
    theirs.push(runcOnce());
  }
  console.log(JSON.stringify({ ours, theirs }));
} finally {
  closeSync(nothing);
  rmSync(root, { recursive: true, force: true });
}
