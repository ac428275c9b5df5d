// `npm test [PATH…]`: every *.test.ts of the packages, then those of test/, in Node's own test runner. Unit tests run side by side;
// the suites in test/ start daemons and containers, so they run one file after another unless BERTH_TEST_JOBS says otherwise.
// The last line is `N passed, N failed`.
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';
import { report } from './test-report.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const chosen = process.argv.slice(2);
const find = (patterns: string[]) =>
  globSync(patterns, { cwd: ROOT, exclude: (name) => name === 'node_modules' })
    .filter((path) => chosen.length === 0 || chosen.some((word) => path.includes(word)))
    .sort()
    .map((path) => join(ROOT, path));

// The programs that setup unpacked come first: a test finds docker-registry, ctr and busybox whatever the machine has.
const debian = join(ROOT, '.cache', 'debian');
process.env.PATH = [join(debian, 'usr/bin'), join(debian, 'usr/sbin'), process.env.PATH].join(':');
// A docker client of the machine's own goes before Debian's older one.
if (process.env.BERTH_TEST_DOCKER === undefined) process.env.BERTH_TEST_DOCKER = firstDocker();

const totals = { passed: 0, failed: 0, skipped: [] as string[] };
const jobs = Number(process.env.BERTH_TEST_JOBS ?? 1);
await report(run({ files: find(['packages/*/src/**/*.test.ts']), concurrency: 2, timeout: 120_000 }), totals, ROOT);
await inTurn(find(['test/**/*.test.ts']), jobs, (file) => report(run({ files: [file], timeout: 600_000 }), totals, ROOT, file));

for (const reason of totals.skipped) console.log(`skipped: ${reason}`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1);

/** Does `jobs` of the files at a time. */
async function inTurn(files: string[], jobs: number, action: (file: string) => Promise<void>): Promise<void> {
  const queue = files.values();
  const worker = async () => {
    for (const file of queue) await action(file);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

function firstDocker(): string {
  const found = globSync('/usr/local/bin/docker')[0] ?? globSync('/usr/bin/docker')[0];
  return found ?? join(debian, 'usr/bin/docker');
}
