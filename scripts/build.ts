// Bundles each program into dist/: one JavaScript file for what Node runs, one executable (Bun) for the client, and the launcher of the runtime.
// Native packages (koffi, better-sqlite3) stay outside the bundles and are resolved from the workspace's node_modules.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { sealingLauncher } from '../packages/sys/src/sealing-launcher.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** dist/<name>.js by its entry point. */
const NODE_PROGRAMS: Record<string, string> = {
  'berth-lifecycle': 'packages/lifecycle/src/main.ts',
  'mount-thread': 'packages/daemon/src/volumes/mount-thread.ts',
  'unpack-worker': 'packages/lifecycle/src/diff/unpack-worker.ts',
  'berth-zygote': 'packages/shim/src/zygote/main.ts',
  'containerd-shim-berth-v1': 'packages/shim/src/main.ts',
  'berth-runtime': 'packages/runtime/src/main.ts',
  'berth-registry': 'packages/registry/src/main.ts',
};
const DAEMON = 'packages/daemon/src/main.ts';
const CLIENT = 'packages/cli/src/main.ts';

// Does nothing while the generated code is newer than proto/.
execFileSync(process.execPath, [join(ROOT, 'packages/rpc/generate.ts')], { stdio: ['ignore', 'ignore', 'inherit'] });

mkdirSync(join(ROOT, 'dist'), { recursive: true });
const shape: BuildOptions = {
  absWorkingDir: ROOT,
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: 'linked',
  external: ['koffi', 'better-sqlite3'],
  // Bundled CommonJS packages call require() for Node's own modules.
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  logLevel: 'warning',
  define: { 'process.env.BERTH_COMMIT': JSON.stringify(commit()) },
};
await build({ ...shape, entryPoints: NODE_PROGRAMS });
// In parts, each loaded when it is needed; under names that stay, so that a build leaves nothing of the one before.
await build({ ...shape, entryPoints: { berthd: DAEMON }, splitting: true, chunkNames: 'berthd-[name]' });
// Renamed, for a program that runs cannot be written to.
writeFileSync(join(ROOT, 'dist', 'sealed.new'), sealingLauncher(), { mode: 0o755 });
renameSync(join(ROOT, 'dist', 'sealed.new'), join(ROOT, 'dist', 'sealed'));

if (existsSync(join(ROOT, CLIENT)) && !process.argv.includes('--no-client')) {
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x64';
  const bun = join(ROOT, 'node_modules', '@oven', `bun-linux-${arch}`, 'bin', 'bun');
  execFileSync(
    bun,
    [
      'build',
      '--compile',
      '--minify',
      '--bytecode',
      '--format=esm',
      '--no-compile-autoload-dotenv',
      '--no-compile-autoload-bunfig',
      '--outfile',
      join(ROOT, 'dist', 'berth'),
      join(ROOT, CLIENT),
    ],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
}

/** What is built, for `--version`; nothing where there is no repository. */
function commit(): string {
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}
