// A Linux machine for what this one cannot show: cgroup v2 with every controller. qemu with software emulation boots a Debian
// kernel to a program of ours in seconds; its only disk is the initramfs, so nothing of it stays.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { sealingLauncher } from '@berth/sys/sealing-launcher';
import { build } from 'esbuild';
import { DEBIAN, program, ROOT } from './programs.ts';

/** What setup unpacked and the machine may lack. */
const LIBRARIES = [
  'usr/lib/x86_64-linux-gnu',
  'lib/x86_64-linux-gnu',
  'usr/lib/x86_64-linux-gnu/pulseaudio',
  'usr/lib/x86_64-linux-gnu/systemd',
].map((path) => join(DEBIAN, path));

/** The machine's own, or the one that setup unpacked with its libraries and firmware. */
function emulator(): { path: string; args: string[]; env: NodeJS.ProcessEnv } | undefined {
  if (existsSync('/usr/bin/qemu-system-x86_64')) return { path: '/usr/bin/qemu-system-x86_64', args: [], env: process.env };
  const path = program('qemu-system-x86_64');
  if (!existsSync(path)) return undefined;
  const firmware = ['usr/share/seabios', 'usr/share/qemu', 'usr/share/ipxe', 'usr/lib/ipxe/qemu'];
  return {
    path,
    args: firmware.flatMap((directory) => ['-L', join(DEBIAN, directory)]),
    env: { ...process.env, LD_LIBRARY_PATH: LIBRARIES.join(':') },
  };
}

/** A kernel to boot: BERTH_TEST_KERNEL, the one that setup unpacked, or an installed Debian one. */
function kernelImage(): string | undefined {
  if (process.env.BERTH_TEST_KERNEL) return process.env.BERTH_TEST_KERNEL;
  for (const directory of [join(DEBIAN, 'boot'), '/boot']) {
    const kernels = existsSync(directory) ? readdirSync(directory).filter((name) => /^vmlinuz-.*-(cloud-)?amd64$/.test(name)) : [];
    if (kernels.length > 0) return join(directory, kernels.sort().at(-1) as string);
  }
  return undefined;
}

/** Why no machine can be started here; undefined when one can. */
export function machineMissing(): string | undefined {
  if (process.arch !== 'x64') return 'the virtual machine is x86-64 only';
  if (emulator() === undefined) return 'qemu is not installed (apt-get install qemu-system-x86)';
  if (kernelImage() === undefined) return 'no kernel to boot: install linux-image-cloud-amd64, or name one in BERTH_TEST_KERNEL';
  return undefined;
}

export interface MachineOptions {
  /** What the machine does, as a shell script; the bundled program is /app/program.mjs. */
  script?: string;
  /** Programs of this machine, by path; the script finds them in /programs, with their libraries. */
  programs?: readonly string[];
  /** Kernel modules to load first, by name, in order. */
  modules?: readonly string[];
  /** Under systemd, with cgroups of this version, instead of as the machine's only work. */
  systemd?: 1 | 2;
  /** MiB. */
  memory?: number;
  timeout?: number;
}

/** Bundles a program, boots a machine that runs it under Node as its only work, and returns what it wrote. */
export async function runInMachine(entry: string, options: MachineOptions = {}): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-machine-'));
  try {
    const initramfs = join(directory, 'initramfs');
    writeFileSync(initramfs, await archive(entry, options, directory));
    return await boot(initramfs, options);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function archive(entry: string, options: MachineOptions, directory: string): Promise<Buffer> {
  const { script = 'node /app/program.mjs', programs = [], modules = [], systemd } = options;
  const load = modules.map((name) => `insmod /modules/${name}.ko\n`).join('');
  const bundle = join(directory, 'program.mjs');
  await build({
    entryPoints: [entry],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: ['koffi', 'esbuild'],
    logLevel: 'error',
  });
  const node = realpathSync(process.execPath);
  const koffi = realpathSync(join(ROOT, 'packages/sys/node_modules/koffi'));
  const native = realpathSync(join(koffi, '..', '@koromix', 'koffi-linux-x64'));
  const libraries = new Set([node, ...programs, ...(systemd ? [systemdPath() ?? ''] : [])].flatMap(librariesOf));
  const files: Member[] = [
    ...['dev', 'proc', 'sys', 'tmp', 'bin', 'lib64'].map((name) => ({ name, mode: 0o40755 })),
    { name: 'init', mode: 0o100755, body: Buffer.from(systemd ? `${INIT}exec /lib/systemd/systemd\n` : `${INIT}${MOUNTS}${WORK}`) },
    { name: 'script', mode: 0o100755, body: Buffer.from(`#!/bin/sh\nset -e\n${load}${script}\n`) },
    { name: 'bin/busybox', mode: 0o100755, body: readFileSync(program('busybox')) },
    { name: 'bin/node', mode: 0o100755, body: readFileSync(node) },
    // As bin/berth-runtime starts Node: it would start twice otherwise, which takes long here.
    { name: 'bin/sealed', mode: 0o100755, body: sealingLauncher() },
    { name: 'app/program.mjs', mode: 0o100644, body: readFileSync(bundle) },
    ...[...libraries].map((path) => ({ name: `lib64/${basename(path)}`, mode: 0o100755, body: readFileSync(path) })),
    ...programs.map((path) => ({ name: `programs/${basename(path)}`, mode: 0o100755, body: readFileSync(path) })),
    ...modules.map((name) => ({ name: `modules/${name}.ko`, mode: 0o100644, body: kernelModule(name) })),
    ...(systemd ? systemdFiles() : []),
    ...tree(koffi, 'app/node_modules/koffi'),
    ...tree(native, 'app/node_modules/@koromix/koffi-linux-x64'),
  ];
  return cpio(files);
}

function librariesOf(program: string): string[] {
  const env = { ...process.env, LD_LIBRARY_PATH: LIBRARIES.join(':') };
  return [...execFileSync('ldd', [program], { encoding: 'utf8', env }).matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
}

/** A module of the kernel that boots. */
function kernelModule(name: string): Buffer {
  const version = basename(kernelImage() ?? '').replace(/^vmlinuz-/, '');
  const root = [join(DEBIAN, 'lib/modules', version), join('/lib/modules', version)].find((path) => existsSync(path));
  const path = root && readdirSync(root, { recursive: true, encoding: 'utf8' }).find((file) => basename(file) === `${name}.ko`);
  if (!root || !path) throw new Error(`the kernel ${version} has no module ${name}`);
  return readFileSync(join(root, path));
}

const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib64 NO_COLOR=1
`;
const MOUNTS = `mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
`;
const WORK = `ln -sf /proc/self/fd /dev/fd
echo BERTH-BEGIN
/script 2>&1
echo "BERTH-END $?"
poweroff -f
`;

/** systemd as the machine's first process, and one unit. It is the installed one or the one that setup unpacked. */
function systemdFiles(): Member[] {
  const path = systemdPath();
  if (!path) throw new Error(systemdMissing());
  const unit = `[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nStandardOutput=tty\nStandardError=tty\nTTYPath=/dev/ttyS0\nDelegate=yes\nEnvironment=PATH=/bin LD_LIBRARY_PATH=/lib64 NO_COLOR=1\nExecStart=/bin/sh /work\n`;
  const file = (name: string, text: string) => ({ name, mode: 0o100644, body: Buffer.from(text) });
  return [
    ...['run', 'root', 'var', 'sbin'].map((name) => ({ name, mode: 0o40755 })),
    { name: 'lib/systemd/systemd', mode: 0o100755, body: readFileSync(path) },
    file('work', WORK),
    file('etc/passwd', 'root:x:0:0::/:/bin/sh\n'),
    file('etc/group', 'root:x:0:\n'),
    file('etc/os-release', 'ID=test\n'),
    file('etc/machine-id', `${'0'.repeat(31)}1\n`),
    file('etc/systemd/system/work.service', unit),
  ];
}

/** Why there is no systemd for a machine; undefined when there is. */
export function systemdMissing(): string | undefined {
  return machineMissing() ?? (systemdPath() ? undefined : 'systemd is not installed (apt-get install systemd)');
}

function systemdPath(): string | undefined {
  return ['/lib/systemd/systemd', join(DEBIAN, 'lib/systemd/systemd'), join(DEBIAN, 'usr/lib/systemd/systemd')].find(existsSync);
}

async function boot(initramfs: string, { memory = 1024, timeout = 120_000, systemd }: MachineOptions): Promise<string> {
  const args = [
    '-m',
    String(memory),
    '-nographic',
    '-no-reboot',
    '-nodefaults',
    '-serial',
    'stdio',
    '-kernel',
    kernelImage() ?? '',
    '-initrd',
    initramfs,
  ];
  const qemu = emulator();
  if (!qemu) throw new Error(machineMissing());
  const underSystemd = ['systemd.unit=work.service', 'systemd.show_status=0', `systemd.unified_cgroup_hierarchy=${systemd === 2 ? 1 : 0}`];
  const append = ['console=ttyS0', 'quiet', 'panic=-1', ...(systemd ? underSystemd : [])].join(' ');
  const machine = spawn(qemu.path, [...qemu.args, ...args, '-append', append], {
    env: qemu.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout,
    killSignal: 'SIGKILL',
  });
  let text = '';
  machine.stdout.setEncoding('utf8');
  machine.stdout.on('data', (chunk) => (text += chunk));
  machine.stderr.on('data', (chunk) => (text += chunk));
  await new Promise((resolve) => machine.once('close', resolve));
  const [, output, status] = /BERTH-BEGIN\r?\n([\s\S]*)BERTH-END (\d+)/.exec(text) ?? [];
  if (output === undefined || status === undefined) throw new Error(`the machine did not come to its end:\n${text}`);
  if (status !== '0') throw new Error(`the program in the machine ended with ${status}:\n${output}`);
  return output.replaceAll('\r\n', '\n');
}

interface Member {
  name: string;
  /** With the type, as st_mode. */
  mode: number;
  body?: Buffer;
}

function tree(directory: string, name: string): Member[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).flatMap((path) => {
    const full = join(directory, path);
    return statSync(full).isFile() && /\.(js|cjs|json|node)$/.test(path)
      ? [{ name: join(name, path), mode: 0o100755, body: readFileSync(full) }]
      : [];
  });
}

/** The "newc" format (kernel: driver-api/early-userspace/buffer-format.rst). Parent directories are made on the way. */
function cpio(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const made = new Set<string>();
  let inode = 1;
  const add = ({ name, mode, body = Buffer.alloc(0) }: Member) => {
    const fields = [inode++, mode, 0, 0, 1, 0, body.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`);
    parts.push(padded(header), padded(body));
    made.add(name);
  };
  for (const member of members) {
    const steps = member.name.split('/').slice(0, -1);
    for (const [index] of steps.entries()) {
      const parent = steps.slice(0, index + 1).join('/');
      if (!made.has(parent)) add({ name: parent, mode: 0o40755 });
    }
    add(member);
  }
  add({ name: 'TRAILER!!!', mode: 0 });
  return Buffer.concat(parts);
}

function padded(bytes: Buffer): Buffer {
  return bytes.length % 4 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - (bytes.length % 4))]);
}
