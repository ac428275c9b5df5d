import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { heredocMarks, logicalLines } from './lines.ts';
import { parseDockerfile } from './parse.ts';
import { neededStages, stagesOf, targetStage } from './stages.ts';

const bodies = (source: string) => parseDockerfile(source).instructions.map(({ line: _line, original: _original, ...body }) => body);
const one = (source: string) => bodies(source)[0];

test('continuations, with comments and empty lines between', () => {
  const { lines } = logicalLines('RUN a \\\n  # not this\n\n  && b\nCMD c');
  assert.deepEqual(
    lines.map(({ number, text }) => [number, text]),
    [
      [1, 'RUN a   && b'],
      [5, 'CMD c'],
    ],
  );
});

test('an escape of its own, for paths with backslashes', () => {
  assert.deepEqual(
    logicalLines('# escape=`\nRUN a `\nb\\\nRUN c').lines.map(({ text }) => text),
    ['RUN a b\\', 'RUN c'],
  );
  assert.throws(() => logicalLines('# escape=x\nFROM a'), /line 1: invalid escape token 'x'/);
  assert.throws(() => logicalLines('# escape=`\n# escape=`\nFROM a'), /only one escape parser directive can be used/);
  // After the first comment or instruction it is a comment.
  assert.equal(logicalLines('# hello\n# escape=`\nFROM a').escapeToken, '\\');
});

test('here-documents', () => {
  assert.deepEqual(one('RUN <<EOF\necho a\n# kept\nEOF\n'), { kind: 'RUN', command: { form: 'shell', text: 'echo a\n# kept\n' } });
  assert.deepEqual(one('RUN <<-EOF\n\techo a\n\tEOF\n'), { kind: 'RUN', command: { form: 'shell', text: 'echo a\n' } });
  assert.deepEqual(one('RUN cat <<"A" - <<B\n1\nA\n2\nB'), {
    kind: 'RUN',
    command: { form: 'shell', text: 'cat <<"A" - <<B\n1\nA\n2\nB' },
  });
  const copy = one('COPY <<a.txt <<"EOF" /dir/\nx $y\nEOF');
  assert.equal(copy?.kind === 'COPY' && copy.heredocs.length, 1);
  assert.throws(() => one('RUN <<EOF\necho'), /line 1: unterminated heredoc EOF/);
  assert.deepEqual(heredocMarks('echo "<<NO" <<<word <<YES'), [{ name: 'YES', chomp: false, literal: false }]);
});

test('shell and exec forms', () => {
  assert.deepEqual(one('CMD ["a", "b"]'), { kind: 'CMD', command: { form: 'exec', args: ['a', 'b'] } });
  assert.deepEqual(one("CMD ['a']"), { kind: 'CMD', command: { form: 'shell', text: "['a']" } });
  assert.deepEqual(one('ENTRYPOINT exec top -b'), { kind: 'ENTRYPOINT', command: { form: 'shell', text: 'exec top -b' } });
});

test('names and values', () => {
  assert.deepEqual(one('ENV A=1 B="2 3" C=4\\ 5'), {
    kind: 'ENV',
    pairs: [
      { name: 'A', value: '1' },
      { name: 'B', value: '"2 3"' },
      { name: 'C', value: '4\\ 5' },
    ],
  });
  assert.deepEqual(one('ENV A the rest of = it'), { kind: 'ENV', pairs: [{ name: 'A', value: 'the rest of = it' }] });
  assert.throws(() => one('ENV A'), /line 1: ENV must have two arguments/);
  assert.throws(() => one('LABEL a=b c'), /can't find = in "c". Must be of the form: name=value/);
});

test('flags', () => {
  const copy = one('COPY --chown=1:2 --chmod=755 --from=x --link --exclude=*.o a b /c/');
  assert.ok(copy?.kind === 'COPY');
  assert.deepEqual(
    [copy.chown, copy.chmod, copy.from, copy.exclude, copy.sources, copy.destination],
    ['1:2', '755', 'x', ['*.o'], ['a', 'b'], '/c/'],
  );
  assert.throws(() => one('COPY --chwon=1 a b'), /line 1: unknown flag: --chwon/);
  assert.throws(() => one('RUN --mount=type=cache x'), /the --mount option requires BuildKit/);
  assert.throws(() => one('COPY --from=a --from=b x y'), /duplicate flag specified: --from/);
});

test('health checks', () => {
  const check = one('HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f http://localhost/');
  assert.ok(check?.kind === 'HEALTHCHECK');
  assert.deepEqual([check.test, check.interval, check.retries], [['CMD-SHELL', 'curl -f http://localhost/'], 90e9, 3]);
  assert.throws(() => one('HEALTHCHECK --interval=1x CMD a'), /invalid duration "1x"/);
  assert.throws(() => one('HEALTHCHECK WHAT a'), /Unknown type "WHAT" in HEALTHCHECK \(try CMD\)/);
});

test('errors name the line', () => {
  assert.throws(() => bodies('FROM a\n\nFOO bar'), { message: 'dockerfile parse error on line 3: unknown instruction: FOO' });
  assert.throws(() => bodies('FROM a b'), /FROM requires either one or three arguments/);
  assert.throws(() => bodies('COPY a'), /COPY requires at least two arguments, but only one was provided/);
  assert.throws(() => bodies('ONBUILD ONBUILD RUN a'), /Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed/);
  assert.throws(() => stagesOf(parseDockerfile('RUN a')), /no build stage in current context/);
});

test('stages that the target does not need are left out', () => {
  const staged = stagesOf(
    parseDockerfile(
      'FROM a AS one\nFROM b AS two\nFROM c AS Three\nCOPY --from=one x y\nFROM one AS four\nFROM scratch\nCOPY --from=2 x y\n',
    ),
  );
  const needed = (target: string) =>
    neededStages(staged.stages, targetStage(staged.stages, target), (stage) => stage.from.image).map(({ index }) => index);
  assert.deepEqual(needed(''), [0, 2, 4]);
  assert.deepEqual(needed('THREE'), [0, 2]);
  assert.deepEqual(needed('four'), [0, 3]);
  assert.throws(() => needed('nope'), /target stage "nope" could not be found/);
});

test('no text makes the parser fail but with an error of its own', () => {
  const word = fc.constantFrom(
    'FROM',
    'RUN',
    'COPY',
    'ENV',
    'a',
    '"',
    "'",
    '\\',
    '\n',
    ' ',
    '<<E',
    'E\n',
    '$',
    '{',
    '#',
    '--x=',
    '[',
    ']',
    '\t',
    '=',
  );
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 30 }).map((words) => words.join('')),
      (source) => {
        try {
          parseDockerfile(source);
        } catch (error) {
          assert.equal((error as Error).name, 'EngineError');
        }
      },
    ),
  );
});
