// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are variables of Dockerfiles
// Builds through the docker client against a daemon of the test's own.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Berthd } from '../harness/berthd.ts';
import type { Result } from '../harness/programs.ts';
import { tar } from '../harness/tar-archive.ts';

let daemon: Berthd;
before(async () => {
  daemon = await Berthd.start();
  await daemon.importBusybox();
});
after(() => daemon[Symbol.asyncDispose]());

type Files = Parameters<typeof tar>[0];

function build(dockerfile: string, files: Files = [], ...flags: string[]): Promise<Result> {
  const input = tar([{ name: 'Dockerfile', body: dockerfile }, ...files]);
  return daemon.docker(['build', ...flags, '-'], { input });
}

async function built(dockerfile: string, files: Files = [], ...flags: string[]): Promise<string> {
  const result = await build(dockerfile, files, '-q', ...flags);
  assert.equal(result.code, 0, result.stdout + result.stderr);
  return result.stdout.trim();
}

/** What a shell command says in a container of the image. */
async function inside(image: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(['run', '--rm', '--network', 'none', '--entrypoint', 'sh', image, '-c', script]);
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

async function config(image: string): Promise<Record<string, unknown>> {
  const { stdout } = await daemon.docker(['image', 'inspect', '--format', '{{json .Config}}', image]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('the words of a build, and the cache in the second one', async () => {
  const dockerfile = 'FROM busybox\nARG WHO=world\nRUN echo hello $WHO | tee /greeting\nCMD ["cat", "/greeting"]\n';
  const first = await build(dockerfile, [], '-t', 'words');
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /Step 1\/4 : FROM busybox\n ---> [0-9a-f]{12}\nStep 2\/4 : ARG WHO=world\n/);
  assert.match(
    first.stdout,
    /Step 3\/4 : RUN .*\n ---> Running in [0-9a-f]{12}\nhello world\n ---> Removed intermediate container [0-9a-f]{12}\n ---> [0-9a-f]{12}\n/,
  );
  assert.match(first.stdout, /Successfully built [0-9a-f]{12}\nSuccessfully tagged words:latest\n$/);
  const second = await build(dockerfile, [], '-t', 'words');
  assert.equal(second.stdout.match(/ ---> Using cache\n/g)?.length, 3);
  assert.equal(/Successfully built (\w+)/.exec(second.stdout)?.[1], /Successfully built (\w+)/.exec(first.stdout)?.[1]);
  const other = await build(dockerfile, [], '--build-arg', 'WHO=you', '--build-arg', 'NOBODY=1');
  assert.match(other.stdout, /hello you\n/);
  assert.match(other.stdout, /\[Warning\] One or more build-args \[NOBODY\] were not consumed/);
  assert.equal((await daemon.docker(['run', '--rm', '--network', 'none', 'words'])).stdout, 'hello world\n');
  assert.equal((await daemon.docker(['ps', '-aq'])).stdout, '');
});

test("a command that fails: its code is the client's", async () => {
  const result = await build('FROM busybox\nRUN echo before; exit 7\n', [], '--force-rm');
  assert.equal(result.code, 7);
  assert.match(result.stdout, /\nbefore\n/);
  assert.match(result.stderr, /The command '\/bin\/sh -c echo before; exit 7' returned a non-zero code: 7/);
  assert.equal((await daemon.docker(['ps', '-aq'])).stdout, '');
});

test('configuration', async () => {
  const image = await built(
    [
      'FROM busybox',
      'ENV A=1 B="two words" C=$A',
      'ENV C=${C:-none}-${NONE:-default} D=$C',
      'LABEL a.b="c d" e=f',
      'EXPOSE 80 53/udp 8000-8001',
      'VOLUME /data',
      'USER nobody',
      'STOPSIGNAL SIGINT',
      'SHELL ["/bin/sh", "-ec"]',
      'HEALTHCHECK --interval=5s CMD true',
      'ONBUILD RUN echo child',
      'ENTRYPOINT ["echo"]',
      'CMD plain text',
    ].join('\n'),
    [],
    '--label',
    'from=flag',
  );
  const { Env, Labels, ExposedPorts, Volumes, User, StopSignal, Shell, Healthcheck, OnBuild, Entrypoint, Cmd } = await config(image);
  assert.deepEqual((Env as string[]).slice(-4), ['A=1', 'B=two words', 'C=none-default', 'D=']);
  assert.deepEqual(Labels, { 'a.b': 'c d', e: 'f', from: 'flag' });
  assert.deepEqual(Object.keys(ExposedPorts as object).sort(), ['53/udp', '80/tcp', '8000/tcp', '8001/tcp']);
  assert.deepEqual(Volumes, { '/data': {} });
  assert.deepEqual([User, StopSignal, Shell], ['nobody', 'SIGINT', ['/bin/sh', '-ec']]);
  assert.deepEqual(Healthcheck, { Test: ['CMD-SHELL', 'true'], Interval: 5e9 });
  assert.deepEqual([OnBuild, Entrypoint, Cmd], [['RUN echo child'], ['echo'], ['/bin/sh', '-ec', 'plain text']]);
  const child = await build(`FROM ${image}\nUSER root\n`);
  assert.match(child.stdout, /# Executing 1 build trigger\n[\s\S]*\nchild\n/);
});

test('stages: copied from, built on, and left out when not needed', async () => {
  const dockerfile = [
    'ARG BASE=busybox',
    'FROM ${BASE} AS compile',
    'RUN mkdir -p /out/bin && echo tool > /out/bin/tool && ln /out/bin/tool /out/bin/twin && ln -s tool /out/bin/link',
    'FROM busybox AS unused',
    'RUN exit 1',
    'FROM compile AS test',
    'RUN cat /out/bin/tool > /tested',
    'FROM scratch AS final',
    'COPY --from=compile /out /',
    'COPY --from=busybox /bin/busybox /bin/sh',
    'COPY --from=busybox /bin/busybox /bin/ls',
    'COPY --from=busybox /bin/busybox /bin/cat',
  ].join('\n');
  const image = await built(dockerfile);
  assert.equal(await inside(image, 'cat /bin/link; test /bin/tool -ef /bin/twin && echo one file'), 'tool\none file\n');
  const target = await built(dockerfile, [], '--target', 'test');
  assert.equal(await inside(target, 'cat /tested'), 'tool\n');
  const missing = await build(dockerfile, [], '--target', 'nope');
  assert.match(missing.stderr, /target stage "nope" could not be found/);
});

test('COPY: files, directories, wildcards, owners and modes', async () => {
  const files: Files = [
    { name: 'a.txt', body: 'a' },
    { name: 'b.txt', body: 'b' },
    { name: 'c.log', body: 'c' },
    { name: 'dir/' },
    { name: 'dir/inner', body: 'inner', mode: 0o751 },
    { name: 'dir/link', linkTo: '../../../../etc/passwd' },
    { name: '.dockerignore', body: '*.log\n' },
  ];
  const dockerfile = [
    'FROM busybox',
    'RUN mkdir /run && mkdir -p /var && ln -s /run /var/run && echo old > /run/old && echo "web:x:500:600::/:" >> /etc/passwd',
    'WORKDIR /work',
    'COPY *.txt texts/',
    'COPY a.txt renamed',
    'COPY dir dir',
    'COPY --chown=web --chmod=640 a.txt /owned',
    'COPY --chown=7:8 dir /var/run/',
    'COPY <<EOF /made',
    'hello $HOME',
    'EOF',
    'COPY . /all/',
  ].join('\n');
  const image = await built(dockerfile, files);
  const listing = await inside(
    image,
    'cd /work; cat texts/a.txt texts/b.txt renamed dir/inner; echo; stat -c "%a %u:%g %n" /owned dir/inner /run/inner /run/old; ls -l /var/run | cut -c1; readlink dir/link; cat /made; ls -A /all',
  );
  assert.equal(
    listing,
    'abainner\n640 500:600 /owned\n751 0:0 dir/inner\n751 7:8 /run/inner\n644 0:0 /run/old\nl\n../../../../etc/passwd\nhello \n.dockerignore\nDockerfile\na.txt\nb.txt\ndir\n',
  );
});

test('COPY: what is wrong is said as dockerd says it', async () => {
  const fails = async (line: string, message: RegExp, files: Files = []) => {
    const { code, stderr } = await build(`FROM busybox\n${line}\n`, files);
    assert.equal(code, 1);
    assert.match(stderr, message);
  };
  await fails(
    'COPY nothing /',
    /COPY failed: file not found in build context or excluded by .dockerignore: stat nothing: file does not exist/,
  );
  await fails('COPY ../../etc/passwd /', /COPY failed: forbidden path outside the build context: \.\.\/\.\.\/etc\/passwd \(\)/);
  await fails('COPY *.nothing /', /COPY failed: no source files were specified/);
  await fails('COPY a b /x', /When using COPY with more than one source file, the destination must be a directory and end with a \//, [
    { name: 'a' },
    { name: 'b' },
  ]);
  await fails('COPY evil /x', /stat evil: file does not exist/, [{ name: 'evil', linkTo: '/etc/shadow' }]);
  await fails('COPY --from=0 /nothing /', /invalid from flag value 0: refers to current build stage/);
  await fails('COPY --chown=nobodyknows Dockerfile /', /can't find uid for user nobodyknows/);
});

test('a context cannot write outside of itself', async () => {
  const { code, stderr } = await build('FROM busybox\n', [{ name: '../../escaped', body: 'x' }]);
  assert.equal(code, 1);
  assert.match(stderr, /name outside of its root/);
  const image = await built('FROM busybox\nCOPY d /d\n', [
    { name: 'd', linkTo: '/tmp' },
    { name: 'tmp/' },
    { name: 'd/f', body: 'kept inside' },
  ]);
  assert.equal(await inside(image, 'cat /d/f'), 'kept inside');
});

test('files by the hundred, which threads unpack and copy: links, modes and odd names among them', async () => {
  const many = Array.from({ length: 400 }, (_, n) => {
    return { name: `dir-${n % 7}/file-${n}`, body: `${n} `.repeat(200), mode: n % 2 ? 0o755 : 0o640 };
  });
  const files: Files = [...many, { name: 'pointer', linkTo: 'dir-1/file-1' }, { name: 'für ☃', body: 'odd' }];
  const dockerfile = [
    'FROM busybox',
    'COPY --chown=3:4 . /all',
    'RUN cd /all && ln dir-0/file-0 twin && ln dir-0/file-0 dir-1/twin && chmod 6711 dir-2/file-2',
    'FROM busybox',
    'COPY --from=0 /all /all',
  ];
  const image = await built(`${dockerfile.join('\n')}\n`, files);
  const seen = await inside(
    image,
    "cd /all; find . -type f | wc -l; stat -c '%a %u:%g %h' twin dir-1/file-1 dir-2/file-2; readlink pointer; cat 'für ☃'; cat dir-*/file-* | wc -c",
  );
  const bytes = many.reduce((sum, { body }) => sum + body.length, 0);
  assert.equal(seen, `404\n640 3:4 3\n755 3:4 1\n6711 3:4 1\ndir-1/file-1\nodd${bytes}\n`);
});

test('links in an image lead to places in that image', async () => {
  const image = await built('FROM busybox\nRUN ln -s /etc /out && ln -s ../../../../tmp /up\nCOPY f /out/berth-was-here\nCOPY f /up/\n', [
    { name: 'f', body: 'x' },
  ]);
  assert.equal(await inside(image, 'cat /etc/berth-was-here /tmp/f'), 'xx');
});

test('ADD unpacks archives, COPY does not', async () => {
  const archive = tar([{ name: 'top/' }, { name: 'top/file', body: 'packed' }]);
  const files: Files = [
    { name: 'x.tar', body: archive },
    { name: 'x.tgz', body: gzipSync(archive) },
  ];
  const image = await built('FROM busybox\nADD x.tar /plain/\nADD x.tgz /zipped\nCOPY x.tgz /copied\n', files);
  assert.equal(await inside(image, 'cat /plain/top/file /zipped/top/file; test -f /copied && echo " file"'), 'packedpacked file\n');
});

test('ADD of an address: the file as it is, with its time', async () => {
  const server = createServer(({ url }, response) => {
    response.writeHead(url === '/dir/file.txt' ? 200 : 404, { 'Last-Modified': 'Mon, 02 Jan 2006 15:04:05 GMT' });
    response.end('fetched');
  });
  // With a host it would listen only after a look-up, when this thread is back in its own network.
  await new Promise<void>((resolve) => daemon.inNetwork(() => server.listen(0, resolve)));
  try {
    const { port } = server.address() as AddressInfo;
    const image = await built(`FROM busybox\nADD http://127.0.0.1:${port}/dir/file.txt /into/\n`);
    assert.equal(await inside(image, 'cat /into/file.txt; stat -c " %a %Y" /into/file.txt'), 'fetched 600 1136214245\n');
    const missing = await build(`FROM busybox\nADD http://127.0.0.1:${port}/nothing /x\n`);
    assert.match(missing.stderr, /ADD failed: failed to GET http:.*\/nothing with status 404/);
  } finally {
    server.close();
  }
});

test('shell forms, here-documents and working directories', async () => {
  const image = await built(
    'FROM busybox\nWORKDIR /a\nWORKDIR b\nRUN <<EOF\npwd > where\necho "$HOME" >> where\nEOF\nRUN ["sh", "-c", "echo exec >> where"]\nRUN cat > from <<X\nfed\nX\n',
  );
  assert.equal(await inside(image, 'cat /a/b/where /a/b/from'), '/a/b\n/root\nexec\nfed\n');
});

test('the cache sees files, not times', async () => {
  const dockerfile = 'FROM busybox\nCOPY f /f\nRUN cat /f\n';
  await build(dockerfile, [{ name: 'f', body: 'one' }]);
  assert.equal((await build(dockerfile, [{ name: 'f', body: 'one' }])).stdout.match(/Using cache/g)?.length, 2);
  assert.doesNotMatch((await build(dockerfile, [{ name: 'f', body: 'two' }])).stdout, /Using cache/);
  assert.doesNotMatch((await build(dockerfile, [{ name: 'f', body: 'one' }], '--no-cache')).stdout, /Using cache/);
});

test('layers are taken over from an image that is named as a cache', async () => {
  const dockerfile = 'FROM busybox\nWORKDIR /w\nRUN echo $RANDOM > made\nCOPY f .\nCMD ["cat", "made", "f"]\n';
  const files: Files = [{ name: 'f', body: 'file' }];
  const first = await built(dockerfile, files, '-t', 'source', '--no-cache');
  assert.equal((await daemon.docker(['builder', 'prune', '-af'])).code, 0);
  const again = await build(dockerfile, files, '--cache-from', 'source');
  assert.equal(again.stdout.match(/Using cache/g)?.length, 4);
  assert.match(again.stdout, new RegExp(`Successfully built ${first.slice('sha256:'.length, 'sha256:'.length + 12)}`));
  const changed = await build(dockerfile, [{ name: 'f', body: 'other' }], '--cache-from', 'source', '--cache-from', 'nothing');
  assert.equal(changed.stdout.match(/Using cache/g)?.length, 2);
});

test('what cannot be parsed is refused before anything is done', async () => {
  const refused = async (dockerfile: string, message: RegExp) => {
    const { code, stderr } = await build(dockerfile);
    assert.equal(code, 1);
    assert.match(stderr, message);
  };
  await refused('FROM busybox\nFOO bar\n', /dockerfile parse error on line 2: unknown instruction: FOO/);
  await refused('\n', /the Dockerfile \(Dockerfile\) cannot be empty/);
  await refused('RUN true\n', /no build stage in current context/);
  const missing = await build('FROM busybox\n', [], '-f', 'Other');
  assert.match(missing.stderr, /Cannot locate specified Dockerfile: Other/);
  const name = await build('FROM busybox\n', [], '-t', 'UPPER');
  assert.match(name.stderr, /invalid reference format: repository name .*must be lowercase/);
});

test('a new image takes the name, the old one stays without', async () => {
  const first = await built('FROM busybox\nLABEL n=1\n', [], '-t', 'taken:1', '-t', 'second');
  const second = await built('FROM busybox\nLABEL n=2\n', [], '-t', 'taken:1');
  assert.equal((await daemon.docker(['images', '-q', '--no-trunc', 'taken:1'])).stdout.trim(), second);
  assert.equal((await daemon.docker(['images', '-q', '--no-trunc', 'second'])).stdout.trim(), first);
});

test('a client that goes away takes its build along', async () => {
  const controller = new AbortController();
  const input = tar([{ name: 'Dockerfile', body: 'FROM busybox\nRUN echo started; sleep 60\n' }]);
  const running = fetchBuild(input, controller.signal);
  while ((await daemon.docker(['ps', '-q'])).stdout === '') await new Promise((resolve) => setTimeout(resolve, 20));
  controller.abort();
  await running;
  for (let waited = 0; (await daemon.docker(['ps', '-aq'])).stdout !== ''; waited++) {
    assert.ok(waited < 100, 'the container of the cancelled build is still there');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test('a daemon that is killed in a build clears up when it starts again', async () => {
  const input = tar([{ name: 'Dockerfile', body: 'FROM busybox\nRUN sleep 60\n' }]);
  const running = fetchBuild(input, new AbortController().signal);
  while ((await daemon.docker(['ps', '-q'])).stdout === '') await new Promise((resolve) => setTimeout(resolve, 20));
  await daemon.kill();
  await running;
  await daemon.launch();
  for (let waited = 0; (await daemon.docker(['ps', '-aq'])).stdout !== ''; waited++) {
    assert.ok(waited < 100, 'the container of the abandoned build is still there');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual(
    readdirSync(join(daemon.dataRoot, 'builder')).filter((name) => name === 'contexts'),
    [],
  );
  await built('FROM busybox\nRUN true\n');
});

test('pruning forgets the cache and keeps the images', async () => {
  const dockerfile = 'FROM busybox\nRUN echo kept > /kept\n';
  const image = await built(dockerfile, [], '-t', 'kept');
  assert.equal((await daemon.docker(['builder', 'prune', '-af'])).code, 0);
  assert.equal(await inside('kept', 'cat /kept'), 'kept\n');
  assert.doesNotMatch((await build(dockerfile)).stdout, /Using cache/);
  assert.equal((await daemon.docker(['images', '-q', '--no-trunc', 'kept'])).stdout.trim(), image);
});

/** A build request that can be broken off. */
async function fetchBuild(body: Buffer, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const call = request(
      { socketPath: daemon.socket, method: 'POST', path: '/v1.43/build', headers: { 'Content-Type': 'application/x-tar' }, signal },
      (response) => {
        response.resume();
        response.once('close', resolve);
        response.once('error', () => resolve());
      },
    );
    call.once('error', () => resolve());
    call.end(body);
  });
}

test('pruning by age and by size: what is younger, or fits, stays in the cache', async () => {
  const cached = async (word: string) =>
    (await build(`FROM busybox\nRUN head -c 100000 /dev/zero >${word}\n`)).stdout.includes('Using cache');
  const prune = async (...flags: string[]) => {
    const { code, stdout, stderr } = await daemon.berth(['builder', 'prune', '-f', ...flags]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await prune('-a');
  await cached('old');
  const between = new Date().toISOString();
  await cached('young');
  // Unnamed, so that the cache alone keeps them.
  await daemon.docker(['image', 'prune', '-f']);
  assert.equal(await prune('--filter', 'until=24h'), 'Total reclaimed space: 0B\n');
  assert.equal(await prune('--filter', 'label=x'), 'Total reclaimed space: 0B\n');
  assert.equal(await prune('--keep-storage', '1g'), 'Total reclaimed space: 0B\n');
  assert.match(
    await prune('--filter', `until=${between}`),
    /^Deleted build cache objects:\n[0-9a-f]{64}\n\nTotal reclaimed space: 1\d\d(\.\d)?kB\n$/,
  );
  assert.equal(await cached('young'), true);
  assert.equal(await cached('old'), false);
  await daemon.docker(['image', 'prune', '-f']);
  // `young` has been used before `old` was made again.
  assert.match(await prune('--keep-storage', '150k'), /^Deleted build cache objects:\n[0-9a-f]{64}\n/);
  assert.equal(await cached('old'), true);
  assert.equal(await cached('young'), false);
});
