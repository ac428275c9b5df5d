// `npm test [WORD…]`: every *.test.ts of the packages, then those of test/, each in a process of its own that is ended when it hangs.
// Unit tests run two at a time; the suites in test/ start daemons and containers, so they run one file after another unless
// BERTH_TEST_JOBS says otherwise. The last line is `N passed, N failed`. BERTH_TEST_MINUTES gives the long form of a series its time.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Report } from './test-report.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const REPORTER = join(ROOT, 'scripts', 'test-report.ts');
/** Seconds that one file may take (the longest takes sixty), and all of them: a machine on which all hang still tells which. */
const LIMIT = Number(process.env.BERTH_TEST_MINUTES ?? 5) * 60;
const LIMIT_OF_ALL = 4500;
/** Milliseconds for the last words of a file that has ended. */
const CHANNEL_PATIENCE = 1000;
const chosen = process.argv.slice(2);
const find = (pattern: string) =>
  globSync(pattern, { cwd: ROOT, exclude: (name) => name === 'node_modules' })
    .filter((path) => chosen.length === 0 || chosen.some((word) => path.includes(word)))
    .sort();

// The programs that setup unpacked come first: a test finds docker-registry, ctr and busybox whatever the machine has.
const debian = join(ROOT, '.cache', 'debian');
process.env.PATH = [join(debian, 'usr/bin'), join(debian, 'usr/sbin'), process.env.PATH].join(':');
// A docker client of the machine's own goes before Debian's older one.
process.env.BERTH_TEST_DOCKER ??= firstDocker();

/** Process groups of the files that run. */
const groups = new Set<number>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    for (const group of groups) process.kill(-group, 'SIGKILL');
    process.exit(1);
  });
}

const totals = { passed: 0, failed: 0, skipped: [] as string[] };
await inTurn(find('packages/*/src/**/*.test.ts'), 2);
await inTurn(find('test/**/*.test.ts'), Number(process.env.BERTH_TEST_JOBS ?? 1));

for (const reason of totals.skipped) console.log(`skipped: ${reason}`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1);

/** Runs `jobs` of the files at a time. */
async function inTurn(files: string[], jobs: number): Promise<void> {
  const queue = files.values();
  const worker = async () => {
    for (const file of queue) {
      if (performance.now() < LIMIT_OF_ALL * 1000) await runFile(file);
      else {
        console.log(`FAILED ${file}: not run, for the files before it took ${LIMIT_OF_ALL} s`);
        totals.failed++;
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

/** Runs one file; its reporter tells through descriptor 3 how it went, and prints what failed. */
async function runFile(file: string): Promise<void> {
  const started = performance.now();
  const report: Report = { passed: 0, failed: 0, skipped: [] };
  const child = spawn(process.execPath, ['--test-reporter', REPORTER, join(ROOT, file)], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, BERTH_TEST_FILE: file },
    // A process group of its own, so that all of it can be ended.
    detached: true,
  });
  const group = child.pid as number;
  groups.add(group);
  const told = createInterface(child.stdio[3] as Readable).on('line', (line) => Object.assign(report, JSON.parse(line)));
  const closed = new Promise((resolve) => told.once('close', resolve));
  const limit = setTimeout(() => process.kill(-group, 'SIGKILL'), LIMIT * 1000);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => child.once('exit', (...end) => resolve(end)));
  clearTimeout(limit);
  groups.delete(group);
  // All that it said is read when the pipe has closed; a process that it left behind may hold the other end for ever.
  await Promise.race([closed, delay(CHANNEL_PATIENCE, undefined, { ref: false })]);
  told.close();
  if (code !== 0 && report.failed === 0) {
    report.failed++;
    const where = report.running === undefined ? '' : ` during "${report.running}"`;
    console.log(`FAILED ${file}: ${signal ? `ended by ${signal}` : `exit code ${code}`} after ${seconds(started)} s${where}`);
  }
  console.log(`${report.failed ? 'FAILED' : 'ok    '} ${file}: ${report.passed} passed, ${report.failed} failed (${seconds(started)} s)`);
  totals.passed += report.passed;
  totals.failed += report.failed;
  totals.skipped.push(...report.skipped);
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}

function firstDocker(): string {
  const found = globSync('/usr/local/bin/docker')[0] ?? globSync('/usr/bin/docker')[0];
  return found ?? join(debian, 'usr/bin/docker');
}
