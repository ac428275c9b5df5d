// Configurations at random. Whatever is wrong with one, the runtime ends in one line that names the field, with exit code 1, and leaves
// nothing. In process many thousand of them, through the command a sample: BERTH_FUZZ_ROUNDS and BERTH_FUZZ_COMMANDS set how many.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Process, Spec } from '@berth/oci/runtime-spec';
import { validateSpec } from '@berth/runtime/bundle';
import { hierarchies } from '@berth/runtime/cgroup/hierarchy';
import { applyLimits } from '@berth/runtime/cgroup/limits-v2';
import { openCgroup } from '@berth/runtime/cgroup/open';
import { planInit } from '@berth/runtime/init-plan';
import { planNamespaces } from '@berth/runtime/namespaces';
import { UndoStack } from '@berth/runtime/undo';
import fc from 'fast-check';
import { FIELDS, hostile, type Malformed, malformed } from './config-arbitrary.ts';
import { IS_BERTH, Laboratory } from './laboratory.ts';

const ROUNDS = Number(process.env.BERTH_FUZZ_ROUNDS ?? 5000);
const COMMANDS = Number(process.env.BERTH_FUZZ_COMMANDS ?? 25);

/** The error of a check, which has to be one that was meant. */
function errorOf(action: () => unknown): EngineError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    assert.ok(error instanceof EngineError, `${(error as Error).stack}`);
    assert.doesNotMatch(error.message, /\n/);
    return error;
  }
}

describe('in process', () => {
  const scratch = mkdtempSync('/tmp/berth-fuzz-');
  after(() => rmSync(scratch, { recursive: true }));

  test(`a wrong value in any of ${FIELDS.length} fields is refused by the name of the field`, () => {
    fc.assert(
      fc.property(malformed, ({ path, document }) => {
        const error = errorOf(() => validateSpec(structuredClone(document) as Spec));
        assert.ok(error, `accepted: ${path}`);
        assert.equal(error.kind, 'InvalidArgument');
        assert.equal(error.details.field, path, error.message);
        assert.ok(error.message.startsWith(`config.json: ${path || 'the document'} `), error.message);
      }),
      { numRuns: ROUNDS },
    );
  });

  test('what is of the right form is refused in one line, or can be planned', () => {
    const mounted = hierarchies();
    let planned = 0;
    fc.assert(
      fc.property(hostile, (document) => {
        const spec = structuredClone(document);
        const refused = errorOf(() => {
          validateSpec(spec);
          using descriptors = new UndoStack();
          const cgroup = openCgroup({ id: 'fuzz', cgroupsPath: spec.linux?.cgroupsPath, hierarchies: mounted });
          for (const path of Object.values(cgroup.location.paths)) assert.match(path, /^\/sys\/fs\/cgroup\/(?!.*\/\.\.?(\/|$))/);
          const options = { id: 'fuzz', bundle: scratch, root: scratch, stdio: { stdin: 0, stdout: 1, stderr: 2 } };
          const process = { ...spec.process, terminal: false } as Process;
          planInit(options, spec, process, { gate: -1, cgroup, namespaces: planNamespaces(spec.linux, descriptors), mounted });
        });
        if (!refused) planned++;
        // No file is there to write to: a value never gets that far, a file's name never leads elsewhere.
        if (!refused) errorOf(() => applyLimits(scratch, spec.linux?.resources ?? {}));
        assert.deepEqual(
          readdirSync(scratch).filter((name) => name !== '@filters'),
          [],
        );
      }),
      { numRuns: ROUNDS / 5 },
    );
    assert.ok(planned > ROUNDS / 20, `only ${planned} were planned: the test says little`);
  });
});

/** Depths and sizes that chance does not find. */
const SPECIAL: readonly Malformed[] = [
  { path: 'config.json is not valid JSON', document: '{"ociVersion": \n' },
  { path: 'config.json: the document', document: '[]' },
  { path: 'config.json: the document', document: 'null' },
  {
    path: 'config.json: deep',
    document: JSON.stringify({ ociVersion: '1.0.2' }).replace('}', `,"deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
  },
  { path: 'hostname', document: { ociVersion: '1.0.2', hostname: { name: 'x'.repeat(1 << 20) } } },
  {
    path: 'linux.resources.hugepageLimits[0].pageSize',
    document: withLinux({ resources: { hugepageLimits: [{ pageSize: '../x', limit: 1 }] } }),
  },
  { path: 'cgroupsPath', document: withLinux({ cgroupsPath: '/../..' }) },
  { path: '"/x"', document: withMounts([{ destination: '/x', type: 'no-such-type', source: 'x' }]) },
  { path: 'process.oomScoreAdj', document: withProcess({ oomScoreAdj: 1e9 }) },
  { path: 'process.user.uid', document: withProcess({ user: { uid: 2 ** 32 - 1, gid: 0 } }) },
  {
    path: 'linux.uidMappings',
    document: withLinux({ namespaces: [{ type: 'mount' }, { type: 'user' }], uidMappings: overlapping(), gidMappings: overlapping() }),
  },
];

function overlapping() {
  return [0, 0].map((containerID) => ({ containerID, hostID: 0, size: 1 }));
}

function minimal(): Spec {
  return {
    ociVersion: '1.0.2',
    root: { path: 'rootfs' },
    process: { cwd: '/', args: ['/bin/true'] },
    linux: { namespaces: [{ type: 'mount' }] },
  };
}

function withLinux(linux: Spec['linux']): Spec {
  return { ...minimal(), linux: { ...minimal().linux, ...linux } };
}

function withMounts(mounts: Spec['mounts']): Spec {
  return { ...minimal(), mounts };
}

function withProcess(process: Partial<Process>): Spec {
  return { ...minimal(), process: { cwd: '/', args: ['/bin/true'], ...process } };
}

describe('through the command', { skip: IS_BERTH ? false : 'the wording is ours' }, () => {
  const laboratory = new Laboratory();
  after(() => laboratory.close());
  const bundle = laboratory.bundle('true');
  const log = join(laboratory.directory, 'log.json');
  /** Other tests mount too. */
  const mounts = () =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(laboratory.directory));

  /** Creates, and looks at what is there afterwards. The line that it ended in, or undefined when it went well. */
  function create(text: string): string | undefined {
    const id = laboratory.id();
    writeFileSync(join(bundle, 'config.json'), text);
    rmSync(log, { force: true });
    const { code, stdout, stderr } = laboratory.runtime(['--log', log, '--log-format', 'json', 'create', '-b', bundle, id]);
    if (code === 0) assert.equal(laboratory.runtime(['delete', '--force', id]).code, 0);
    assert.equal(existsSync(join(laboratory.root, id)), false, 'the state directory');
    assert.deepEqual(cgroupsNamed(id), [], 'its cgroups');
    assert.deepEqual(processesNaming(id), [], 'its processes');
    assert.deepEqual(mounts(), [], 'its mounts');
    if (code === 0) return undefined;
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^[^\n]+\n$/, 'one line');
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    const last = JSON.parse(lines.at(-1) ?? '') as { level: string; msg: string };
    assert.deepEqual([last.level, last.msg], ['error', stderr.trimEnd()]);
    return last.msg;
  }

  for (const [index, { path, document }] of SPECIAL.entries()) {
    test(`special ${index}: ${path}`, () => {
      const line = create(typeof document === 'string' ? document : JSON.stringify(document)) ?? assert.fail('accepted');
      assert.ok(line.includes(path), line);
      assert.ok(line.length < 10_000);
    });
  }

  test(`${COMMANDS} malformed ones`, () => {
    for (const { path, document } of fc.sample(malformed, COMMANDS)) {
      const line = create(JSON.stringify(document)) ?? assert.fail(`accepted: ${path}`);
      assert.ok(line.includes(`config.json: ${path || 'the document'} `), line);
    }
  });

  test(`${COMMANDS} of the right form`, () => {
    for (const document of fc.sample(hostile, COMMANDS)) {
      // Not with the machine's own namespaces, cgroups and programs at chance's mercy.
      const { hooks: _hooks, ...rest } = document;
      const linux = { ...rest.linux, namespaces: minimal().linux?.namespaces, sysctl: {}, cgroupsPath: '' } as NonNullable<Spec['linux']>;
      create(JSON.stringify({ ...rest, root: { path: 'rootfs' }, hostname: '', domainname: '', linux: { ...linux, timeOffsets: {} } }));
    }
  });
});

function cgroupsNamed(id: string): string[] {
  return hierarchies()
    .map(({ mountpoint }) => join(mountpoint, id))
    .filter((path) => existsSync(path));
}

function processesNaming(id: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id);
    } catch {
      return false;
    }
  });
}
