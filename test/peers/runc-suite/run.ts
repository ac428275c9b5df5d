// runc's own integration tests, against runc and against Berth, file by file, and what differs:
//   dist/node test/peers/runc-suite/run.ts [--cache DIR] [--only runc|berth] [FILE.bats…]
// As root. Not part of `npm test`: it wants Go, a Debian root file system and some ten minutes.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseTap, type TapTest } from '../tap.ts';
import { prepareSuite, programsOf } from './prepare.ts';

const HERE = import.meta.dirname;
const FILE_TIMEOUT_MS = 15 * 60_000;
/** A checkpoint with --lazy-pages does not end on new kernels: it fails after this. Other tests wait for all their children, and so for this. */
const TIMEOUTS_S: Partial<Record<string, number>> = { 'checkpoint.bats': 60 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cache: { type: 'string', default: '/var/cache/berth-runc-suite' },
    berth: { type: 'string', default: resolve(HERE, '../../../bin/berth-runtime') },
    runc: { type: 'string', default: '/usr/sbin/runc' },
    only: { type: 'string' },
  },
});
// Paths, because `runc` alone would be the suite's own shell function. Berth stands in runc's place under runc's name.
const RUNTIMES = { runc: resolve(values.runc), berth: join(values.cache, 'berth', 'runc') };
mkdirSync(dirname(RUNTIMES.berth), { recursive: true });
rmSync(RUNTIMES.berth, { force: true });
symlinkSync(resolve(values.berth), RUNTIMES.berth);
const names = (['runc', 'berth'] as const).filter((name) => !values.only || values.only === name);

const suite = prepareSuite(values.cache);
/** criu is the one that setup unpacked, where it did. */
const PATH = [programsOf(values.cache), resolve(HERE, '../../../.cache/debian/usr/sbin'), process.env.PATH].join(':');
const reports = join(values.cache, 'reports');
mkdirSync(reports, { recursive: true });
const files = positionals.length
  ? positionals.map((file) => basename(file))
  : readdirSync(suite)
      .filter((file) => file.endsWith('.bats'))
      .sort();

let missed = 0;
console.log(
  `| file | tests | ${names.map((name) => `${name} passes`).join(' | ')} |\n| --- | --- | ${names.map(() => '--- ').join('| ')}|`,
);
for (const file of files) {
  const results = names.map((name) => runFile(name, file));
  const cells = results.map((tests) => {
    const count = (outcome: TapTest['outcome']) => tests.filter((test) => test.outcome === outcome).length;
    return `${count('passed')}${count('failed') ? `, ${count('failed')} fail` : ''}${count('skipped') ? `, ${count('skipped')} skipped` : ''}`;
  });
  console.log(`| ${file} | ${results[0]?.length ?? 0} | ${cells.join(' | ')} |`);
  const berth = results[names.indexOf('berth')] ?? [];
  for (const test of berth.filter(({ outcome }) => outcome === 'failed')) {
    const reference = names.includes('runc') ? results[0]?.find(({ name }) => name === test.name)?.outcome : undefined;
    if (reference === 'passed') missed++;
    console.error(`${file}: ${test.name}${reference ? ` (runc: ${reference})` : ''}\n${test.detail}`);
  }
}
console.log(`\nreports: ${reports}`);
if (missed) console.error(`${missed} tests that runc passes fail`);
process.exitCode = missed ? 1 : 0;

function timeoutOf(file: string): NodeJS.ProcessEnv {
  const seconds = TIMEOUTS_S[file];
  return seconds === undefined ? {} : { BATS_TEST_TIMEOUT: String(seconds) };
}

function runFile(name: keyof typeof RUNTIMES, file: string): TapTest[] {
  // Short, for the sockets below it; everybody may pass, for the tests with user namespaces.
  const temporary = mkdtempSync(join(tmpdir(), 'bats-'));
  spawnSync('chmod', ['711', temporary]);
  const { stdout } = spawnSync(
    'unshare',
    [
      '--mount',
      '--pid',
      '--ipc',
      '--uts',
      '--fork',
      '--kill-child',
      '--mount-proc',
      '--propagation',
      'private',
      join(HERE, 'sandbox.sh'),
      join(suite, file),
    ],
    {
      env: { ...process.env, PATH, RUNC: RUNTIMES[name], TMPDIR: temporary, TERM: 'dumb', ...timeoutOf(file) },
      encoding: 'utf8',
      timeout: FILE_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: 1 << 28,
    },
  );
  writeFileSync(join(reports, `${file}.${name}.tap`), stdout);
  rmSync(temporary, { recursive: true, force: true });
  return parseTap(stdout);
}
