// The verbs of the command line and where each is implemented. `berth container run` and `berth run` are one entry.
import type { Command } from './command.ts';

export interface Entry {
  /** builder, checkpoint, container, context, image, manifest, network, registry, system, volume. */
  group: string;
  verb: string;
  /** Other spellings inside the group. */
  also?: readonly string[];
  /** The short form at the top level. */
  alias?: string;
  summary: string;
  /** Not in overviews: programs call it. */
  hidden?: boolean;
  load(): Promise<Command>;
}

const from = (load: () => Promise<{ command: Command }>) => async () => (await load()).command;

export const COMMANDS: readonly Entry[] = [
  {
    group: 'builder',
    verb: 'build',
    summary: 'Build an image from a Dockerfile',
    load: from(() => import('./image/build.ts')),
  },
  {
    group: 'builder',
    verb: 'prune',
    summary: 'Remove build cache',
    load: from(() => import('./builder/prune.ts')),
  },
  {
    group: 'checkpoint',
    verb: 'create',
    summary: 'Create a checkpoint from a running container',
    load: from(() => import('./checkpoint/create.ts')),
  },
  {
    group: 'checkpoint',
    verb: 'ls',
    also: ['list'],
    summary: 'List checkpoints for a container',
    load: from(() => import('./checkpoint/ls.ts')),
  },
  {
    group: 'checkpoint',
    verb: 'rm',
    also: ['remove'],
    summary: 'Remove a checkpoint',
    load: from(() => import('./checkpoint/rm.ts')),
  },
  {
    group: 'container',
    verb: 'attach',
    alias: 'attach',
    summary: 'Attach local standard streams to a running container',
    load: from(() => import('./container/attach.ts')),
  },
  {
    group: 'container',
    verb: 'commit',
    alias: 'commit',
    summary: "Create a new image from a container's changes",
    load: from(() => import('./container/commit.ts')),
  },
  {
    group: 'container',
    verb: 'cp',
    alias: 'cp',
    summary: 'Copy files/folders between a container and the local filesystem',
    load: from(() => import('./container/cp.ts')),
  },
  {
    group: 'container',
    verb: 'create',
    alias: 'create',
    summary: 'Create a new container',
    load: from(() => import('./container/create.ts')),
  },
  {
    group: 'container',
    verb: 'diff',
    alias: 'diff',
    summary: "Inspect changes to files or directories on a container's filesystem",
    load: from(() => import('./container/diff.ts')),
  },
  {
    group: 'container',
    verb: 'exec',
    alias: 'exec',
    summary: 'Execute a command in a running container',
    load: from(() => import('./container/exec.ts')),
  },
  {
    group: 'container',
    verb: 'export',
    alias: 'export',
    summary: "Export a container's filesystem as a tar archive",
    load: from(() => import('./container/export.ts')),
  },
  {
    group: 'container',
    verb: 'inspect',
    summary: 'Display detailed information on one or more containers',
    load: from(() => import('./container/inspect.ts')),
  },
  {
    group: 'container',
    verb: 'kill',
    alias: 'kill',
    summary: 'Kill one or more running containers',
    load: from(() => import('./container/kill.ts')),
  },
  {
    group: 'container',
    verb: 'logs',
    alias: 'logs',
    summary: 'Fetch the logs of a container',
    load: from(() => import('./container/logs.ts')),
  },
  {
    group: 'container',
    verb: 'ls',
    also: ['list', 'ps'],
    alias: 'ps',
    summary: 'List containers',
    load: from(() => import('./container/ls.ts')),
  },
  {
    group: 'container',
    verb: 'pause',
    alias: 'pause',
    summary: 'Pause all processes within one or more containers',
    load: from(() => import('./container/pause.ts')),
  },
  {
    group: 'container',
    verb: 'port',
    alias: 'port',
    summary: 'List port mappings or a specific mapping for the container',
    load: from(() => import('./container/port.ts')),
  },
  { group: 'container', verb: 'prune', summary: 'Remove all stopped containers', load: from(() => import('./container/prune.ts')) },
  { group: 'container', verb: 'rename', alias: 'rename', summary: 'Rename a container', load: from(() => import('./container/rename.ts')) },
  {
    group: 'container',
    verb: 'restart',
    alias: 'restart',
    summary: 'Restart one or more containers',
    load: from(() => import('./container/restart.ts')),
  },
  {
    group: 'container',
    verb: 'rm',
    also: ['remove'],
    alias: 'rm',
    summary: 'Remove one or more containers',
    load: from(() => import('./container/rm.ts')),
  },
  {
    group: 'container',
    verb: 'run',
    alias: 'run',
    summary: 'Create and run a new container from an image',
    load: from(() => import('./container/run.ts')),
  },
  {
    group: 'container',
    verb: 'start',
    alias: 'start',
    summary: 'Start one or more stopped containers',
    load: from(() => import('./container/start.ts')),
  },
  {
    group: 'container',
    verb: 'stats',
    alias: 'stats',
    summary: 'Display a live stream of container(s) resource usage statistics',
    load: from(() => import('./container/stats.ts')),
  },
  {
    group: 'container',
    verb: 'stop',
    alias: 'stop',
    summary: 'Stop one or more running containers',
    load: from(() => import('./container/stop.ts')),
  },
  {
    group: 'container',
    verb: 'top',
    alias: 'top',
    summary: 'Display the running processes of a container',
    load: from(() => import('./container/top.ts')),
  },
  {
    group: 'container',
    verb: 'trace',
    alias: 'trace',
    summary: "Draw which layer spent which milliseconds of a container's last start",
    load: from(() => import('./container/trace.ts')),
  },
  {
    group: 'container',
    verb: 'unpause',
    alias: 'unpause',
    summary: 'Unpause all processes within one or more containers',
    load: from(() => import('./container/unpause.ts')),
  },
  {
    group: 'container',
    verb: 'update',
    alias: 'update',
    summary: 'Update configuration of one or more containers',
    load: from(() => import('./container/update.ts')),
  },
  {
    group: 'container',
    verb: 'wait',
    alias: 'wait',
    summary: 'Block until one or more containers stop, then print their exit codes',
    load: from(() => import('./container/wait.ts')),
  },
  {
    group: 'context',
    verb: 'create',
    summary: 'Create a context',
    load: from(() => import('./contexts/create.ts')),
  },
  {
    group: 'context',
    verb: 'inspect',
    summary: 'Display detailed information on one or more contexts',
    load: from(() => import('./contexts/inspect.ts')),
  },
  {
    group: 'context',
    verb: 'ls',
    also: ['list'],
    summary: 'List contexts',
    load: from(() => import('./contexts/ls.ts')),
  },
  {
    group: 'context',
    verb: 'rm',
    also: ['remove'],
    summary: 'Remove one or more contexts',
    load: from(() => import('./contexts/rm.ts')),
  },
  {
    group: 'context',
    verb: 'show',
    summary: 'Print the name of the current context',
    load: from(() => import('./contexts/show.ts')),
  },
  {
    group: 'context',
    verb: 'update',
    summary: 'Update a context',
    load: from(() => import('./contexts/update.ts')),
  },
  {
    group: 'context',
    verb: 'use',
    summary: 'Set the current context',
    load: from(() => import('./contexts/use.ts')),
  },
  {
    group: 'image',
    verb: 'build',
    alias: 'build',
    summary: 'Build an image from a Dockerfile',
    load: from(() => import('./image/build.ts')),
  },
  {
    group: 'image',
    verb: 'history',
    alias: 'history',
    summary: 'Show the history of an image',
    load: from(() => import('./image/history.ts')),
  },
  {
    group: 'image',
    verb: 'import',
    alias: 'import',
    summary: 'Import the contents from a tarball to create a filesystem image',
    load: from(() => import('./image/import.ts')),
  },
  {
    group: 'image',
    verb: 'inspect',
    summary: 'Display detailed information on one or more images',
    load: from(() => import('./image/inspect.ts')),
  },
  {
    group: 'image',
    verb: 'load',
    alias: 'load',
    summary: 'Load an image from a tar archive or STDIN',
    load: from(() => import('./image/load.ts')),
  },
  { group: 'image', verb: 'ls', also: ['list'], alias: 'images', summary: 'List images', load: from(() => import('./image/ls.ts')) },
  { group: 'image', verb: 'prune', summary: 'Remove unused images', load: from(() => import('./image/prune.ts')) },
  {
    group: 'image',
    verb: 'pull',
    alias: 'pull',
    summary: 'Download an image from a registry',
    load: from(() => import('./image/pull.ts')),
  },
  { group: 'image', verb: 'push', alias: 'push', summary: 'Upload an image to a registry', load: from(() => import('./image/push.ts')) },
  {
    group: 'image',
    verb: 'rm',
    also: ['remove'],
    alias: 'rmi',
    summary: 'Remove one or more images',
    load: from(() => import('./image/rm.ts')),
  },
  {
    group: 'image',
    verb: 'save',
    alias: 'save',
    summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
    load: from(() => import('./image/save.ts')),
  },
  {
    group: 'image',
    verb: 'search',
    alias: 'search',
    summary: 'Search Docker Hub for images',
    load: from(() => import('./image/search.ts')),
  },
  {
    group: 'image',
    verb: 'tag',
    alias: 'tag',
    summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
    load: from(() => import('./image/tag.ts')),
  },
  {
    group: 'manifest',
    verb: 'annotate',
    summary: 'Add additional information to a local image manifest',
    load: from(() => import('./manifest/annotate.ts')),
  },
  {
    group: 'manifest',
    verb: 'create',
    summary: 'Create a local manifest list for annotating and pushing to a registry',
    load: from(() => import('./manifest/create.ts')),
  },
  {
    group: 'manifest',
    verb: 'inspect',
    summary: 'Display an image manifest, or manifest list',
    load: from(() => import('./manifest/inspect.ts')),
  },
  {
    group: 'manifest',
    verb: 'push',
    summary: 'Push a manifest list to a repository',
    load: from(() => import('./manifest/push.ts')),
  },
  {
    group: 'manifest',
    verb: 'rm',
    summary: 'Delete one or more manifest lists from local storage',
    load: from(() => import('./manifest/rm.ts')),
  },
  {
    group: 'network',
    verb: 'connect',
    summary: 'Connect a container to a network',
    load: from(() => import('./network/connect.ts')),
  },
  { group: 'network', verb: 'create', summary: 'Create a network', load: from(() => import('./network/create.ts')) },
  {
    group: 'network',
    verb: 'disconnect',
    summary: 'Disconnect a container from a network',
    load: from(() => import('./network/disconnect.ts')),
  },
  {
    group: 'network',
    verb: 'inspect',
    summary: 'Display detailed information on one or more networks',
    load: from(() => import('./network/inspect.ts')),
  },
  { group: 'network', verb: 'ls', also: ['list'], summary: 'List networks', load: from(() => import('./network/ls.ts')) },
  { group: 'network', verb: 'prune', summary: 'Remove all unused networks', load: from(() => import('./network/prune.ts')) },
  { group: 'network', verb: 'rm', also: ['remove'], summary: 'Remove one or more networks', load: from(() => import('./network/rm.ts')) },
  {
    group: 'registry',
    verb: 'gc',
    summary: 'Delete what no manifest of a registry needs',
    load: from(() => import('./registry-server/gc.ts')),
  },
  {
    group: 'registry',
    verb: 'serve',
    summary: "Serve a registry, or this engine's images as one",
    load: from(() => import('./registry-server/serve.ts')),
  },
  { group: 'volume', verb: 'create', summary: 'Create a volume', load: from(() => import('./volume/create.ts')) },
  {
    group: 'volume',
    verb: 'inspect',
    summary: 'Display detailed information on one or more volumes',
    load: from(() => import('./volume/inspect.ts')),
  },
  { group: 'volume', verb: 'export', summary: "Export a volume's files as a tar archive", load: from(() => import('./volume/export.ts')) },
  {
    group: 'volume',
    verb: 'import',
    summary: "Replace a volume's files by those of an archive",
    load: from(() => import('./volume/import.ts')),
  },
  { group: 'volume', verb: 'rename', summary: 'Rename a volume', load: from(() => import('./volume/rename.ts')) },
  { group: 'volume', verb: 'snapshot', summary: "Keep a volume's files under a name", load: from(() => import('./volume/snapshot.ts')) },
  { group: 'volume', verb: 'ls', also: ['list'], summary: 'List volumes', load: from(() => import('./volume/ls.ts')) },
  { group: 'volume', verb: 'prune', summary: 'Remove unused local volumes', load: from(() => import('./volume/prune.ts')) },
  { group: 'volume', verb: 'rm', also: ['remove'], summary: 'Remove one or more volumes', load: from(() => import('./volume/rm.ts')) },
  {
    group: 'system',
    verb: 'df',
    summary: 'Show disk usage',
    load: from(() => import('./system/df.ts')),
  },
  {
    group: 'system',
    verb: 'dial-stdio',
    summary: 'Proxy the stdio stream to the daemon connection',
    hidden: true,
    load: from(() => import('./system/dial-stdio.ts')),
  },
  {
    group: 'system',
    verb: 'events',
    alias: 'events',
    summary: 'Get real time events from the server',
    load: from(() => import('./system/events.ts')),
  },
  {
    group: 'system',
    verb: 'info',
    alias: 'info',
    summary: 'Display system-wide information',
    load: from(() => import('./system/info.ts')),
  },
  {
    group: 'system',
    verb: 'inspect',
    alias: 'inspect',
    summary: 'Return low-level information on Berth objects',
    load: from(() => import('./system/inspect.ts')),
  },
  {
    group: 'system',
    verb: 'login',
    alias: 'login',
    summary: 'Authenticate to a registry',
    load: from(() => import('./registry-login/login.ts')),
  },
  {
    group: 'system',
    verb: 'logout',
    alias: 'logout',
    summary: 'Log out from a registry',
    load: from(() => import('./registry-login/logout.ts')),
  },
  {
    group: 'system',
    verb: 'prune',
    summary: 'Remove unused data',
    load: from(() => import('./system/prune.ts')),
  },
  {
    group: 'system',
    verb: 'version',
    alias: 'version',
    summary: 'Show the Berth version information',
    load: from(() => import('./system/version.ts')),
  },
];

export type Found =
  | { kind: 'command'; command: Command; name: string; argv: string[] }
  | { kind: 'overview'; group?: string }
  | { kind: 'unknown'; words: string[] };

/** The command that the words of a command line name. */
export async function find(words: readonly string[]): Promise<Found> {
  const [first, second] = words;
  if (first === undefined || first === '--help' || first === 'help') return { kind: 'overview' };
  const top = COMMANDS.find((entry) => entry.alias === first);
  if (top) return { kind: 'command', command: await top.load(), name: first, argv: words.slice(1) };
  const group = COMMANDS.filter((entry) => entry.group === first);
  if (group.length === 0) return { kind: 'unknown', words: [first] };
  if (second === undefined || second === '--help') return { kind: 'overview', group: first };
  const entry = group.find((one) => one.verb === second || one.also?.includes(second));
  if (!entry) return { kind: 'unknown', words: [first, second] };
  return { kind: 'command', command: await entry.load(), name: `${first} ${entry.verb}`, argv: words.slice(2) };
}
