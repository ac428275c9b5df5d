// The validation suite of opencontainers/runtime-tools, made once and kept: its source, and one program a test, built offline from the
// libraries that the source brings along.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fetchSource, requirePackages } from '../debian-source.ts';

const PACKAGE = 'golang-github-opencontainers-runtime-tools';

export interface Suite {
  /** Every test wants to be started here. */
  directory: string;
  /** Paths of the tests' programs, sorted. */
  tests: string[];
}

/** `source`: a checkout of the suite, where the mirror lacks the source package. */
export function prepareSuite(cache: string, source = join(cache, 'source')): Suite {
  mkdirSync(cache, { recursive: true });
  requirePackages(['golang-go', 'dpkg-dev']);
  fetchSource(cache, PACKAGE, source);
  build(cache, source, './cmd/runtimetest', 'runtimetest');
  const tests = globSync('validation/*/*.go', { cwd: source })
    .filter((path) => dirname(path) !== 'validation/util')
    .map((path) => {
      const target = path.replace(/\.go$/, '.t');
      build(cache, source, `./${path}`, target);
      return target;
    });
  return { directory: source, tests: tests.sort() };
}

/** Without cgo: runtimetest runs in a root file system that has no C library. */
function build(cache: string, source: string, what: string, target: string): void {
  if (existsSync(join(source, target))) return;
  execFileSync('go', ['build', '-o', target, what], {
    cwd: source,
    env: { ...process.env, GOFLAGS: '-mod=vendor', GOCACHE: join(cache, 'go-build'), CGO_ENABLED: '0' },
    stdio: 'inherit',
  });
}
