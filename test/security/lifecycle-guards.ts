// What protects the lifecycle service, the shim and the daemon's use of them from the weaknesses of lifecycle-cve.test.ts, and what stands
// in its place without it. Where the protection is that nothing is done, `without` does it.
import type { Guard } from './unprotected.ts';

const TEST = 'test/security/lifecycle-cve.test.ts';

export const LIFECYCLE_GUARDS: readonly Guard[] = [
  {
    weakness: 'CVE-2020-15157',
    test: TEST,
    changes: [
      {
        file: 'packages/oci/src/registry/transport.ts',
        guard: 'url.origin === current.url.origin && authorization !== undefined',
        without: 'authorization !== undefined',
      },
    ],
  },
  {
    weakness: 'CVE-2020-15257',
    test: TEST,
    changes: [
      {
        file: 'packages/rpc/src/ttrpc/server.ts',
        guard: 'this.#listener = createServer(',
        without: `createServer((socket) => this.serve(socket)).listen('\\0containerd-shim' + path);\n    this.#listener = createServer(`,
      },
    ],
  },
  {
    weakness: 'CVE-2020-15257',
    test: TEST,
    changes: [
      {
        file: 'packages/shim/src/shim.ts',
        guard: 'mkdirSync(parameters.socketDir, { recursive: true, mode: 0o700 });',
        without: 'mkdirSync(parameters.socketDir, { recursive: true, mode: 0o711 });',
      },
    ],
  },
  {
    weakness: 'CVE-2021-21334',
    test: TEST,
    changes: [
      {
        file: 'packages/lifecycle/src/tasks/bundle.ts',
        guard: "writeFileSync(join(bundle.path, 'config.json'), config,",
        without: `const spec = JSON.parse(Buffer.from(config).toString());
    spec.process.env = (globalThis as any).environment = [...((globalThis as any).environment ?? []), ...spec.process.env];
    writeFileSync(join(bundle.path, 'config.json'), JSON.stringify(spec),`,
      },
    ],
  },
  {
    weakness: 'CVE-2021-32760',
    test: TEST,
    changes: [
      {
        file: 'packages/sys/src/byte-path.ts',
        guard: 'how[2] = BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);',
        without: 'how[2] = BigInt(RESOLVE_IN_ROOT & 0);',
      },
    ],
  },
  {
    weakness: 'CVE-2021-32760',
    test: TEST,
    changes: [
      {
        file: 'packages/lifecycle/src/diff/layer-writer.ts',
        guard: 'O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode',
        without: 'O_WRONLY | O_CREAT, entry.mode',
      },
    ],
  },
  {
    weakness: 'CVE-2021-41103',
    test: TEST,
    changes: [
      {
        file: 'packages/lifecycle/src/snapshots/directory-snapshotter.ts',
        guard: 'mkdirSync(this.#directories, { recursive: true, mode: 0o700 });',
        without: 'mkdirSync(this.#directories, { recursive: true, mode: 0o755 });',
      },
    ],
  },
  {
    weakness: 'CVE-2022-23471',
    test: TEST,
    changes: [
      {
        file: 'packages/runtime/src/exec.ts',
        guard: 'if (master !== undefined) undo.defer(() => closeSync(master));',
        without: '',
      },
    ],
  },
  {
    weakness: 'CVE-2022-23648',
    test: TEST,
    changes: [
      {
        file: 'packages/daemon/src/containers/mounts/populate-volumes.ts',
        guard: 'tryOpenInRoot(root, mount.Destination, O.RDONLY | O.DIRECTORY)',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
        without: 'openSync(`/proc/self/fd/${root}/${mount.Destination}`, O.RDONLY | O.DIRECTORY)',
      },
    ],
  },
  {
    weakness: 'CVE-2022-31030',
    test: TEST,
    changes: [
      {
        file: 'packages/shim/src/stdio/copier.ts',
        guard: 'const pause = !this.#everything && this.#outputs.some((output) => output.full);',
        without: 'const pause = false;',
      },
    ],
  },
  {
    weakness: 'CVE-2023-25153',
    test: TEST,
    changes: [
      {
        file: 'packages/oci/src/registry/repository.ts',
        guard: 'if (size > limit)',
        without: 'if (size > Number.MAX_SAFE_INTEGER)',
      },
    ],
  },
  {
    weakness: 'CVE-2023-25173',
    test: TEST,
    changes: [
      {
        file: 'packages/daemon/src/containers/spec/users.ts',
        guard: 'new Set([gid, ...memberships, ...extra])',
        without: 'new Set([...memberships, ...extra])',
      },
    ],
  },
  {
    weakness: 'CVE-2024-25621',
    test: TEST,
    changes: [
      {
        file: 'packages/lifecycle/src/service.ts',
        guard: 'chmodSync(settings.root, 0o700);',
        without: 'chmodSync(settings.root, 0o711);',
      },
    ],
  },
  {
    weakness: 'CVE-2024-40635',
    test: TEST,
    changes: [
      {
        file: 'packages/daemon/src/containers/spec/users.ts',
        guard: 'if (!(id >= 0 && id <= MAX_ID)) {',
        without: 'if (Number.isNaN(id)) {',
      },
    ],
  },
  {
    weakness: 'CVE-2025-64329',
    test: TEST,
    changes: [
      {
        file: 'packages/shim/src/stdio/attach.ts',
        guard: 'if (this.#inputEnded && this.#socket.writable) this.#socket.write(NOTHING);',
        without: '',
      },
    ],
  },
];
