// A machine on which setup cannot go on: it says what is missing and how to get it, in a line, and stops.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, type RunOptions, run } from '../harness/programs.ts';

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'berth-setup-'));
  const manifests = readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}/package.json`);
  for (const file of ['scripts/setup.mjs', 'package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'test/package.json', ...manifests])
    cpSync(join(ROOT, file), join(directory, file));
  writeFileSync(join(directory, 'old.cjs'), "Object.defineProperty(process.versions, 'node', { value: '18.20.0' });\n");
});
after(() => rmSync(directory, { recursive: true, force: true }));

const setup = (options: RunOptions = {}, flags: string[] = []) =>
  run(process.execPath, [...flags, join(directory, 'scripts/setup.mjs')], { cwd: directory, timeout: 60_000, ...options });

test('an old Node', async () => {
  const { code, stderr } = await setup({}, ['--require', join(directory, 'old.cjs')]);
  assert.deepEqual([code, stderr], [1, 'setup: Node 18.20.0 is too old to set Berth up: install Node 20 or newer.\n']);
});

test('no root', async () => {
  const script = `process.getuid = () => 1000; await import(${JSON.stringify(join(directory, 'scripts/setup.mjs'))});`;
  const { code, stderr } = await run(process.execPath, ['--input-type=module', '-e', script]);
  assert.deepEqual([code, stderr], [1, 'setup: Containers need root here: run this command as root (sudo npm start).\n']);
});

test('no npm', async () => {
  const { code, stderr } = await setup({ env: { PATH: '/nonexistent' } });
  assert.deepEqual([code, stderr], [1, 'setup: npm is not here: install it (apt-get install npm) and run npm run setup again.\n']);
});

test('an npm that reaches no registry, and one that finds no space', async () => {
  const programs = join(directory, 'bin');
  mkdirSync(programs);
  const npm = (says: string) => writeFileSync(join(programs, 'npm'), `#!/bin/sh\necho '${says}' >&2\nexit 1\n`, { mode: 0o755 });
  const env = { PATH: `${programs}:/usr/bin:/bin` };
  npm('npm error reason: connect ECONNREFUSED\nnpm error     at ClientRequest.emit (node:events:524:28)');
  assert.equal(
    (await setup({ env })).stderr,
    'setup: npm could not fetch the dependencies: check the network and the npm registry it is set to:\nnpm error reason: connect ECONNREFUSED\n',
  );
  npm('Error: No space\n   left on device');
  assert.match((await setup({ env })).stderr, /^setup: no space is left on a disk: some 2 GB are needed below \/.*\n$/);
});
