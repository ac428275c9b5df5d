// Source packages of Debian, for the suites of the peers: fetched from where this machine gets its packages, and kept.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SUITES = ['bookworm', 'bookworm-updates'];

export function debianMirror(): string {
  const files = ['/etc/apt/sources.list', ...globSync('/etc/apt/sources.list.d/*')].filter((file) => existsSync(file));
  const mirror = /(https?:\/\/\S+\/debian)\/?\s/.exec(files.map((file) => readFileSync(file, 'utf8')).join('\n'))?.[1];
  if (!mirror) throw new Error('no Debian mirror in /etc/apt: the suite is a source package of Debian');
  return mirror;
}

/** Throws the line by which what is not installed is. */
export function requirePackages(names: readonly string[]): void {
  const status = (name: string) => {
    try {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder
      return execFileSync('dpkg-query', ['-W', '-f', '${Status}', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      return '';
    }
  };
  const missing = names.filter((name) => !status(name).includes('ok installed'));
  if (missing.length) throw new Error(`not installed: apt-get install --no-install-recommends ${missing.join(' ')}`);
}

/** The source package at `target`; false when it was there. With lists of its own: this machine's sources stay as they are. */
export function fetchSource(cache: string, name: string, target: string): boolean {
  if (existsSync(target)) return false;
  const apt = join(cache, 'apt');
  mkdirSync(join(apt, 'lists/partial'), { recursive: true });
  mkdirSync(join(apt, 'parts'), { recursive: true });
  const mirror = debianMirror();
  writeFileSync(join(apt, 'sources.list'), SUITES.map((suite) => `deb-src [trusted=yes] ${mirror} ${suite} main\n`).join(''));
  const options = [
    ['Dir::Etc::SourceList', join(apt, 'sources.list')],
    ['Dir::Etc::SourceParts', join(apt, 'parts')],
    ['Dir::State::Lists', join(apt, 'lists')],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const into = mkdtempSync(join(cache, 'unpack-'));
  execFileSync('apt-get', [...options, '-q', 'update'], { stdio: 'inherit' });
  execFileSync('apt-get', [...options, '-q', 'source', name], { cwd: into, stdio: 'inherit' });
  const directory = readdirSync(into, { withFileTypes: true }).find((entry) => entry.isDirectory());
  if (!directory) throw new Error(`the source package ${name} has no folder`);
  execFileSync('mv', [join(into, directory.name), target]);
  rmSync(into, { recursive: true });
  return true;
}
