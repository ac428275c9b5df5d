// `pnpm check`: the fast checks, all of them in well under a minute. Each prints one line; a failing one prints its findings.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (path: string) => join(ROOT, 'node_modules', path);

const CHECKS: Array<[name: string, command: string, args: string[]]> = [
  ['types and package references', bin('.bin/tsc'), ['-b']],
  ['format and lint', bin('.bin/biome'), ['check', '--error-on-warnings', '.']],
  [
    'import order',
    process.execPath,
    [bin('dependency-cruiser/bin/dependency-cruiser.mjs'), '--config', '.dependency-cruiser.cjs', 'packages', 'scripts', 'test'],
  ],
  ['unused files, exports and dependencies', process.execPath, [bin('knip/bin/knip.js')]],
  ['names in documentation and comments', process.execPath, [join(ROOT, 'scripts/check-references.ts')]],
];

let failed = 0;
for (const [name, command, args] of CHECKS) {
  const started = Date.now();
  const { code, output } = await run(command, args);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  if (code !== 0) {
    failed++;
    console.log(output.trim());
  }
}
process.exitCode = failed === 0 ? 0 : 1;

function run(command: string, args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
