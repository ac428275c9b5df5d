import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonical, familiar, parseReference, parseRepositoryAndTag, type Reference, withDefaultTag } from './reference.ts';

const HEX = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('familiar names become full ones and back', () => {
  for (const [typed, full, short] of [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['docker.io/busybox:1', 'docker.io/library/busybox:1', 'busybox:1'],
    ['index.docker.io/team/app', 'docker.io/team/app:latest', 'team/app:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/a/b:v1.0', 'localhost:5000/a/b:v1.0', 'localhost:5000/a/b:v1.0'],
    ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x:latest'],
    [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
    [`r.io/x:t@sha256:${HEX}`, `r.io/x:t@sha256:${HEX}`, `r.io/x:t@sha256:${HEX}`],
  ] as const) {
    const reference = withDefaultTag(parseReference(typed));
    assert.equal(canonical(reference), full);
    assert.equal(familiar(reference), short);
  }
});

test('what is no reference is refused in the words that clients print', () => {
  for (const [typed, message] of [
    ['', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    ['-x', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['busybox:a b', 'invalid reference format'],
    ['Busybox', 'invalid reference format: repository name (library/Busybox) must be lowercase'],
    ['r.io/Team/x:1', 'invalid reference format: repository name (Team/x) must be lowercase'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    ['busybox@sha256:1234', 'invalid reference format'],
    [`busybox@sha1:${HEX}`, 'unsupported digest algorithm'],
    [`r.io/${'a'.repeat(256)}`, 'repository name must not be more than 255 characters'],
  ] as const) {
    assert.throws(() => parseReference(typed), { message, kind: 'InvalidArgument' }, typed);
  }
});

test('repository and tag as two parameters', () => {
  assert.equal(canonical(parseRepositoryAndTag('busybox', '1')), 'docker.io/library/busybox:1');
  assert.equal(canonical(parseRepositoryAndTag('busybox', `sha256:${HEX}`)), `docker.io/library/busybox@sha256:${HEX}`);
  assert.throws(() => parseRepositoryAndTag('busybox', 'a b'), { message: 'invalid tag format' });
});

test('every reference survives both of its forms', () => {
  const component = fc.stringMatching(/^[a-z0-9]{1,8}((\.|_|__|-{1,2})[a-z0-9]{1,4})?$/);
  const reference = fc.record<Reference>(
    {
      domain: fc.constantFrom('docker.io', 'localhost', 'localhost:5000', 'r.example.com', '[fe80::1]:80', 'UPPER'),
      // A first component with a dot would be taken for a host in the short form.
      path: fc
        .tuple(fc.stringMatching(/^[a-z0-9]{1,8}$/), fc.array(component, { minLength: 1, maxLength: 2 }))
        .map(([first, rest]) => [first, ...rest].join('/')),
      tag: fc.stringMatching(/^[\w][\w.-]{0,20}$/),
      digest: fc.constant<`sha256:${string}`>(`sha256:${HEX}`),
    },
    { requiredKeys: ['domain', 'path'], noNullPrototype: true },
  );
  fc.assert(
    fc.property(reference, (given) => {
      assert.deepEqual(parseReference(canonical(given)), given);
      assert.deepEqual(parseReference(familiar(given)), given);
    }),
  );
});

test('no text makes the parser do anything but answer or refuse', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
      try {
        const reference = withDefaultTag(parseReference(text));
        assert.deepEqual(parseReference(canonical(reference)), reference);
      } catch (error) {
        assert.equal((error as { kind?: string }).kind, 'InvalidArgument');
      }
    }),
  );
});
