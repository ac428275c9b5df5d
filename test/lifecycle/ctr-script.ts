// A script of ctr commands, most of what it can do, in an order in which each finds what it needs. Run against two services by
// ctr-script.test.ts, which compares what they print.
import { join } from 'node:path';

export interface Step {
  /** Also how a difference is named. */
  name: string;
  /** Or how to make them of what the step before printed. */
  args: readonly string[] | ((printed: string) => string[]);
  /** stdin. */
  input?: string;
  /** Runs until something that goes on by itself has come so far: the step is repeated until it prints this. */
  until?: RegExp;
  /** Only lines that match are compared: the others are progress, drawn as often as time allows. */
  only?: RegExp;
  /** ctr has a terminal, and what is on its screen at the end is compared. */
  terminal?: boolean;
}

export interface ScriptPlaces {
  /** host/name:tag of an image of two layers at a registry, and its host. */
  image: string;
  registry: string;
  layer: string;
  manifest: string;
  /** A directory of this run's own. */
  directory: string;
  rootfs: string;
  runtime: string;
  /** Beginning of containers' ids: unique on the machine, for cgroups are called by them. */
  prefix: string;
  /** Whether checkpoints can be made here. */
  criu: boolean;
}

const PROGRESS = /^(ctr|unpacking|done)/;

export function script({ image, registry, layer, manifest, directory, rootfs, runtime, prefix, criu }: ScriptPlaces): Step[] {
  const copy = `${registry}/copy:1`;
  const archive = join(directory, 'image.tar');
  const id = (name: string) => `${prefix}-${name}`;
  const step = (line: string, more: Partial<Step> = {}): Step => ({ name: line, args: line.split(' '), ...more });
  const named = (name: string, args: Step['args'], more: Partial<Step> = {}): Step => ({ name, args, ...more });
  const run = (name: string, flags: string[], where: string[], command: string[], more: Partial<Step> = {}) =>
    named(`run ${name}`, ['run', '--runtime', runtime, ...flags, ...where, id(name), ...command], more);
  const sh = (text: string) => ['/bin/sh', '-c', text];
  const ofRootfs = ['--rootfs', rootfs];
  // When garbage goes is each service's own affair, unless it is told.
  const collected = [step('leases create --id collect'), step('leases rm --sync collect')];
  const checkpoint = `${registry}/checkpoint:1`;
  const checkpoints = [
    named('tasks checkpoint', ['tasks', 'checkpoint', id('long')]),
    named('images rm of the checkpoint', (printed) => ['images', 'rm', printed.trim()]),
    named('tasks checkpoint of nothing', ['tasks', 'checkpoint', 'none']),
    named('tasks ls, checkpointed', ['tasks', 'ls']),
    named('containers checkpoint', ['containers', 'checkpoint', '--rw', '--image', '--task', id('long'), checkpoint]),
    named('images ls, with a checkpoint', ['images', 'ls', '-q']),
    named('images rm of the container', ['images', 'rm', checkpoint]),
  ];
  return [
    step('namespaces create made env=test'),
    step('namespaces create made'),
    step('namespaces create bad/name'),
    // One by one: ctr sends several in any order.
    step('namespaces label made env='),
    step('namespaces label made other=x'),
    step('namespaces ls'),
    step('namespaces rm made'),
    step('namespaces rm missing'),

    named('images pull', ['images', 'pull', '--plain-http', image], { only: PROGRESS }),
    named('images pull of nothing', ['images', 'pull', '--plain-http', `${registry}/none:1`], { only: /^ctr/ }),
    step('images ls'),
    step('images ls -q'),
    named('images ls, filtered', ['images', 'ls', `name==${image}`]),
    named('images label', ['images', 'label', image, 'one=1', 'two=2']),
    named('images check', ['images', 'check']),
    named('images tag', ['images', 'tag', image, copy]),
    named('images tag again', ['images', 'tag', image, copy]),
    named('images tag --force', ['images', 'tag', '--force', image, copy]),
    named('images push', ['images', 'push', '--plain-http', copy], { only: /^(ctr|done)/ }),
    named('images export', ['images', 'export', archive, image]),
    named('images export of nothing', ['images', 'export', `${archive}.none`, `${registry}/none:1`]),
    named('images rm', ['images', 'rm', '--sync', copy]),
    named('images rm of nothing', ['images', 'rm', copy]),
    named('images import', ['images', 'import', archive], { only: PROGRESS }),
    named('images import --no-unpack', ['images', 'import', '--no-unpack', '--base-name', 'other', archive], { only: PROGRESS }),
    named('images mount', ['images', 'mount', image, join(directory, 'mounted')]),
    named('images unmount', ['images', 'unmount', join(directory, 'mounted')]),

    ...collected,
    step('content ls'),
    step('content ls -q'),
    step('content active'),
    named('content get', ['content', 'get', manifest]),
    step('content get sha256:0000000000000000000000000000000000000000000000000000000000000000'),
    named('content label', ['content', 'label', layer, 'mark=x']),
    named('content ls, filtered', ['content', 'ls', 'labels.mark==x']),
    named('content ingest', ['content', 'ingest', 'a-ref'], { input: 'hello' }),
    named(
      'content ingest, expected',
      ['content', 'ingest', '--expected-digest', 'sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7', 'b-ref'],
      { input: 'world' },
    ),
    named('content ingest, the wrong size', ['content', 'ingest', '--expected-size', '7', 'c-ref'], { input: 'seven' }),
    step('content active'),
    named('content rm', ['content', 'rm', 'sha256:486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7']),
    step('content rm sha256:0000000000000000000000000000000000000000000000000000000000000000'),
    named('content fetch', ['content', 'fetch', '--plain-http', copy], { only: /^ctr/ }),
    named('content fetch-object', ['content', 'fetch-object', '--plain-http', image, manifest], { only: /^ctr/ }),

    ...collected,
    step('snapshots ls'),
    step('snapshots tree'),
    step('snapshots usage'),
    step('snapshots prepare work'),
    step('snapshots prepare work'),
    step('snapshots prepare lost no-such-parent'),
    step('snapshots mounts /mnt work'),
    step('snapshots commit base work'),
    step('snapshots label base mark=y'),
    step('snapshots view seen base'),
    // Nothing refers to a view that ctr makes: a collection of garbage may come at any time.
    step('snapshots label seen containerd.io/gc.root=test'),
    step('snapshots info base'),
    step('snapshots info none'),
    step('snapshots rm base'),
    step('snapshots diff seen'),
    step('snapshots rm seen'),
    step('snapshots rm base'),
    step('snapshots rm base'),
    named('snapshots --snapshotter native', ['snapshots', '--snapshotter', 'native', 'ls']),
    named('snapshots --snapshotter none', ['snapshots', '--snapshotter', 'none', 'ls']),

    step('leases create --id mine --expires 1h mark=z'),
    step('leases create --id mine'),
    step('leases ls'),
    step('leases ls -q'),
    step('leases rm --sync mine'),
    step('leases rm mine'),

    run('first', ['--rm'], [image], sh('echo out; echo err >&2; exit 7')),
    run('env', ['--rm', '--env', 'MARK=1', '--cwd', '/tmp'], [image], sh('echo $MARK $PATH; pwd')),
    run('user', ['--rm', '--user', '12:34'], [image], sh('busybox id -u; busybox id -g')),
    run('read-only', ['--rm', '--read-only'], [image], sh('echo x > /file')),
    run('net-host', ['--rm', '--net-host'], [image], sh('[ -d /sys/class/net/lo ] && echo network')),
    run('mount', ['--rm', '--mount', `type=bind,src=${directory},dst=/mnt,options=rbind:ro`], [image], sh('echo x > /mnt/x')),
    run('privileged', ['--rm', '--privileged'], [image], sh('busybox grep CapEff /proc/self/status')),
    run('memory', ['--rm', '--memory-limit', '67108864'], [image], sh('echo limited')),
    run('hostname', ['--rm', '--hostname', 'named'], [image], sh('busybox hostname')),
    run('missing', ['--rm'], [image], ['/no/such/program']),
    run('of nothing', ['--rm'], [`${registry}/none:1`], ['/bin/true']),
    run('null-io', ['--rm', '--null-io'], ofRootfs, sh('echo nothing; exit 3')),
    run('rootfs', ['--rm'], ofRootfs, sh('echo from a directory')),
    run('terminal', ['--rm', '-t'], [image], sh('[ -t 0 ] && [ -t 2 ] && echo a terminal; exit 6'), { terminal: true }),
    run('pid-file', ['--rm', '--pid-file', join(directory, 'pid')], [image], sh('exit 0')),
    run('log-uri', ['-d', '--log-uri', `file://${join(directory, 'log')}`], [image], ['/bin/sleep', '0.01']),
    named('tasks ls, ended', ['tasks', 'ls'], { until: /log-uri\s+\d+\s+STOPPED/ }),
    named('tasks rm of log-uri', ['tasks', 'rm', id('log-uri')]),
    named('containers rm of log-uri', ['containers', 'rm', id('log-uri')]),

    run('long', ['-d', '--label', 'mark=long'], [image], ['/bin/sleep', '1000']),
    run('long', ['-d'], [image], ['/bin/sleep', '1000']),
    step('containers ls'),
    step('containers ls -q'),
    named('containers info', ['containers', 'info', id('long')]),
    named('containers info of nothing', ['containers', 'info', 'none']),
    named('containers label', ['containers', 'label', id('long'), 'more=1']),
    named('containers ls, filtered', ['containers', 'ls', 'labels.more==1']),
    named('containers rm while it runs', ['containers', 'rm', id('long')]),
    step('tasks ls'),
    step('tasks ls -q'),
    named('tasks exec', ['tasks', 'exec', '--exec-id', 'e1', id('long'), ...sh('echo inside; echo err >&2; exit 5')]),
    named('tasks exec --cwd', ['tasks', 'exec', '--exec-id', 'e2', '--cwd', '/tmp', id('long'), '/bin/busybox', 'pwd']),
    named('tasks exec, user', ['tasks', 'exec', '--exec-id', 'e3', '--user', '5', id('long'), '/bin/busybox', 'id', '-u']),
    named('tasks exec of nothing', ['tasks', 'exec', '--exec-id', 'e4', id('long'), '/no/such/program']),
    named('tasks exec in nothing', ['tasks', 'exec', '--exec-id', 'e5', 'none', '/bin/true']),
    named('tasks ps', ['tasks', 'ps', id('long')]),
    named('tasks metrics', ['tasks', 'metrics', id('long')]),
    named('tasks pause', ['tasks', 'pause', id('long')]),
    named('tasks pause again', ['tasks', 'pause', id('long')]),
    named('tasks ls, paused', ['tasks', 'ls']),
    named('tasks resume', ['tasks', 'resume', id('long')]),
    ...(criu ? checkpoints : []),
    named('tasks rm while it runs', ['tasks', 'rm', id('long')]),
    named('tasks start again', ['tasks', 'start', '-d', id('long')]),
    named('tasks kill', ['tasks', 'kill', '--signal', 'SIGKILL', id('long')]),
    named('tasks ls, stopped', ['tasks', 'ls'], { until: /STOPPED/ }),
    named('tasks kill again', ['tasks', 'kill', id('long')]),
    named('tasks rm', ['tasks', 'rm', id('long')]),
    named('tasks rm again', ['tasks', 'rm', id('long')]),
    named('containers rm', ['containers', 'rm', id('long')]),
    named('containers rm again', ['containers', 'rm', id('long')]),
    named('containers create', ['containers', 'create', '--runtime', runtime, image, id('made'), '/bin/echo', 'hello']),
    named('tasks start', ['tasks', 'start', id('made')]),
    named('containers rm of made', ['containers', 'rm', id('made')]),

    step('plugins ls'),
    step('plugins ls id==overlayfs'),
    step('version'),
    step('info'),
    named('images rm of all', ['images', 'rm', '--sync', image]),
    step('snapshots ls'),
    step('content ls -q'),
    step('images ls -q'),
  ];
}
