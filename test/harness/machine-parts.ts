// What a virtual machine is made of: an emulator, a kernel with its modules, Node with koffi and their libraries, busybox. Of this machine's
// own architecture setup unpacks them (`npm test`), or they are installed; those of an arm64 one arm64-parts.ts fetches.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DEBIAN, program, ROOT } from './programs.ts';

export type MachineArchitecture = 'x64' | 'arm64';

export interface Emulator {
  path: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
}

export interface MachineParts {
  emulator: Emulator;
  kernel: string;
  /** Of that kernel. */
  modules: string | undefined;
  /** The kernel's name of the serial line. */
  console: string;
  node: string;
  /** The directory of koffi's native package, and its name. */
  koffi: string;
  busybox: string;
  /** The dynamic loader: its name in the machine, and its file. */
  loader: { name: string; path: string };
  /** What Node needs. */
  libraries: readonly string[];
}

/** What setup unpacked and the machine may lack. */
const LIBRARIES = [
  'usr/lib/x86_64-linux-gnu',
  'lib/x86_64-linux-gnu',
  'usr/lib/x86_64-linux-gnu/pulseaudio',
  'usr/lib/x86_64-linux-gnu/systemd',
].map((path) => join(DEBIAN, path));

/** The parts, or why there are none. */
export function machineParts(architecture: MachineArchitecture): MachineParts | string {
  return architecture === 'x64' ? x64Parts() : arm64Parts();
}

function x64Parts(): MachineParts | string {
  if (process.arch !== 'x64') return 'the virtual machine has the parts of an x86-64 one';
  const emulator = x64Emulator();
  if (emulator === undefined) return 'qemu is not installed (apt-get install qemu-system-x86)';
  const kernel = process.env.BERTH_TEST_KERNEL ?? kernelIn(join(DEBIAN, 'boot'), 'amd64') ?? kernelIn('/boot', 'amd64');
  if (kernel === undefined) return 'no kernel to boot: install linux-image-cloud-amd64, or name one in BERTH_TEST_KERNEL';
  const node = realpathSync(process.execPath);
  return {
    emulator,
    kernel,
    modules: [DEBIAN, '/'].map((root) => modulesOf(kernel, root)).find(existsSync),
    console: 'ttyS0',
    node,
    koffi: join(realpathSync(join(ROOT, 'packages/sys/node_modules/koffi')), '../@koromix/koffi-linux-x64'),
    busybox: program('busybox'),
    loader: { name: 'lib64/ld-linux-x86-64.so.2', path: '/lib64/ld-linux-x86-64.so.2' },
    libraries: librariesOf(node),
  };
}

/** The machine's own, or the one that setup unpacked with its libraries and firmware. */
function x64Emulator(): Emulator | undefined {
  if (existsSync('/usr/bin/qemu-system-x86_64')) return { path: '/usr/bin/qemu-system-x86_64', args: [], env: process.env };
  const path = program('qemu-system-x86_64');
  if (!existsSync(path)) return undefined;
  const firmware = ['usr/share/seabios', 'usr/share/qemu', 'usr/share/ipxe', 'usr/lib/ipxe/qemu'];
  return { path, args: firmware.flatMap((directory) => ['-L', join(DEBIAN, directory)]), env: withLibraries() };
}

function withLibraries(...more: string[]): NodeJS.ProcessEnv {
  return { ...process.env, LD_LIBRARY_PATH: [...more, ...LIBRARIES].join(':') };
}

/** Of a program for this machine's own architecture. */
export function librariesOf(path: string): string[] {
  return [...execFileSync('ldd', [path], { encoding: 'utf8', env: withLibraries() }).matchAll(/(\/\S+) \(0x/g)].map(
    ([, found = '']) => found,
  );
}

function kernelIn(directory: string, flavour: string): string | undefined {
  const pattern = new RegExp(`^vmlinuz-.*-(cloud-)?${flavour}$`);
  const kernels = existsSync(directory) ? readdirSync(directory).filter((name) => pattern.test(name)) : [];
  return kernels.length > 0 ? join(directory, kernels.sort().at(-1) as string) : undefined;
}

function modulesOf(kernel: string, root: string): string {
  return join(root, 'lib/modules', basename(kernel).replace(/^vmlinuz-/, ''));
}

/** Where arm64-parts.ts puts what it fetches: Debian's packages for arm64 in `root`, the emulator for this machine in `qemu`. */
export const ARM64 = join(ROOT, '.cache', 'arm64');

function arm64Parts(): MachineParts | string {
  const root = join(ARM64, 'root');
  const kernel = kernelIn(join(root, 'boot'), 'arm64');
  if (kernel === undefined) return 'the parts of an arm64 machine are not here (dist/node test/harness/arm64-parts.ts)';
  const qemu = join(ARM64, 'qemu');
  const firmware = ['usr/share/qemu', 'usr/lib/ipxe/qemu'].flatMap((directory) => ['-L', join(qemu, directory)]);
  const libraries = ['libc.so.6', 'libdl.so.2', 'libm.so.6', 'libpthread.so.0', 'libgcc_s.so.1'].map(
    (name) => `lib/aarch64-linux-gnu/${name}`,
  );
  return {
    emulator: {
      path: join(qemu, 'usr/bin/qemu-system-aarch64'),
      args: ['-machine', 'virt', '-cpu', 'cortex-a72', ...firmware],
      env: withLibraries(join(qemu, 'usr/lib/x86_64-linux-gnu'), join(qemu, 'lib/x86_64-linux-gnu')),
    },
    kernel,
    modules: modulesOf(kernel, root),
    console: 'ttyAMA0',
    node: join(ARM64, 'node/bin/node'),
    koffi: join(ARM64, 'koffi-linux-arm64'),
    busybox: join(root, 'bin/busybox'),
    loader: { name: 'lib/ld-linux-aarch64.so.1', path: join(root, 'lib/ld-linux-aarch64.so.1') },
    libraries: [...libraries, 'usr/lib/aarch64-linux-gnu/libstdc++.so.6'].map((path) => join(root, path)),
  };
}
