// What runc's own integration tests need, made once and kept: its source package, the helper programs built from it, and root file
// systems made of this machine's Debian packages in place of the ones that the suite would download.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianMirror, fetchSource, requirePackages } from '../debian-source.ts';

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
  'sshfs',
  'openssh-sftp-server',
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

/** The folder with the .bats files, ready to run. Everything is below `cache`, and used again when it is there. */
export function prepareSuite(cache: string): string {
  mkdirSync(cache, { recursive: true });
  requirePackages([...PACKAGES, ...LIBRARIES]);
  const source = join(cache, 'source');
  if (fetchSource(cache, 'runc', source)) takeCare(join(source, 'tests/integration/helpers.bash'));
  buildHelpers(cache, source);
  const tests = join(source, 'tests/integration');
  makeImages(cache, join(tests, 'testdata'));
  mkdirSync(programsOf(cache), { recursive: true });
  // Answers sshfs' call of ssh: the machine needs no server that it logs in to.
  writeFileSync(join(programsOf(cache), 'ssh'), '#!/bin/sh\nexec /usr/lib/openssh/sftp-server\n', { mode: 0o755 });
  return tests;
}

/** Programs that stand in for the machine's while the suite runs. */
export function programsOf(cache: string): string {
  return join(cache, 'bin');
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
    execFileSync('debootstrap', ['--variant=minbase', 'bookworm', root, debianMirror()], { stdio: 'inherit' });
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
