// A build of Berth without one of its guards, to show that the test of a weakness fails where the weakness is.
//
// How to use it: name the guard in a list like lifecycle-guards.ts (the lines that protect, what stands there without them, the test that must
// notice) and add the list to unprotected.test.ts. A copy of the sources is changed and bundled in a directory of its own, and the
// test runs there as it is: what it imports and the programs that it starts are both unprotected.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Result, ROOT, run } from '../harness/programs.ts';

export interface Guard {
  /** As the test is called: `CVE-2019-5736`. */
  weakness: string;
  /** The file that has the test, as from the repository's root. */
  test: string;
  changes: readonly Change[];
}

export interface Change {
  /** As from the repository's root. */
  file: string;
  /** Part of the file, exactly as it is there, once. */
  guard: string;
  without: string;
}

/** Milliseconds for one test file. */
const PATIENCE = 120_000;
/** What only the client's own program has in it. */
const CLIENT = /^packages\/cli\//;
const SOURCES = ['packages', 'test', 'scripts', 'proto', 'bin', 'package.json'];

export class UnprotectedTree implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'berth-unprotected-'));

  constructor() {
    // Links between the packages are relative and lead to their copies, those to libraries to the originals.
    for (const name of SOURCES) {
      cpSync(join(ROOT, name), join(this.#root, name), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    }
    for (const name of ['node_modules', '.cache']) symlinkSync(join(ROOT, name), join(this.#root, name));
    mkdirSync(join(this.#root, 'dist'));
    symlinkSync(join(ROOT, 'dist/node'), join(this.#root, 'dist/node'));
    this.#borrowClient();
  }

  /** What the weakness' test says without its guard: the error that it fails with, or undefined when it notices nothing. */
  async failureWithout(guard: Guard): Promise<string | undefined> {
    try {
      for (const change of guard.changes) this.#write(change.file, withoutGuard(change));
      const built = await this.#build(guard.changes.some(({ file }) => CLIENT.test(file)));
      if (built.code !== 0) throw new Error(`without its guard against ${guard.weakness} Berth cannot be built: ${built.stderr}`);
      const { stdout } = await this.#node('--test', '--test-reporter=tap', `--test-name-pattern=${guard.weakness}`, guard.test);
      const outcomes = [...stdout.matchAll(/^ *(not ok|ok) \d+ - (.*)$/gm)].filter(([, , name]) => name?.includes(guard.weakness));
      if (outcomes.length === 0) throw new Error(`${guard.test} has no test of ${guard.weakness}, or cannot be loaded:\n${stdout}`);
      return outcomes.every(([, outcome]) => outcome === 'ok') ? undefined : reasonIn(stdout);
    } finally {
      for (const { file } of guard.changes) this.#write(file, readFileSync(join(ROOT, file), 'utf8'));
      this.#borrowClient();
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** The client takes as long to build as all the rest: the one that is there serves every guard that is not its own. */
  #borrowClient(): void {
    const path = join(this.#root, 'dist/berth');
    rmSync(path, { force: true });
    symlinkSync(join(ROOT, 'dist/berth'), path);
  }

  #build(client: boolean): Promise<Result> {
    if (client) rmSync(join(this.#root, 'dist/berth'));
    return this.#node('scripts/build.ts', ...(client ? [] : ['--no-client']));
  }

  #write(file: string, text: string): void {
    writeFileSync(join(this.#root, file), text);
  }

  #node(...args: string[]): Promise<Result> {
    // A test runner within a test runner reports to that one unless it does not know.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    return run(join(ROOT, 'dist/node'), args, { cwd: this.#root, env, timeout: PATIENCE });
  }
}

/** The file's text without the guard. Fails when the guard is not there, or is not all that is there. */
export function withoutGuard({ file, guard, without }: Change): string {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const found = text.split(guard).length - 1;
  if (found !== 1) throw new Error(`${file} has this guard ${found} times; it is named once in a list of guards:\n${guard}`);
  return text.replace(guard, () => without);
}

/** The first line of the first error in TAP's YAML: a string in quotes, or a block. */
function reasonIn(tap: string): string {
  const [, quoted, block] = /^ *error: (?:'(.*)'|[|>]-?\n +(.*))$/m.exec(tap) ?? [];
  return quoted ?? block ?? 'it failed and did not say why';
}
