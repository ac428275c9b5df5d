// What runc's own integration tests need, made once and kept: its source package, the helper programs built from it, and root file
// systems made of this machine's Debian packages in place of the ones that the suite would download.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const PACKAGES = [
  'bats',
  'jq',
  'gawk',
  'golang-go',
  'libseccomp-dev',
  'gcc',
  'libc6-dev',
  'pkg-config',
  'dpkg-dev',
  'debootstrap',
  'busybox-static',
];
const LIBRARIES = [
  'github-sirupsen-logrus',
  'github-urfave-cli',
  'github-containerd-console',
  'github-coreos-go-systemd',
  'github-opencontainers-specs',
  'github-seccomp-libseccomp-golang',
  'golang-x-sys',
  'golang-x-net',
  'dbus',
  'github-moby-sys',
  'github-cilium-ebpf',
  'github-cyphar-filepath-securejoin',
  'github-docker-go-units',
  'github-mrunalp-fileutils',
  'github-opencontainers-selinux',
  'github-vishvananda-netlink',
  'google-protobuf',
].map((name) => `golang-${name}-dev`);

/** Programs of the suite by their folder in contrib/cmd. */
const HELPERS = ['recvtty', 'sd-helper', 'seccompagent'];
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };
/** Sources of packages, and packages, come from where this machine gets its packages. */
const MIRROR = debianMirror();
const SOURCES = ['bookworm', 'bookworm-updates'].map((suite) => `deb-src [trusted=yes] ${MIRROR} ${suite} main`).join('\n');

function debianMirror(): string {
  const files = ['/etc/apt/sources.list', ...globSync('/etc/apt/sources.list.d/*')].filter((file) => existsSync(file));
  const mirror = /(https?:\/\/\S+\/debian)\/?\s/.exec(files.map((file) => readFileSync(file, 'utf8')).join('\n'))?.[1];
  if (!mirror) throw new Error('no Debian mirror in /etc/apt: the suite is a source package of Debian');
  return mirror;
}

/** The folder with the .bats files, ready to run. Everything is below `cache`, and used again when it is there. */
export function prepareSuite(cache: string): string {
  mkdirSync(cache, { recursive: true });
  requirePackages();
  const source = join(cache, 'source');
  if (!existsSync(source)) fetchSource(cache, source);
  buildHelpers(cache, source);
  const tests = join(source, 'tests/integration');
  makeImages(cache, join(tests, 'testdata'));
  return tests;
}

function requirePackages(): void {
  const status = (name: string) => {
    try {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder
      return execFileSync('dpkg-query', ['-W', '-f', '${Status}', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      return '';
    }
  };
  const missing = [...PACKAGES, ...LIBRARIES].filter((name) => !status(name).includes('ok installed'));
  if (missing.length) throw new Error(`not installed: apt-get install --no-install-recommends ${missing.join(' ')}`);
}

/** With lists of its own: this machine's sources stay as they are. */
function fetchSource(cache: string, source: string): void {
  const apt = join(cache, 'apt');
  mkdirSync(join(apt, 'lists/partial'), { recursive: true });
  mkdirSync(join(apt, 'parts'), { recursive: true });
  writeFileSync(join(apt, 'sources.list'), `${SOURCES}\n`);
  const options = [
    ['Dir::Etc::SourceList', join(apt, 'sources.list')],
    ['Dir::Etc::SourceParts', join(apt, 'parts')],
    ['Dir::State::Lists', join(apt, 'lists')],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const into = mkdtempSync(join(cache, 'unpack-'));
  execFileSync('apt-get', [...options, '-q', 'update'], { stdio: 'inherit' });
  execFileSync('apt-get', [...options, '-q', 'source', 'runc'], { cwd: into, stdio: 'inherit' });
  const directory = readdirSync(into, { withFileTypes: true }).find((entry) => entry.isDirectory());
  if (!directory) throw new Error('the source package runc has no folder');
  execFileSync('mv', [join(into, directory.name), source]);
  rmSync(into, { recursive: true });
  takeCare(join(source, 'tests/integration/helpers.bash'));
}

/** A test that runs without a mount namespace leaves mounts in its folder, which the suite would delete through. */
function takeCare(helpers: string): void {
  const text = readFileSync(helpers, 'utf8');
  const careful = text.replace(
    /^\trm -rf "\$ROOT"$/m,
    '\tgrep -o " $ROOT[^ ]*" /proc/self/mountinfo | sort -ru | while read -r m; do umount -l "$m" || true; done\n\trm -rf --one-file-system "$ROOT"',
  );
  if (careful === text) throw new Error('helpers.bash no longer removes $ROOT where it did: look at takeCare()');
  writeFileSync(helpers, careful);
}

function buildHelpers(cache: string, source: string): void {
  const workspace = join(cache, 'go/src/github.com/opencontainers');
  mkdirSync(workspace, { recursive: true });
  if (!existsSync(join(workspace, 'runc'))) symlinkSync(source, join(workspace, 'runc'));
  for (const name of HELPERS) {
    const folder = join('contrib/cmd', name);
    if (existsSync(join(source, folder, name))) continue;
    execFileSync('go', ['build', '-o', join(source, folder, name), `github.com/opencontainers/runc/${folder}`], {
      cwd: source,
      env: {
        ...process.env,
        GO111MODULE: 'off',
        GOFLAGS: '-tags=seccomp',
        GOPATH: `${join(cache, 'go')}:/usr/share/gocode`,
        GOCACHE: join(cache, 'go-build'),
      },
      stdio: 'inherit',
    });
  }
}

function makeImages(cache: string, testdata: string): void {
  const architecture = ARCHITECTURES[process.arch];
  if (!architecture) throw new Error(`no images for ${process.arch}`);
  const archive = (name: string) => join(testdata, `${name}-${architecture}.tar.xz`);
  if (!existsSync(archive('busybox'))) {
    const root = mkdtempSync(join(cache, 'busybox-'));
    for (const folder of ['bin', 'dev', 'etc', 'home', 'root', 'tmp', 'usr/sbin', 'var/spool/mail', 'var/www']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    chmodSync(root, 0o755);
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
    const names = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' })
      .split('\n')
      .filter((name) => name && name !== 'busybox');
    for (const name of names) symlinkSync('busybox', join(root, 'bin', name));
    writeFileSync(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
    );
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n');
    pack(root, archive('busybox'));
  }
  if (!existsSync(archive('debian'))) {
    const root = mkdtempSync(join(cache, 'debian-'));
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', root, MIRROR], { stdio: 'inherit' });
    chmodSync(root, 0o755);
    pack(root, archive('debian'));
  }
}

function pack(root: string, archive: string): void {
  execFileSync('tar', ['-C', root, '--exclude=./dev/*', '--exclude=./var/cache/apt/*', '-cJf', `${archive}.part`, '.'], {
    env: { ...process.env, XZ_OPT: '-0' },
  });
  execFileSync('mv', [`${archive}.part`, archive]);
  rmSync(root, { recursive: true });
}
