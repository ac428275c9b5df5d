// The conformance suite on another machine: a virtual one with cgroup v2 alone, x86-64 or arm64.
//   dist/node test/conformance/in-machine.ts [--architecture arm64] [--name PATTERN] [FEATURE…]
// A feature is a file of this directory, or any other test's path. Without: all features, the cgroups' own tests (test/runtime/cgroup.test.ts) and
// those of the lists of system calls. Every instruction is emulated: minutes a feature. The parts of an arm64 machine are fetched.
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { sealingLauncher } from '@berth/sys/sealing-launcher';
import { fetchArm64Parts } from '../harness/arm64-parts.ts';
import { executable, file, link, type Member } from '../harness/cpio.ts';
import { ROOT } from '../harness/programs.ts';
import { bundleForMachine, machineMissing, runScriptInMachine } from '../harness/virtual-machine.ts';

/** Of each machine: emulated ones are slow, and none may hang for ever. */
const TIMEOUT_MS = 900_000;
/** Files of one machine. */
const TOGETHER = 2;
const WITH_ALL = ['test/runtime/cgroup.test.ts', 'packages/sys/src/syscall-program.test.ts', 'packages/sys/src/tiny-program.test.ts'];

/** These look at the files of cgroup v1: test/runtime/cgroup.test.ts stands for them. */
const OF_V1 = ['cgroups', 'update'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { architecture: { type: 'string', default: 'x64' }, name: { type: 'string', default: '' } },
});
const architecture = values.architecture === 'arm64' ? 'arm64' : 'x64';
if (architecture === 'arm64') fetchArm64Parts();
const missing = machineMissing(architecture);
if (missing) throw new Error(missing);

const features = globSync('*.test.ts', { cwd: import.meta.dirname })
  .map((name) => basename(name, '.test.ts'))
  .sort();
const files = positionals.length
  ? positionals.map((word) => (features.includes(word) ? `test/conformance/${word}.test.ts` : word))
  : [...WITH_ALL, ...features.filter((name) => !OF_V1.includes(name)).map((name) => `test/conformance/${name}.test.ts`)];

let failed = 0;
for (let at = 0; at < files.length; at += TOGETHER) {
  const output = await runFiles(files.slice(at, at + TOGETHER));
  console.log(output.trim());
  for (const [, count] of output.matchAll(/^ℹ fail (\d+)$/gm)) failed += Number(count);
}
console.log(failed ? `${failed} failed on ${architecture}` : `nothing failed on ${architecture}`);
process.exitCode = failed ? 1 : 0;

/** A package's sources, where the others import them from. */
function sources(name: string): Member[] {
  const directory = join(ROOT, 'packages', name);
  const paths = ['package.json', ...globSync('src/**/*.ts', { cwd: directory })];
  return [
    link(`app/node_modules/@berth/${name}`, `../../packages/${name}`),
    ...paths.map((path) => file(`app/packages/${name}/${path}`, readFileSync(join(directory, path)))),
  ];
}

async function runFiles(paths: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-conformance-'));
  try {
    await bundleForMachine({
      entryPoints: [...paths.map((path) => join(ROOT, path)), join(ROOT, 'packages/runtime/src/main.ts')],
      outdir: directory,
      outbase: ROOT,
      outExtension: { '.js': '.mjs' },
    });
    const bundles = globSync('**/*.mjs', { cwd: directory });
    const members: Member[] = [
      ...bundles.map((path) => file(`app/${path}`, readFileSync(join(directory, path)))),
      // Where the program and its tests look for each other.
      link('app/dist/berth-runtime.js', '../packages/runtime/src/main.mjs'),
      link('app/dist/node', '/bin/node'),
      link('app/.cache/debian/bin/busybox', '/bin/busybox'),
      executable('app/dist/sealed', sealingLauncher(architecture)),
      executable('app/bin/berth-runtime', readFileSync(join(ROOT, 'bin/berth-runtime'))),
      // A test may start a Node of its own that imports what it tests.
      ...['sys', 'errdefs'].flatMap(sources),
    ];
    const run = (path: string) =>
      `echo "== ${path}"; node --test-reporter=spec --test-name-pattern='${values.name}' /app/${path.replace(/\.ts$/, '.mjs')} || true`;
    const environment = 'export CONFORMANCE_PROGRAMS=berth RUNTIME=/app/bin/berth-runtime';
    const script = [environment, ...paths.map((path) => run(relative('.', path)))].join('\n');
    return await runScriptInMachine({ architecture, script, files: members, memory: 2048, timeout: TIMEOUT_MS });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
