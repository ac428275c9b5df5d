// A Linux machine for what this one cannot show: cgroup v2 with every controller. qemu with software emulation boots a Debian
// kernel to a program of ours in seconds; its only disk is the initramfs, so nothing of it stays.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { sealingLauncher } from '@berth/sys/sealing-launcher';
import { type BuildOptions, build } from 'esbuild';
import { cpio, directory, executable, file, type Member, modules as modulesIn } from './cpio.ts';
import { librariesOf, type MachineArchitecture, type MachineParts, machineParts } from './machine-parts.ts';
import { DEBIAN, ROOT } from './programs.ts';

/** Why no machine can be started here; undefined when one can. */
export function machineMissing(architecture: MachineArchitecture = 'x64'): string | undefined {
  const parts = machineParts(architecture);
  return typeof parts === 'string' ? parts : undefined;
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
  /** Whose parts the machine has; by default x86-64. */
  architecture?: MachineArchitecture;
  /** More files. */
  files?: readonly Member[];
  /** MiB. */
  memory?: number;
  timeout?: number;
}

/** Bundles a program, boots a machine that runs it under Node as its only work, and returns what it wrote. */
export async function runInMachine(entry: string, options: MachineOptions = {}): Promise<string> {
  const workplace = mkdtempSync(join(tmpdir(), 'berth-machine-'));
  try {
    const bundle = join(workplace, 'program.mjs');
    await bundleForMachine({ entryPoints: [entry], outfile: bundle });
    return await boot(options, workplace, [file('app/program.mjs', readFileSync(bundle))]);
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/** Boots a machine whose work is the script; what it runs is among its files. */
export async function runScriptInMachine(options: MachineOptions & { script: string }): Promise<string> {
  const workplace = mkdtempSync(join(tmpdir(), 'berth-machine-'));
  try {
    return await boot(options, workplace, []);
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/** As the machine's Node runs it: koffi lies in /app/node_modules. */
export async function bundleForMachine(options: BuildOptions): Promise<void> {
  await build({
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: ['koffi', 'esbuild'],
    logLevel: 'error',
    ...options,
  });
}

function archive(options: MachineOptions, parts: MachineParts, more: readonly Member[]): Buffer {
  const { script = 'node /app/program.mjs', programs = [], modules = [], systemd, files = [], architecture = 'x64' } = options;
  const load = modules.map((name) => `insmod /modules/${name}.ko\n`).join('');
  const libraries = new Set([...parts.libraries, ...[...programs, ...(systemd ? [systemdPath() ?? ''] : [])].flatMap(librariesOf)]);
  return cpio([
    ...['dev', 'proc', 'sys', 'tmp', 'bin', 'lib64', 'newroot'].map(directory),
    executable('init', Buffer.from(systemd ? `${INIT}exec /lib/systemd/systemd\n` : `${INIT}${PIVOTABLE}`)),
    executable('work', Buffer.from(`${INIT}${MOUNTS}${WORK}`)),
    executable('script', Buffer.from(`#!/bin/sh\nset -e\n${load}${script}\n`)),
    executable('bin/busybox', readFileSync(parts.busybox)),
    executable('bin/node', readFileSync(parts.node)),
    // As bin/berth-runtime starts Node: it would start twice otherwise, which takes long here.
    executable('bin/sealed', sealingLauncher(architecture)),
    executable(parts.loader.name, readFileSync(parts.loader.path)),
    ...[...libraries].map((path) => executable(`lib64/${basename(path)}`, readFileSync(path))),
    ...programs.map((path) => executable(`programs/${basename(path)}`, readFileSync(path))),
    ...modules.map((name) => file(`modules/${name}.ko`, kernelModule(parts, name))),
    ...(systemd ? systemdFiles() : []),
    ...modulesIn(realpathSync(join(ROOT, 'packages/sys/node_modules/koffi')), 'app/node_modules/koffi'),
    ...modulesIn(parts.koffi, `app/node_modules/@koromix/koffi-linux-${architecture}`),
    ...files,
    ...more,
  ]);
}

/** A module of the kernel that boots. */
function kernelModule({ modules, kernel }: MachineParts, name: string): Buffer {
  const path = modules && readdirSync(modules, { recursive: true, encoding: 'utf8' }).find((each) => basename(each) === `${name}.ko`);
  if (!modules || !path) throw new Error(`${kernel} has no module ${name}`);
  return readFileSync(join(modules, path));
}

const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib64 NO_COLOR=1
`;
/** The initramfs cannot be pivoted away from, but a mount of it can. */
const PIVOTABLE = `mount -t proc proc /proc
mount --bind / /newroot
umount /proc
cd /newroot
mount --move . /
exec chroot . /work
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
  const unit = `[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nStandardOutput=tty\nStandardError=tty\nTTYPath=/dev/ttyS0\nDelegate=yes\nEnvironment=PATH=/bin LD_LIBRARY_PATH=/lib64 NO_COLOR=1\nExecStart=/bin/sh /under-systemd\n`;
  return [
    ...['run', 'root', 'var', 'sbin'].map(directory),
    executable('lib/systemd/systemd', readFileSync(path)),
    file('under-systemd', WORK),
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

async function boot(options: MachineOptions, workplace: string, more: readonly Member[]): Promise<string> {
  const { memory = 1024, timeout = 120_000, systemd, architecture = 'x64' } = options;
  const parts = machineParts(architecture);
  if (typeof parts === 'string') throw new Error(parts);
  const initramfs = join(workplace, 'initramfs');
  writeFileSync(initramfs, archive(options, parts, more));
  const { emulator, kernel } = parts;
  const hardware = ['-m', String(memory), '-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio'];
  const underSystemd = ['systemd.unit=work.service', 'systemd.show_status=0', `systemd.unified_cgroup_hierarchy=${systemd === 2 ? 1 : 0}`];
  const append = [`console=${parts.console}`, 'quiet', 'panic=-1', ...(systemd ? underSystemd : [])].join(' ');
  const machine = spawn(emulator.path, [...emulator.args, ...hardware, '-kernel', kernel, '-initrd', initramfs, '-append', append], {
    env: emulator.env,
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
