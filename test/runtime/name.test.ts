// berth-runtime in runc's place, under runc's name: what it says of itself there, and what its log says with --debug.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathOf } from '../seams/peers.ts';
import { Laboratory, RUNTIME } from './laboratory.ts';

test('a link to the program gives it its name', (t) => {
  const laboratory = Laboratory.open(t);
  laboratory.command = join(laboratory.directory, 'runc');
  symlinkSync(RUNTIME, laboratory.command);
  assert.match(laboratory.runtime(['--version']).stdout, /^runc version \d+\.\d+\.\d+\n(commit: [0-9a-f]+\n)?spec: \d+\.\d+\.\d+\n$/);
  assert.match(laboratory.runtime(['--help']).stdout, /^NAME:\n {3}runc - Open Container Initiative runtime\n/);
  assert.match(laboratory.runtime(['delete', '--help']).stdout, /^NAME:\n {3}runc delete - /);
  const bundle = laboratory.bundle('true', (spec) => {
    if (spec.process) spec.process.args = ['nonsense'];
  });
  assert.match(
    laboratory.runtime(['run', '--bundle', bundle, laboratory.id()]).stderr,
    /runc run failed: unable to start container process/,
  );
});

const VERBS = 'checkpoint create delete events exec features kill list pause ps restore resume run spec start state update';
const runc = pathOf('runc');

test("every flag that runc's help names is there", { skip: runc ? false : 'not installed: runc' }, (t) => {
  const laboratory = Laboratory.open(t);
  const flags = (command: string, ...args: string[]) =>
    [...execFileSync(command, [...args, '--help'], { encoding: 'utf8' }).matchAll(/^ {3}(--[a-z0-9-]+)/gm)].map(([, flag]) => flag);
  for (const verb of [[], ...VERBS.split(' ').map((name) => [name])]) {
    const own = flags(laboratory.command, ...verb);
    assert.deepEqual(
      flags(runc as string, ...verb).filter((flag) => !own.includes(flag)),
      [],
      `${verb}`,
    );
  }
});

test("--debug logs the steps with runc's names for them", (t) => {
  const laboratory = Laboratory.open(t);
  const id = laboratory.id();
  const run = laboratory.runtime(['--debug', 'run', '--detach', '--bundle', laboratory.bundle('sleep 1000'), id]);
  for (const step of ['nsexec container setup', 'child process in init()', 'init: closing the pipe to signal completion'])
    assert.ok(run.stderr.includes(step), `${step}\n${run.stderr}`);
  assert.match(laboratory.runtime(['--debug', 'exec', id, 'true']).stderr, /level=debug msg=".*setns_init: about to exec/);
});
