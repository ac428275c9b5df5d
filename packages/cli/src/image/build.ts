// `berth build`
import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { humanSize, parseSize } from '@berth/api/units';
import { buildImage } from '@berth/client/build/build';
import { parseReference } from '@berth/oci/reference';
import type { Command, Flags } from '../command.ts';
import type { Context } from '../context.ts';
import { ExitError } from '../exit.ts';
import { type Arguments, invalid } from '../parse.ts';
import { labelsOf, pair } from '../run-flags/environment.ts';
import { buildContext } from './build-context.ts';
import { allCredentials } from './credentials.ts';
import { showProgress } from './progress.ts';

const FLAGS: Flags = {
  'add-host': { type: 'string', array: true, description: 'Add a custom host-to-IP mapping ("host:ip")' },
  'build-arg': { type: 'string', array: true, description: 'Set build-time variables' },
  'cache-from': { type: 'string', array: true, description: 'Images to consider as cache sources' },
  'cgroup-parent': { type: 'string', description: 'Set the parent cgroup for the "RUN" instructions during build' },
  compress: { type: 'boolean', description: 'Compress the build context using gzip' },
  'cpu-period': { type: 'number', description: 'Limit the CPU CFS (Completely Fair Scheduler) period' },
  'cpu-quota': { type: 'number', description: 'Limit the CPU CFS (Completely Fair Scheduler) quota' },
  'cpu-shares': { type: 'number', alias: 'c', description: 'CPU shares (relative weight)' },
  'cpuset-cpus': { type: 'string', description: 'CPUs in which to allow execution (0-3, 0,1)' },
  'cpuset-mems': { type: 'string', description: 'MEMs in which to allow execution (0-3, 0,1)' },
  'disable-content-trust': { type: 'boolean', description: 'Skip image verification', hidden: true },
  file: { type: 'string', alias: 'f', description: 'Name of the Dockerfile (Default is "PATH/Dockerfile")' },
  'force-rm': { type: 'boolean', description: 'Always remove intermediate containers' },
  iidfile: { type: 'string', description: 'Write the image ID to the file' },
  label: { type: 'string', array: true, description: 'Set metadata for an image' },
  memory: { type: 'string', alias: 'm', description: 'Memory limit' },
  'memory-swap': { type: 'string', description: 'Swap limit equal to memory plus swap: -1 to enable unlimited swap' },
  network: { type: 'string', description: 'Set the networking mode for the RUN instructions during build' },
  'no-cache': { type: 'boolean', description: 'Do not use cache when building the image' },
  platform: { type: 'string', description: 'Set platform if server is multi-platform capable' },
  pull: { type: 'boolean', description: 'Always attempt to pull a newer version of the image' },
  quiet: { type: 'boolean', alias: 'q', description: 'Suppress the build output and print image ID on success' },
  rm: { type: 'boolean', description: 'Remove intermediate containers after a successful build (default true)' },
  'shm-size': { type: 'string', description: 'Size of "/dev/shm"' },
  tag: { type: 'string', array: true, alias: 't', description: 'Name and optionally a tag in the "name:tag" format' },
  target: { type: 'string', description: 'Set the target build stage to build.' },
  ulimit: { type: 'string', array: true, description: 'Ulimit options' },
};

export const command: Command = {
  usage: 'build [OPTIONS] PATH | URL | -',
  description: 'Build an image from a Dockerfile',
  flags: FLAGS,
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const quiet = args.boolean('quiet');
    for (const tag of args.list('tag')) checkTag(tag);
    const source = await buildContext(args.at(0), args.string('file'));
    const proxies = Object.values(context.config.proxies ?? {})[0] ?? {};
    const proxyArgs = Object.fromEntries(
      Object.entries({
        HTTP_PROXY: proxies.httpProxy,
        HTTPS_PROXY: proxies.httpsProxy,
        NO_PROXY: proxies.noProxy,
        FTP_PROXY: proxies.ftpProxy,
      }).filter(([, value]) => value),
    ) as Record<string, string>;
    let id = '';
    const messages = buildImage(context.engine, {
      ...(source.stream ? { context: sent(context, source.stream, args) } : {}),
      ...(source.remote ? { remote: source.remote } : {}),
      dockerfile: source.dockerfile,
      tags: args.list('tag'),
      buildArgs: { ...proxyArgs, ...buildArguments(args.list('build-arg'), context.environment) },
      labels: labelsOf(args.list('label')),
      ...(args.given('cache-from') ? { cacheFrom: args.list('cache-from') } : {}),
      auths: allCredentials(context),
      parameters: {
        q: quiet,
        nocache: args.boolean('no-cache'),
        pull: args.boolean('pull') ? '1' : undefined,
        rm: args.boolean('rm') || !args.given('rm'),
        forcerm: args.boolean('force-rm'),
        target: args.string('target'),
        platform: args.string('platform') ?? context.environment.DOCKER_DEFAULT_PLATFORM,
        networkmode: args.string('network') ?? 'default',
        extrahosts: args.given('add-host') ? JSON.stringify(args.list('add-host')) : undefined,
        cgroupparent: args.string('cgroup-parent'),
        cpuperiod: args.number('cpu-period'),
        cpuquota: args.number('cpu-quota'),
        cpushares: args.number('cpu-shares'),
        cpusetcpus: args.string('cpuset-cpus'),
        cpusetmems: args.string('cpuset-mems'),
        memory: bytes(args, 'memory'),
        memswap: args.string('memory-swap') === '-1' ? -1 : bytes(args, 'memory-swap'),
        shmsize: bytes(args, 'shm-size'),
      },
    });
    const held: string[] = [];
    await showProgress(messages, {
      stream: context.stdout,
      ...(quiet ? { keep: (text: string) => held.push(text) } : {}),
      aux(value) {
        const known = (value as { ID?: string } | null)?.ID;
        if (known) id = known;
      },
    }).catch((error) => {
      context.stderr.write(held.join(''));
      // A command that failed gives the client its exit code.
      throw typeof error.details?.code === 'number' ? new ExitError(error.details.code, error.message, error) : error;
    });
    // The image's id is all that a quiet build says.
    context.stdout.write(held.join(''));
    id ||= held.join('').trim();
    const iidfile = args.string('iidfile');
    if (iidfile) {
      if (!id) throw new ExitError(1, `the daemon did not report the image's id, ${iidfile} was not written`);
      writeFileSync(iidfile, id);
    }
    return 0;
  },
};

/** The context as it goes to the daemon. */
function sent(context: Context, stream: NodeJS.ReadableStream, args: Arguments): NodeJS.ReadableStream {
  const packed = args.boolean('compress') ? Readable.from(stream).pipe(createGzip()) : stream;
  return args.boolean('quiet') ? packed : Readable.from(told(context, packed));
}

/** The context on its way, with its size told at the end. */
async function* told(context: Context, stream: NodeJS.ReadableStream): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    yield chunk as Buffer;
  }
  context.print(`Sending build context to Berth daemon ${humanSize(size, 4).padStart(8)}`);
}

function checkTag(tag: string): void {
  try {
    parseReference(tag);
  } catch (error) {
    throw invalid('tag', FLAGS.tag, tag, (error as Error).message);
  }
}

/** `--build-arg NAME` without a value takes the client's own variable; one that is not set stays null. */
function buildArguments(flags: readonly string[], environment: NodeJS.ProcessEnv): Record<string, string | null> {
  return Object.fromEntries(flags.map((flag) => (flag.includes('=') ? pair(flag) : [flag, environment[flag] ?? null])));
}

function bytes(args: Arguments, name: string): number | undefined {
  const text = args.string(name);
  if (text === undefined) return undefined;
  const value = parseSize(text);
  if (value === undefined) throw invalid(name, FLAGS[name], text, `invalid size: '${text}'`);
  return value;
}
