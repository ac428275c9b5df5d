// The validation suite of opencontainers/runtime-tools, against runc and against Berth, test by test, and what differs:
//   dist/node test/peers/runtime-tools-suite/run.ts [--cache DIR] [--source DIR] [--only runc|crun|berth] [TEST…]
// As root. Not part of `npm test`: it wants Go, and takes some minutes.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseTap, type TapTest } from '../tap.ts';
import { prepareSuite } from './prepare.ts';

const HERE = import.meta.dirname;
const TEST_TIMEOUT_MS = 2 * 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cache: { type: 'string', default: '/var/cache/berth-runtime-tools-suite' },
    source: { type: 'string' },
    berth: { type: 'string', default: resolve(HERE, '../../../bin/berth-runtime') },
    runc: { type: 'string', default: '/usr/sbin/runc' },
    crun: { type: 'string', default: '/usr/bin/crun' },
    only: { type: 'string' },
  },
});
const RUNTIMES = { runc: resolve(values.runc), crun: resolve(values.crun), berth: resolve(values.berth) };
const names = (['runc', 'crun', 'berth'] as const).filter((name) => (!values.only || values.only === name) && existsSync(RUNTIMES[name]));

const suite = prepareSuite(values.cache, values.source);
const reports = join(values.cache, 'reports');
mkdirSync(reports, { recursive: true });
const tests = suite.tests.filter((path) => positionals.length === 0 || positionals.some((word) => basename(path, '.t') === word));

let missed = 0;
console.log(`| test | ${names.map((name) => `${name} passes`).join(' | ')} |\n| --- | ${names.map(() => '--- ').join('| ')}|`);
for (const path of tests) {
  const results = new Map(names.map((name) => [name, runTest(name, path)]));
  const count = (tests: TapTest[], outcome: TapTest['outcome']) => tests.filter((test) => test.outcome === outcome).length;
  const cells = [...results.values()].map((tests) => {
    const [passed, failed, skipped] = [count(tests, 'passed'), count(tests, 'failed'), count(tests, 'skipped')];
    return `${passed}${failed ? `, ${failed} fail` : ''}${skipped ? `, ${skipped} skipped` : ''}`;
  });
  console.log(`| ${basename(path, '.t')} | ${cells.join(' | ')} |`);
  for (const [index, test] of (results.get('berth') ?? []).entries()) {
    if (test.outcome !== 'failed') continue;
    const others = names.filter((name) => name !== 'berth').map((name) => [name, results.get(name)?.[index]?.outcome ?? 'absent'] as const);
    if (others.some(([name, outcome]) => name === 'runc' && outcome === 'passed')) missed++;
    console.error(
      `${basename(path, '.t')}: ${test.name} (${others.map(([name, outcome]) => `${name}: ${outcome}`).join(', ')})\n${test.detail}`,
    );
  }
}
console.log(`\nreports: ${reports}`);
if (missed) console.error(`${missed} tests that runc passes fail`);
process.exitCode = missed ? 1 : 0;

function runTest(name: keyof typeof RUNTIMES, path: string): TapTest[] {
  const temporary = mkdtempSync(join(tmpdir(), 'ocitest-'));
  const sandbox = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private', join(HERE, 'sandbox.sh')];
  const { stdout, stderr, status } = spawnSync('unshare', [...sandbox, join(suite.directory, path)], {
    cwd: suite.directory,
    env: { ...process.env, RUNTIME: RUNTIMES[name], TMPDIR: temporary },
    encoding: 'utf8',
    timeout: TEST_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  writeFileSync(join(reports, `${basename(path, '.t')}.${name}.tap`), `${stdout}\n# standard error:\n${stderr}`);
  rmSync(temporary, { recursive: true, force: true });
  const tests = parseTap(stdout);
  // A test that gives up says so by its exit code alone.
  if (status !== 0) tests.push({ name: `ends with ${status ?? 'a time-out'}`, outcome: 'failed', detail: stderr });
  return tests;
}
