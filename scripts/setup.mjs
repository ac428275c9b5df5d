// `npm run setup`: everything that `npm start` and `npm test` need, on a machine with root, git, Node >= 20 and npm.
// Plain JavaScript, because the system's Node runs it before anything is installed. Each step leaves a stamp with the hash of what it
// depended on, so that a second run does nothing.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const CACHE = join(ROOT, '.cache');
const QUIET = process.env.npm_lifecycle_event !== 'setup';

/** Debian packages whose programs the demo and the tests run. They are unpacked into .cache/debian, not installed. */
const DEBIAN = ['busybox-static', 'docker-registry', 'containerd', 'docker.io', 'runc', 'umoci', 'tini'];

/** Further releases of containerd and ctr that tests compare with, and the Debian that has each: 13, and the next one. */
const CONTAINERDS = [
  ['1.7', 'trixie'],
  ['2', 'forky'],
];

const NO_SPACE = `no space is left on a disk: some 2 GB are needed below ${ROOT}, and npm's and pnpm's caches in ${homedir()}.`;
/** Where a program comes from, when that is not called the same. */
const PACKAGE_OF = { 'apt-get': 'apt' };

process.on('uncaughtException', (error) => stop(error.code === 'ENOSPC' ? NO_SPACE : error.stack));
checkMachine();
await step('dependencies', ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests()], installDependencies, 'node_modules');
linkNode();
await step('build', sources(), build, 'dist/berthd.js');
await step('debian', ['scripts/setup.mjs'], unpackDebian, '.cache/debian/usr/bin/busybox');
if (process.env.npm_lifecycle_event === 'test') {
  await step('peers', ['scripts/setup.mjs'], unpackPeers, '.cache/debian/podman');
  await step('criu', ['scripts/setup.mjs'], unpackCriu, '.cache/debian/usr/sbin');
  for (const [release, suite] of CONTAINERDS) {
    const unpack = () => unpackContainerd(release, suite);
    await step(`containerd ${release}`, ['scripts/setup.mjs'], unpack, `.cache/debian/containerd-${release}`);
  }
  await step('virtual machine', ['scripts/setup.mjs'], unpackMachine, '.cache/debian/boot');
}

function checkMachine() {
  if (process.platform !== 'linux') stop(`Berth runs on Linux; this is ${process.platform}.`);
  if (!['x64', 'arm64'].includes(process.arch)) stop(`Berth runs on x86-64 and arm64; this is ${process.arch}.`);
  if (Number(process.versions.node.split('.')[0]) < 20)
    stop(`Node ${process.versions.node} is too old to set Berth up: install Node 20 or newer.`);
  if (process.getuid() !== 0) stop('Containers need root here: run this command as root (sudo npm start).');
}

function installDependencies() {
  const { config } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  run(
    'npm',
    ['exec', '--yes', '--', `pnpm@${config.pnpm}`, 'install', '--frozen-lockfile'],
    'npm could not fetch the dependencies: check the network and the npm registry it is set to',
  );
}

/** dist/node: the pinned Node that every program of Berth runs on, whatever Node the system has. */
function linkNode() {
  const pinned = join(ROOT, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  if (!existsSync(pinned)) stop(`The pinned Node is missing (${relative(ROOT, pinned)}): delete node_modules and run npm run setup again.`);
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  const link = join(ROOT, 'dist', 'node');
  if (existsSync(link)) return;
  rmSync(link, { force: true });
  symlinkSync(relative(dirname(link), pinned), link);
}

function build() {
  run(join(ROOT, 'dist', 'node'), ['scripts/build.ts'], 'the build failed');
}

function unpackDebian() {
  const target = join(CACHE, 'debian');
  const missing = DEBIAN.filter((name) => !existsSync(join(target, 'usr/share/doc', name)));
  if (missing.length === 0) return;
  if (spawnSync('apt-get', ['--version']).error) {
    stop(`These Debian packages are needed and apt-get is not here: ${missing.join(', ')}. Unpack them into ${target} (dpkg -x).`);
  }
  const debs = join(CACHE, 'debs');
  mkdirSync(debs, { recursive: true });
  mkdirSync(target, { recursive: true });
  const download = () =>
    spawnSync('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', ...missing], {
      cwd: debs,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  let got = download();
  if (got.status !== 0) {
    run('apt-get', ['update', '-qq'], 'apt-get update failed: check the network and /etc/apt/sources.list');
    got = download();
  }
  if (got.status !== 0) {
    const said = got.stderr.toString();
    if (/no space\s+left/i.test(said)) stop(NO_SPACE);
    const advice = `check the network and /etc/apt/sources.list, or unpack the packages into ${target} by hand (dpkg -x)`;
    stop(`apt-get could not download ${missing.join(', ')}: ${advice}:\n${essence(said)}`);
  }
  for (const deb of readdirSync(debs)) run('dpkg', ['-x', join(debs, deb), target], `${deb} could not be unpacked`);
  rmSync(debs, { recursive: true });
  // Debian 12 has busybox in /bin, Debian 13 in /usr/bin.
  if (existsSync(join(target, 'bin/busybox'))) {
    mkdirSync(join(target, 'usr/bin'), { recursive: true });
    rmSync(join(target, 'usr/bin/busybox'), { force: true });
    symlinkSync('../../bin/busybox', join(target, 'usr/bin/busybox'));
  }
}

/**
 * What boots a machine with cgroup v2 and quotas for the tests: qemu with the libraries that this machine lacks, a kernel, mkfs.xfs. A test that finds
 * none says so and is skipped, so a mirror without them stops nobody.
 */
function unpackMachine() {
  const target = join(CACHE, 'debian');
  mkdirSync(join(target, 'boot'), { recursive: true });
  if (process.arch !== 'x64') return;
  const depends = spawnSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], { encoding: 'utf8' }).stdout ?? '';
  const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (!kernel || !unpackMissing(['qemu-system-x86', 'systemd', 'uidmap', 'xfsprogs'], target, kernel))
    console.log('setup: no virtual machine (qemu-system-x86, linux-image-cloud-amd64): its tests will be skipped');
}

/** Programs that tests compare Berth with or drive it by. iptables is dockerd's and criu's; Berth itself needs none of them. */
function unpackPeers() {
  const tables = ['iptables', 'ip6tables'].flatMap((family) => [family, `${family}-save`, `${family}-restore`]);
  unpackProgram('iptables', Object.fromEntries(tables.map((name) => [name, ['usr/sbin/xtables-nft-multi', name]])));
  unpackProgram('nftables', { nft: ['usr/sbin/nft'] });
  unpackProgram('skopeo', { skopeo: ['usr/bin/skopeo'] });
  unpackProgram('crun', { crun: ['usr/bin/crun'] });
  unpackProgram('podman', { podman: ['usr/bin/podman'], conmon: ['usr/bin/conmon'] });
}

/**
 * A package whose programs want libraries that this machine may lack: for each a script that starts it with these, by the words of its
 * command. A machine that has the first program keeps its own; a mirror without the package stops nobody.
 */
function unpackProgram(name, commands) {
  const target = join(CACHE, 'debian', name);
  mkdirSync(target, { recursive: true });
  if (!spawnSync(Object.keys(commands)[0], ['--version']).error) return;
  if (!unpackMissing([name], target)) console.log(`setup: no ${name}: tests that need it are skipped or fail`);
  const libraries = `${target}/usr/lib/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`;
  for (const [script, [program, ...words]] of Object.entries(commands)) {
    const path = join(CACHE, 'debian/usr/bin', script);
    rmSync(path, { force: true });
    const lines = [
      '#!/bin/sh',
      `export LD_LIBRARY_PATH="${libraries}" XTABLES_LIBDIR="${libraries}/xtables"`,
      `exec "${target}/${program}" ${words.join(' ')} "$@"`,
    ];
    writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o755 });
  }
}

/** Unpacks packages with those of their dependencies that this machine lacks, and one more without. False where something could not be had. */
function unpackMissing(names, target, more) {
  const debs = join(CACHE, 'debs');
  mkdirSync(join(debs, 'partial'), { recursive: true });
  const asRoot = ['-o', 'APT::Sandbox::User=root'];
  const words = ['install', '--download-only', '-y', '-qq', '--no-install-recommends', '-o', `Dir::Cache::archives=${debs}`, ...asRoot];
  const got = [spawnSync('apt-get', [...words, ...names], { cwd: debs })];
  if (more) got.push(spawnSync('apt-get', ['download', '-qq', ...asRoot, more], { cwd: debs }));
  for (const deb of readdirSync(debs).filter((name) => name.endsWith('.deb')))
    run('dpkg', ['-x', join(debs, deb), target], `${deb} could not be unpacked`);
  rmSync(debs, { recursive: true });
  return got.every((result) => result.status === 0);
}

/**
 * criu, which checkpoints need: Debian 12's does not know kernels from 6.13 on, Debian 13's no sockets of kernels from 6.16 on. That of
 * Debian's next release is unpacked, with the C library that it was built for, and a script that starts it with that. A test that finds none says so and is skipped.
 */
function unpackCriu() {
  const directory = join(CACHE, 'debian', 'criu');
  const command = join(CACHE, 'debian', 'usr/sbin/criu');
  mkdirSync(dirname(command), { recursive: true });
  if (process.arch !== 'x64') return;
  if (!unpackFrom('forky', 'criu', directory)) {
    console.log('setup: no criu of the next Debian: the tests of checkpoints need one in PATH, or will be skipped');
    return;
  }
  const script = `#!/bin/sh
root="${directory}"
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" "$root/usr/sbin/criu" "$@"
`;
  writeFileSync(command, script, { mode: 0o755 });
}

/** containerd and ctr of another Debian, beside this one's own. */
function unpackContainerd(release, suite) {
  const directory = join(CACHE, 'debian', `containerd-${release}`);
  mkdirSync(directory, { recursive: true });
  if (!unpackFrom(suite, 'containerd', directory))
    console.log(`setup: no containerd of Debian's ${suite}: the tests that compare with it will be skipped`);
  // Their runc wants a C library that only that Debian has; any other serves.
  for (const name of ['usr/bin/runc', 'usr/sbin/runc']) rmSync(join(directory, name), { force: true });
}

/** Downloads a package of any Debian suite, with what it depends on, and unpacks all of it into a directory. False where that failed. */
function unpackFrom(suite, name, directory) {
  const apt = join(directory, 'apt');
  for (const part of ['state/lists/partial', 'cache/archives/partial']) mkdirSync(join(apt, part), { recursive: true });
  const mirror = debianMirror();
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${keys}] ${mirror} ${suite} main\n`);
  const settings = {
    'Dir::Etc::sourcelist': join(apt, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State': join(apt, 'state'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(apt, 'cache'),
    'APT::Sandbox::User': 'root',
  };
  const options = ['-qq', ...Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
  const got = mirror
    ? [['update'], ['install', '-y', '--download-only', '--no-install-recommends', name]].map((words) =>
        spawnSync('apt-get', [...options, ...words]),
      )
    : [];
  const done = got.length > 0 && got.every((result) => result.status === 0);
  const archives = join(apt, 'cache/archives');
  for (const deb of done ? readdirSync(archives).filter((file) => file.endsWith('.deb')) : [])
    run('dpkg', ['-x', join(archives, deb), directory], `${deb} could not be unpacked`);
  rmSync(apt, { recursive: true });
  return done;
}

/** Where this machine takes Debian's packages from. */
function debianMirror() {
  const words = ['indextargets', '--format', '$(ORIGIN) $(SITE) $(REPO_URI)', 'Created-By: Packages'];
  const lines = spawnSync('apt-get', words, { encoding: 'utf8' }).stdout ?? '';
  const uris = lines.split('\n').flatMap((line) => (line.startsWith('Debian ') ? [line.split(' ')[2]] : []));
  return uris.find((uri) => !uri.includes('security'));
}

function manifests() {
  return readdirSync(join(ROOT, 'packages'))
    .map((name) => `packages/${name}/package.json`)
    .concat('test/package.json');
}

function sources() {
  const files = [];
  const walk = (directory) => {
    for (const entry of readdirSync(join(ROOT, directory), { withFileTypes: true })) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules' && entry.name !== 'gen') walk(path);
      } else if (/\.(ts|proto|json)$/.test(entry.name) && !entry.name.endsWith('.test.ts')) {
        files.push(path);
      }
    }
  };
  walk('packages');
  walk('proto');
  return [...files, 'scripts/build.ts', 'pnpm-lock.yaml'];
}

/** Runs `action` unless its stamp says that it ran with these inputs and `product` is still there. */
async function step(name, inputs, action, product) {
  const hash = createHash('sha256');
  for (const input of [...inputs].sort())
    hash
      .update(input)
      .update('\0')
      .update(readFileSync(join(ROOT, input)))
      .update('\0');
  const digest = hash.digest('hex');
  const stamp = join(CACHE, 'stamps', name);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest && existsSync(join(ROOT, product))) {
    if (!QUIET) console.log(`${name}: nothing to do`);
    return;
  }
  const started = Date.now();
  action();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
  console.log(`${name}: done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function run(command, args, whenItFails) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.error?.code === 'ENOENT')
    stop(`${command} is not here: install it (apt-get install ${PACKAGE_OF[command] ?? command}) and run npm run setup again.`);
  if (result.error) stop(`${whenItFails} (${command}: ${result.error.message})`);
  if (result.status === 0) return;
  const output = `${result.stdout}${result.stderr}`;
  if (/ENOSPC|no space\s+left/i.test(output)) stop(NO_SPACE);
  stop(`${whenItFails}:\n${essence(output)}`);
}

/** The end of what a program said, without the stacks of its source. */
function essence(output) {
  const lines = output
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^(npm (error|ERR!))?\s*at .*[:(]|Unknown user config/.test(line));
  return lines.slice(-12).join('\n');
}

function stop(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}
