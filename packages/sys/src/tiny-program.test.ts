import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { tinyProgram } from './tiny-program.ts';

test('the kernel runs it', (t) => {
  const directory = mkdtempSync('/tmp/berth-tiny-');
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'program');
  writeFileSync(path, tinyProgram(), { mode: 0o755 });
  const { status, stdout } = spawnSync(path, { input: 'x' });
  assert.equal(status, 0);
  assert.equal(stdout.toString(), 'warm\n');
});
