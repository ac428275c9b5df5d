// A container's init is forked ahead or when it is created (ADR 12): nobody must be able to tell which.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Spec } from '@berth/oci/runtime-spec';
import { ROOT, run } from '../harness/programs.ts';
import { Laboratory } from './laboratory.ts';
import type { Birth, Seen } from './prepared-probe.ts';

type Change = (spec: Spec, bundle: string) => void;
type Options = Partial<Omit<Birth, 'bundle' | 'id' | 'way' | 'rootfsMounts'>> & { overlay?: boolean };

const SCRIPT = [
  'id; pwd; umask; env | sort; tty; hostname',
  'grep -vE "^(Vm|Rss|Hugetlb|voluntary|nonvoluntary|FDSize|SigQ|x86_|NSpgid|Cpus_allowed:)" /proc/self/status',
  'cat /proc/self/limits /proc/self/cgroup /proc/self/oom_score_adj /proc/self/coredump_filter /proc/self/sessionid',
  'cut -d" " -f3- /proc/self/mountinfo | sed -E "s/[0-9]+:[0-9]+/N/; s/(shared|master|propagate_from):[0-9]+/\\1/g"',
  // Not through a pipe, which the shell has open for a moment.
  'for f in /proc/1/fd/*; do readlink $f; done',
  'read -r pid name state parent group session rest </proc/1/stat; echo $pid $name $parent $group $session',
  'cat /proc/1/cmdline /proc/sys/kernel/hostname /proc/sys/kernel/domainname /proc/sys/kernel/shmmax /proc/net/dev; ip addr',
  'ls -l /dev | sed -E "s/[A-Z][a-z]{2} +[0-9]+ +[0-9:]+//"; ls /dev/shm /proc/1/task; mkdir /tmp/refused 2>&1',
  'stat -c "%u %g %a" -L /proc/self/fd/1; cat /proc/keys 2>&1 | grep -c _ses',
].join('; ');

/** Both ways, each in order: [prepared, fork]. */
async function bothWays(t: TestContext, variants: [Change, Options?][], script = SCRIPT, ways: Birth['way'][] = ['prepared', 'fork']) {
  const laboratory = Laboratory.open(t);
  const births = variants.flatMap(([change, options]) => {
    const bundle = laboratory.bundle(script);
    const path = join(bundle, 'config.json');
    const spec = JSON.parse(readFileSync(path, 'utf8')) as Spec;
    change(spec, bundle);
    writeFileSync(path, JSON.stringify(spec));
    const { overlay, ...others } = options ?? {};
    const layers = [`lowerdir=${bundle}/rootfs`, `upperdir=${bundle}/upper/fs`, `workdir=${bundle}/upper/work`];
    const rootfsMounts = overlay ? [{ type: 'overlay', source: 'overlay', options: ['index=off', ...layers] }] : undefined;
    return ways.map((way): Birth => ({ ...others, bundle, id: laboratory.id(), way, rootfsMounts }));
  });
  const probe = join(ROOT, 'test/runtime/prepared-probe.ts');
  const flags = ['--v8-pool-size=0', '--single-threaded'];
  const result = await run(process.execPath, [...flags, probe, laboratory.root, JSON.stringify(births)]);
  assert.equal(result.stderr, '');
  const lines = result.stdout.trim().split('\n');
  const seen = lines.map((line) => JSON.parse(line) as Seen);
  assert.equal(seen.length, births.length);
  return Array.from({ length: variants.length }, (_, index) => seen.slice(index * ways.length, (index + 1) * ways.length));
}

const comparable = (seen: Seen | undefined) => ({ ...seen, prepared: undefined });

function edit(spec: Spec, process: Partial<Spec['process']>, linux: Partial<Spec['linux']> = {}): void {
  spec.process = { ...(spec.process as NonNullable<Spec['process']>), ...process };
  spec.linux = { ...spec.linux, ...linux };
}

const namespaces = (spec: Spec) => spec.linux?.namespaces ?? [];
const SYSCALLS = [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' as const }];
const HOOK = [{ path: '/bin/sh', args: ['sh', '-c', 'cat >&2; exit 0'] }];

const SUITING: Record<string, [Change, Options?]> = {
  'as it is': [() => {}],
  'another user, capabilities, limits': [
    (spec) =>
      edit(spec, {
        user: { uid: 1000, gid: 5, additionalGids: [8, 9], umask: 0o27 },
        cwd: '/tmp',
        noNewPrivileges: true,
        oomScoreAdj: 500,
        capabilities: {
          bounding: ['CAP_KILL'],
          effective: ['CAP_KILL'],
          permitted: ['CAP_KILL'],
          inheritable: ['CAP_KILL'],
          ambient: ['CAP_KILL'],
        },
        rlimits: [
          { type: 'RLIMIT_NOFILE', soft: 64, hard: 100 },
          { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
        ],
      }),
  ],
  'filters, before and after no_new_privs': [
    (spec) => edit(spec, { noNewPrivileges: false }, { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: SYSCALLS } }),
  ],
  'a filter that denies close_range': [
    (spec) =>
      edit(
        spec,
        { noNewPrivileges: false },
        {
          seccomp: {
            defaultAction: 'SCMP_ACT_ALLOW',
            syscalls: [...SYSCALLS, { names: ['close_range'], action: 'SCMP_ACT_ERRNO' }],
          },
        },
      ),
  ],
  'joined namespaces': [
    (spec) =>
      edit(
        spec,
        {},
        {
          sysctl: {},
          namespaces: [
            { type: 'pid' },
            { type: 'mount' },
            ...(['ipc', 'uts', 'network'] as const).map((type) => ({ type, path: `/proc/self/ns/${type === 'network' ? 'net' : type}` })),
          ],
        },
      ),
  ],
  "the host's": [
    (spec) => {
      spec.hostname = undefined;
      edit(spec, {}, { namespaces: [{ type: 'pid' }, { type: 'mount' }] });
    },
  ],
  'limits of the cgroup, and devices': [
    (spec) =>
      edit(
        spec,
        {},
        {
          resources: { memory: { limit: 64 << 20 }, pids: { limit: 20 }, cpu: { shares: 512 } },
          devices: [{ path: '/dev/strange', type: 'c', major: 10, minor: 229, fileMode: 0o640, uid: 1, gid: 2 }],
          cgroupsPath: '/prepared-test/a/b',
        },
      ),
  ],
  'a root that is read-only, mounts': [
    (spec) => {
      spec.root = { path: 'rootfs', readonly: true };
      spec.mounts?.push(
        { destination: '/bound', type: 'bind', source: '/etc', options: ['rbind', 'ro'] },
        { destination: '/copied', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup', 'nosuid'] },
      );
    },
  ],
  'an overlay that init mounts': [
    (spec, bundle) => {
      spec.root = { path: 'mounted' };
      for (const name of ['mounted', 'upper/fs', 'upper/work']) mkdirSync(join(bundle, name), { recursive: true });
    },
    { overlay: true },
  ],
  'a terminal': [(spec) => edit(spec, { terminal: true, consoleSize: { width: 100, height: 30 } }), { terminal: true }],
  hooks: [
    (spec) => {
      spec.hooks = { prestart: HOOK, createRuntime: HOOK, createContainer: HOOK, startContainer: HOOK, poststart: HOOK, poststop: HOOK };
    },
  ],
  'limits under which nothing more can be done': [(spec) => edit(spec, { rlimits: [{ type: 'RLIMIT_AS', soft: 2 ** 30, hard: 2 ** 31 }] })],
  'a large configuration': [
    (spec) => {
      spec.annotations = { large: 'x'.repeat(100_000) };
    },
  ],
  'no cgroup mount, a sysctl, a domain name': [
    (spec) => {
      spec.mounts = spec.mounts?.filter(({ type }) => type !== 'cgroup');
      spec.domainname = 'example.org';
      edit(spec, {}, { sysctl: { 'net.ipv4.ip_unprivileged_port_start': '0', 'kernel.shmmax': '12345678' } });
    },
  ],
};

test('both are the same to the process itself, and to its creator', { timeout: 120_000 }, async (t) => {
  const names = Object.keys(SUITING);
  const all = await bothWays(t, Object.values(SUITING));
  for (const [index, name] of names.entries()) {
    const [prepared, fork] = all[index] ?? [];
    assert.deepEqual([prepared?.prepared, fork?.prepared], [true, false], `${name}: ${JSON.stringify(prepared)}`);
    assert.equal(prepared?.error, fork?.error, name);
    assert.equal(prepared?.error, undefined, name);
    assert.deepEqual(comparable(prepared), comparable(fork), name);
    assert.deepEqual(
      [prepared?.leaked, fork?.leaked],
      [
        [0, 0],
        [0, 0],
      ],
      name,
    );
  }
});

test('what does not suit a prepared init is forked for', async (t) => {
  const unsuited: Record<string, [Change, Options?]> = {
    'a user namespace': [
      (spec) => {
        spec.mounts = spec.mounts?.filter(({ type }) => type !== 'mqueue' && type !== 'cgroup');
        const mappings = [{ containerID: 0, hostID: 0, size: 65536 }];
        edit(spec, {}, { namespaces: [...namespaces(spec), { type: 'user' }], uidMappings: mappings, gidMappings: mappings });
      },
    ],
    'a clock of its own': [
      (spec) => edit(spec, {}, { namespaces: [...namespaces(spec), { type: 'time' }], timeOffsets: { boottime: { secs: 7 } } }),
    ],
    "the host's pids": [(spec) => edit(spec, {}, { namespaces: namespaces(spec).filter(({ type }) => type !== 'pid') })],
    'a configuration that no message can hold': [
      (spec) => {
        spec.annotations = { large: 'x'.repeat(300_000) };
      },
    ],
  };
  const all = await bothWays(t, Object.values(unsuited), 'id; pwd');
  for (const [index, name] of Object.keys(unsuited).entries()) {
    const [prepared, fork] = all[index] ?? [];
    assert.deepEqual(comparable(prepared), comparable(fork), name);
    assert.deepEqual([prepared?.prepared, prepared?.status, prepared?.leaked], [false, 0, [0, 0]], `${name}: ${JSON.stringify(prepared)}`);
  }
});

test('a prepared init that is dead, or was ended, is missed by nobody', async (t) => {
  const [seen = []] = await bothWays(t, [[() => {}]], 'id; pwd', ['doomed', 'idle', 'fork']);
  const [doomed, idle, fork] = seen;
  assert.deepEqual(comparable(doomed), comparable(fork));
  assert.deepEqual(comparable(idle), comparable(fork));
});

test('errors are told in the same words', async (t) => {
  const failing: [Change, RegExp][] = [
    [(spec) => edit(spec, { args: ['nonsense'] }), /error during container init: exec: "nonsense": executable file not found in \$PATH/],
    [(spec) => edit(spec, { cwd: '/proc/self/fd/7' }), /container init/],
    [(spec) => void spec.mounts?.push({ destination: '/proc/self', type: 'bind', source: '/etc', options: ['bind'] }), /inside \/proc/],
    [(spec) => void spec.mounts?.push({ destination: '/x', type: 'bind', source: '/no/such/file', options: ['bind'] }), /no such file/],
    [(spec) => edit(spec, { terminal: true }), /^cannot allocate tty if runc will detach/],
    [
      (spec) =>
        edit(spec, {}, { namespaces: [...namespaces(spec).filter(({ type }) => type !== 'ipc'), { type: 'ipc', path: '/no/such' }] }),
      /^failed to join the ipc namespace/,
    ],
    [
      (spec) =>
        edit(spec, {}, { namespaces: [...namespaces(spec).filter(({ type }) => type !== 'ipc'), { type: 'ipc', path: '/etc/passwd' }] }),
      /setns/,
    ],
    [(spec) => edit(spec, {}, { resources: { pids: { limit: 10 }, unified: { 'no.such': '1' } } }), /unified|no\.such/],
    [
      (spec) => {
        spec.hooks = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', 'echo refused >&2; exit 3'] }] };
      },
      /error running hook #0 of createRuntime: exit status 3.*refused/,
    ],
    [
      (spec) => {
        spec.hooks = { createContainer: [{ path: '/no/hook' }] };
      },
      /error running hook #0 of createContainer/,
    ],
  ];
  const all = await bothWays(
    t,
    failing.map(([change]): [Change] => [change]),
  );
  for (const [index, [, wording]] of failing.entries()) {
    const [prepared, fork] = all[index] ?? [];
    assert.match(prepared?.error ?? 'no error', wording);
    assert.equal(prepared?.error, fork?.error);
    assert.deepEqual(
      [prepared?.leaked, fork?.leaked],
      [
        [0, 0],
        [0, 0],
      ],
      prepared?.error,
    );
  }
});
