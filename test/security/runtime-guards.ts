// What protects the runtime from the weaknesses of runtime-cve.test.ts and proc-exe-cve.test.ts, and what stands in its place without it. Where the protection is
// that nothing is done, `without` does what the others did.
import type { Change, Guard } from './unprotected.ts';

const TEST = 'test/security/runtime-cve.test.ts';
const PROC_EXE = 'test/security/proc-exe-cve.test.ts';
const guarding = (weakness: string, ...changes: Change[]): Guard => ({ weakness, test: TEST, changes });

const BECOME_PROGRAM = 'packages/runtime/src/init/become-program.ts';
const ROOTFS = 'packages/runtime/src/init/rootfs.ts';
const MOUNT_TARGET = 'packages/runtime/src/init/mount-target.ts';
const RESTRICT_PATHS = 'packages/runtime/src/init/restrict-paths.ts';

const FOLLOWS_LINKS: Change = {
  file: ROOTFS,
  guard: 'openTarget(root, each.destination, kind, { noSymlinks: plain })',
  without: 'openTarget(root, each.destination, kind)',
};

export const RUNTIME_GUARDS: readonly Guard[] = [
  guarding('CVE-2016-3697', {
    file: BECOME_PROGRAM,
    guard: 'const user = { uid: 0, gid: 0, ...spec.user };',
    without: `const user = { uid: 0, gid: 0, ...spec.user };
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\\n')) {
    const [name, , uid] = line.split(':');
    if (name === String(user.uid)) user.uid = Number(uid);
  }`,
  }),
  guarding(
    'CVE-2016-9962',
    { file: 'packages/runtime/src/exec.ts', guard: 'sys.setDumpable(false);', without: '' },
    { file: 'packages/runtime/src/spawn.ts', guard: 'using _hidden = undumpable();', without: '' },
    { file: 'packages/runtime/src/exec-program.ts', guard: 'prctl(program, PR.SET_DUMPABLE, 0);', without: '' },
  ),
  {
    weakness: 'CVE-2019-5736',
    test: PROC_EXE,
    changes: [
      { file: 'bin/berth-runtime', guard: '"$here/../dist/sealed" ', without: '' },
      { file: 'packages/runtime/src/main.ts', guard: 'if (command.forksInto) await ensureSealed(preservedFds(parsed));', without: '' },
    ],
  },
  {
    weakness: 'CVE-2019-5736',
    test: PROC_EXE,
    changes: [{ file: 'packages/shim/src/command/start.ts', guard: 'spawn(node.path,', without: 'spawn(process.execPath,' }],
  },
  {
    weakness: 'CVE-2019-5736',
    test: PROC_EXE,
    changes: [
      { file: 'packages/sys/src/memfd.ts', guard: "check(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 'fcntl F_ADD_SEALS', name);", without: '' },
    ],
  },
  {
    weakness: 'CVE-2019-5736',
    test: PROC_EXE,
    changes: [
      {
        file: 'packages/sys/src/sealed-program.ts',
        guard: 'const fd = openInRoot(overlay.fd, basename(source), O.RDONLY);',
        without: `const fd = process.getBuiltinModule('node:fs').openSync(source, 'r');`,
      },
    ],
  },
  guarding('CVE-2019-16884', { file: ROOTFS, guard: 'refuseOnProc(plan, each, target);', without: '' }),
  guarding('CVE-2019-19921', FOLLOWS_LINKS),
  guarding('CVE-2023-27561', FOLLOWS_LINKS),
  guarding('CVE-2023-28642', FOLLOWS_LINKS),
  guarding('CVE-2021-30465', {
    // Looked at by its descriptor, made by its path.
    file: MOUNT_TARGET,
    guard: '} else mkdirAt(parent, part, NEW_DIRECTORY);',
    without: `} else {
        const { mkdirSync, readlinkSync } = process.getBuiltinModule('node:fs');
        mkdirSync(readlinkSync(\`/proc/self/fd/\${root}\`) + next, { recursive: true });
      }`,
  }),
  guarding('CVE-2024-45310', {
    file: MOUNT_TARGET,
    guard: 'const link = readlinkAt(parent, part);',
    without: `const { mkdirSync, readlinkSync } = process.getBuiltinModule('node:fs');
      mkdirSync(readlinkSync(\`/proc/self/fd/\${root}\`) + path, { recursive: true });
      const link = readlinkAt(parent, part);`,
  }),
  guarding('CVE-2022-0492', {
    file: 'packages/runtime/src/init/cgroup-mounts.ts',
    guard: 'const readOnly = (each.options.flags & MS.RDONLY) !== 0;',
    without: 'const readOnly = false;\n  each.options.flags &= ~MS.RDONLY;',
  }),
  guarding(
    'CVE-2022-27650',
    {
      file: BECOME_PROGRAM,
      guard: 'sys.setCapabilities({ effective, permitted, inheritable });',
      without: 'sys.setCapabilities({ effective, permitted, inheritable: permitted });',
    },
    {
      file: 'packages/runtime/src/exec-program.ts',
      guard: 'const sets = [effective, permitted, inheritable];',
      without: 'const sets = [effective, permitted, permitted];',
    },
  ),
  guarding('CVE-2022-29162', {
    file: 'packages/runtime/src/cli/exec.ts',
    guard: 'permitted: add(capabilities.permitted),',
    without: 'permitted: add(capabilities.permitted), inheritable: add(capabilities.inheritable),',
  }),
  guarding('CVE-2023-25809', {
    file: 'packages/runtime/src/example-spec.ts',
    guard: "'noexec', 'nodev', 'ro', 'rro'] }];",
    without: "'noexec', 'nodev', 'ro'] }];",
  }),
  guarding(
    'CVE-2024-21626',
    // The host's root was left open, and a working directory there taken.
    {
      file: ROOTFS,
      guard: 'return openSync(plan.rootfs, O.PATH | O.DIRECTORY | O.CLOEXEC);',
      without: "openSync('/', O.PATH | O.DIRECTORY | O.CLOEXEC);\n  return openSync(plan.rootfs, O.PATH | O.DIRECTORY | O.CLOEXEC);",
    },
    { file: BECOME_PROGRAM, guard: 'if (currentDirectory() === undefined)', without: "if (currentDirectory() === '')" },
  ),
  guarding('CVE-2025-31133', {
    file: RESTRICT_PATHS,
    guard: 'if (fd === undefined || !isNullDevice(fd))',
    without: 'if (fd === undefined)',
  }),
  guarding('CVE-2025-52565', {
    file: 'packages/runtime/src/init/console.ts',
    guard: "openTarget(root, '/dev/console', 'file', { noSymlinks: true })",
    without: "openTarget(root, '/dev/console', 'file')",
  }),
  guarding('CVE-2025-52881', { file: RESTRICT_PATHS, guard: 'if (fileSystemType(fd) !== PROC_SUPER_MAGIC)', without: 'if (fd < 0)' }),
];
