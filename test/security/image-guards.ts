// What protects images' way in from the weaknesses and attacks of image-cve.test.ts, and what stands in its place without it. Where the
// protection is that nothing is done, `without` does what the others did.
import type { Change, Guard } from './unprotected.ts';

const TEST = 'test/security/image-cve.test.ts';
const guarding = (weakness: string, ...changes: Change[]): Guard => ({ weakness, test: TEST, changes });

const LAYER_WRITER = 'packages/lifecycle/src/diff/layer-writer.ts';
const MEMBER_NAME = 'packages/lifecycle/src/diff/member-name.ts';
const IMAGE_SPEC = 'packages/oci/src/image-spec.ts';

/** Links end inside the root that a member is placed below. */
const LEAVES_ROOT: Change = {
  file: 'packages/sys/src/byte-path.ts',
  guard: 'how[2] = BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);',
  without: 'how[2] = BigInt(RESOLVE_IN_ROOT & 0);',
};

export const IMAGE_GUARDS: readonly Guard[] = [
  guarding('CVE-2014-6407', LEAVES_ROOT),
  guarding('CVE-2014-9356', LEAVES_ROOT),
  guarding('CVE-2014-9357', {
    file: 'packages/lifecycle/src/diff/decompress.ts',
    guard: 'yield* gunzip(whole);',
    without: `process.getBuiltinModule('node:child_process').spawnSync('unpigz', ['--version']);
      yield* gunzip(whole);`,
  }),
  guarding('CVE-2021-21285', {
    file: IMAGE_SPEC,
    guard: "throw malformed('manifest holds a descriptor without a valid mediaType, digest or size');",
    without: '',
  }),
  guarding('CVE-2021-41091', {
    file: 'packages/daemon/src/main.ts',
    guard: 'chmodSync(dataRoot, 0o710);',
    without: 'chmodSync(dataRoot, 0o711);',
  }),
  guarding('CVE-2021-41092', {
    file: 'packages/cli/src/image/credentials.ts',
    guard: `  if (answer.error) {
    throw new EngineError('Unavailable',`,
    without: `  if (answer.error) {
    return { username: 'hub-user', password: 'hub-secret', serveraddress: registry };
    throw new EngineError('Unavailable',`,
  }),
  guarding('CVE-2024-24557', {
    // Every image as if the build had named it.
    file: 'packages/daemon/src/builds/build-image.ts',
    guard: 'parameters.cacheFrom.flatMap((name) => this.#images.catalog.find(name) ?? []);',
    without: 'this.#images.catalog.all();',
  }),
  guarding('names that climb out', {
    file: MEMBER_NAME,
    guard: 'else if (parts.pop() === undefined) {',
    without: 'else if (parts.pop() === undefined && parts.length > 0) {',
  }),
  guarding('device nodes of an image', {
    file: 'packages/daemon/src/containers/spec/devices.ts',
    guard: "{ allow: false, access: 'rwm' },",
    without: "{ allow: true, access: 'rwm' },",
  }),
  guarding('a name twice', {
    file: LAYER_WRITER,
    guard: 'this.#root.removeTree(this.#parent, base);',
    without: 'return result;',
  }),
  guarding('sizes that a manifest', {
    file: 'packages/oci/src/registry/repository.ts',
    guard: 'if (offset > descriptor.size) throw wrongSize(descriptor, offset);',
    without: '',
  }),
  guarding('what a small archive unpacks to', {
    // The whole layer at hand before the first of its files is written.
    file: 'packages/lifecycle/src/diff/decompress.ts',
    guard: 'yield* gunzip(whole);',
    without: `const chunks: Buffer[] = [];
      for await (const chunk of gunzip(whole)) chunks.push(Buffer.from(chunk));
      yield* chunks;`,
  }),
];
