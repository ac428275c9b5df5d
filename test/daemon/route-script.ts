// The Engine API's routes in an order in which each finds what it needs: what is asked, of whichever daemon. Played against Berth and
// against dockerd by routes.test.ts, which compares status, wording and shape.

export interface Call {
  /** `METHOD /path?query`, without a version; `{one}` is what an earlier call kept under that name. Also how a difference is named. */
  call: string;
  /** Sent as JSON unless it is text or bytes. */
  body?: unknown;
  headers?: Record<string, string>;
  /** Remembers this field of the answer for the calls that follow. */
  keep?: { field: string; as: string };
  /** The answer is no JSON: only status and content type are compared. */
  opaque?: boolean;
}

const call = (line: string, body?: unknown, more: Partial<Call> = {}): Call => ({
  call: line,
  ...(body === undefined ? {} : { body }),
  ...more,
});

const filters = (value: unknown) => `filters=${encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value))}`;

/** `archive`: a layer with a busybox, for what needs a tar. */
export function routeScript(archive: Buffer): Call[] {
  const tar = { 'content-type': 'application/x-tar' };
  return [...system(), ...containers(archive, tar), ...execs(), ...images(archive, tar), ...volumes(), ...networks(), ...swarm(), ...end()];
}

function system(): Call[] {
  return [
    call('GET /_ping', undefined, { opaque: true }),
    call('HEAD /_ping', undefined, { opaque: true }),
    call('GET /version'),
    call('GET /info'),
    call('GET /system/df'),
    call(`GET /events?until=1&${filters({ type: ['nonsense'] })}`, undefined, { opaque: true }),
    call(`GET /events?until=1&${filters({ nonsense: ['x'] })}`),
    call('GET /events?since=nonsense&until=1'),
    call('POST /auth', '{'),
    call('GET /nosuch'),
    call('PATCH /containers/json'),
    call('PUT /info'),
    call('OPTIONS /info', undefined, { opaque: true }),
    call('HEAD /info', undefined, { opaque: true }),
    call('HEAD /containers/json', undefined, { opaque: true }),
    call('GET /containers/json/'),
    call('GET //containers/json'),
    call('GET /distribution/127.0.0.1:1/nosuch/json'),
    call('GET /session'),
  ];
}

function containers(archive: Buffer, tar: Record<string, string>): Call[] {
  const main = {
    Image: 'busybox',
    Cmd: ['sh', '-c', 'echo out; echo err >&2; trap "exit 4" TERM; while :; do sleep 0.05; done'],
    Labels: { a: 'b' },
    Env: ['X=y'],
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/anonymous': {} },
    HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '18099' }] }, Memory: 64 << 20, Binds: ['named:/data:ro'] },
  };
  return [
    call('GET /containers/json'),
    call('GET /containers/json?all=nonsense&limit=x'),
    call(`GET /containers/json?${filters({ nonsense: ['x'] })}`),
    call(`GET /containers/json?${filters('{')}`),
    call(`GET /containers/json?${filters('["a"]')}`),
    call(`GET /containers/json?${filters({ status: ['nonsense'] })}`),
    call('POST /containers/create'),
    call('POST /containers/create', ''),
    call('POST /containers/create', '{bad'),
    call('POST /containers/create', '{"Image":"nosuch"} extra'),
    call('POST /containers/create', '[]'),
    call('POST /containers/create', 'null'),
    call('POST /containers/create', '"text"'),
    call('POST /containers/create', {}),
    call('POST /containers/create', { HostConfig: {} }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { Memory: 'lots' } }),
    call('POST /containers/create', { Image: 'busybox', Cmd: 5 }),
    call('POST /containers/create', { Image: 'busybox' }, { headers: { 'content-type': 'text/html' } }),
    call('POST /containers/create', { Image: 'nosuch' }),
    call('POST /containers/create', { Image: 'nosuch:tag' }),
    call('POST /containers/create', { Image: 'BAD' }),
    call('POST /containers/create?name=bad/name', { Image: 'busybox' }),
    call('POST /containers/create?name=x', { Image: 'busybox' }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { Memory: 1000 } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { Binds: ['a'] } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { Binds: ['/a:b'] } }),
    call('POST /containers/create', {
      Image: 'busybox',
      HostConfig: { Mounts: [{ Type: 'bind', Source: '/nosuch/at/all', Target: '/x' }] },
    }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { Mounts: [{ Type: 'nonsense', Target: '/x' }] } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { RestartPolicy: { Name: 'sometimes' } } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { RestartPolicy: { Name: 'no', MaximumRetryCount: 3 } } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { CapAdd: ['NOSUCH'] } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { AutoRemove: true, RestartPolicy: { Name: 'always' } } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { PortBindings: { '80/tcp': [{ HostPort: 'x' }] } } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { Runtime: 'nosuch' } }),
    call('POST /containers/create', { Image: 'busybox', HostConfig: { ShmSize: -1 } }),
    call('POST /containers/create', { Image: 'busybox', StopSignal: 'NOSUCH' }),
    call('POST /containers/create', { Image: 'busybox', WorkingDir: 'relative' }),
    call('POST /containers/create', { Image: 'busybox', Env: ['=x'] }),
    call('POST /containers/create', { Image: 'busybox', Healthcheck: { Interval: 1 } }),
    call('POST /containers/create?name=one', main, { keep: { field: 'Id', as: 'one' } }),
    call('POST /containers/create?name=one', main),
    call('GET /containers/json?all=1'),
    call('GET /containers/json?all=1&size=1'),
    call('GET /containers/one/json'),
    call('GET /containers/one/json?size=1'),
    call('GET /containers/one/logs'),
    call('GET /containers/one/logs?stdout=1', undefined, { opaque: true }),
    call('GET /containers/one/top'),
    call('GET /containers/one/stats?stream=0'),
    call('GET /containers/one/changes'),
    call('POST /containers/one/resize?h=10&w=10'),
    call('POST /containers/one/resize?h=x&w=10'),
    call('POST /containers/one/kill'),
    call('POST /containers/one/stop', undefined, { opaque: true }),
    call('POST /containers/one/pause'),
    call('POST /containers/one/unpause'),
    call('POST /containers/one/exec', { Cmd: ['true'] }),
    call('POST /containers/one/wait?condition=nonsense'),
    call('POST /containers/one/start', undefined, { opaque: true }),
    call('POST /containers/one/start', undefined, { opaque: true }),
    call('GET /containers/json'),
    call('GET /containers/one/json'),
    call('GET /containers/one/top'),
    call('GET /containers/one/top?ps_args=-o%20pid,args'),
    call('GET /containers/one/top?ps_args=--nonsense'),
    call('GET /containers/one/stats?stream=0'),
    call('GET /containers/one/stats?stream=0&one-shot=1'),
    call('GET /containers/one/changes'),
    call('GET /containers/one/logs?stdout=1&stderr=1', undefined, { opaque: true }),
    call('POST /containers/one/kill?signal=NOSUCH'),
    call('POST /containers/one/kill?signal=99'),
    call('POST /containers/one/kill?signal=0', undefined, { opaque: true }),
    call('POST /containers/one/pause', undefined, { opaque: true }),
    call('POST /containers/one/pause'),
    call('POST /containers/one/exec', { Cmd: ['true'] }),
    call('DELETE /containers/one'),
    call('POST /containers/one/unpause', undefined, { opaque: true }),
    call('POST /containers/one/unpause'),
    call('POST /containers/one/rename'),
    call('POST /containers/one/rename?name=one'),
    call('POST /containers/one/rename?name=bad/name'),
    call('POST /containers/one/update', { Memory: 1 }),
    call('POST /containers/one/update', { CpuShares: 512 }),
    call('POST /containers/one/update', '{bad'),
    call('POST /containers/one/update', { RestartPolicy: { Name: 'nonsense' } }),
    call('HEAD /containers/one/archive?path=/bin', undefined, { opaque: true }),
    call('HEAD /containers/one/archive?path=/nosuch', undefined, { opaque: true }),
    call('GET /containers/one/archive'),
    call('GET /containers/one/archive?path=/nosuch'),
    call('GET /containers/one/archive?path=/bin/sh', undefined, { opaque: true }),
    call('PUT /containers/one/archive?path=/nosuch', archive, { headers: tar }),
    call('PUT /containers/one/archive?path=/bin/sh', archive, { headers: tar }),
    call('PUT /containers/one/archive?path=/tmp', 'no archive', { headers: tar }),
    call('PUT /containers/one/archive?path=/data', archive, { headers: tar }),
    call('POST /containers/one/attach?stream=1&detachKeys=nonsense', undefined, { opaque: true }),
    call('DELETE /containers/one'),
    ...'json top?x changes export stats?stream=0 logs?stdout=1 archive?path=/ attach/ws'
      .split(' ')
      .map((what) => call(`GET /containers/nosuch/${what}`)),
    ...'start stop restart kill pause unpause rename?name=x resize?h=1&w=1 wait attach exec update'
      .split(' ')
      .map((what) => call(`POST /containers/nosuch/${what}`, /exec|update/.test(what) ? {} : undefined)),
    call('DELETE /containers/nosuch'),
    call('DELETE /containers/nosuch?force=1'),
  ];
}

function execs(): Call[] {
  return [
    call('POST /containers/one/exec', {}),
    call('POST /containers/one/exec', '{'),
    call('POST /containers/one/exec', { Cmd: ['sh', '-c', 'exit 3'] }, { keep: { field: 'Id', as: 'exec' } }),
    call('GET /exec/{exec}/json'),
    call('POST /exec/{exec}/start', { Detach: true }, { opaque: true }),
    call('GET /exec/nosuch/json'),
    call('POST /exec/nosuch/start', { Detach: true }),
    call('POST /exec/nosuch/resize?h=1&w=1'),
    call('POST /containers/one/exec', { Cmd: ['/nosuch'] }, { keep: { field: 'Id', as: 'missing' } }),
    call('POST /exec/{missing}/start', { Detach: true }),
    call('POST /containers/one/exec', { Cmd: ['true'], User: 'nosuch' }, { keep: { field: 'Id', as: 'stranger' } }),
    call('POST /exec/{stranger}/start', { Detach: true }),
    call('POST /containers/one/stop?t=x'),
    call('POST /containers/one/stop?t=5', undefined, { opaque: true }),
    call('POST /containers/one/stop', undefined, { opaque: true }),
    call('GET /containers/one/json'),
    call('POST /containers/one/wait'),
    call('POST /containers/one/kill'),
    call('GET /containers/json?all=1'),
    call('GET /containers/one/top'),
    call('GET /containers/one/stats?stream=0'),
    call('POST /containers/one/start', undefined, { opaque: true }),
    call('POST /containers/one/restart?t=1', undefined, { opaque: true }),
    call('DELETE /containers/one?force=1&v=1', undefined, { opaque: true }),
    call('POST /containers/create?name=broken', { Image: 'busybox', Cmd: ['nosuchprogram'] }),
    call('POST /containers/broken/start'),
    call('GET /containers/broken/json'),
    call('DELETE /containers/broken', undefined, { opaque: true }),
    call('POST /containers/create?name=denied', { Image: 'busybox', Cmd: ['/etc/passwd'] }),
    call('POST /containers/denied/start'),
    call('DELETE /containers/denied', undefined, { opaque: true }),
  ];
}

function images(archive: Buffer, tar: Record<string, string>): Call[] {
  const busybox = '/images/busybox';
  return [
    call('GET /images/json'),
    call('GET /images/json?all=1&digests=1'),
    call(`GET /images/json?${filters({ nonsense: ['x'] })}`),
    call(`GET /images/json?${filters({ dangling: ['maybe'] })}`),
    call(`GET ${busybox}/json`),
    call(`GET ${busybox}/history`),
    call('GET /images/nosuch/json'),
    call('GET /images/BAD/json'),
    call('GET /images/nosuch/history'),
    call('GET /images/nosuch/get'),
    call('GET /images/get?names=nosuch'),
    call('GET /images/get?names=busybox', undefined, { opaque: true }),
    call('DELETE /images/nosuch'),
    call('POST /images/nosuch/tag?repo=x'),
    call(`POST ${busybox}/tag?repo=BAD`),
    call(`POST ${busybox}/tag?repo=again&tag=1`, undefined, { opaque: true }),
    call('POST /images/nosuch/push', undefined, { headers: { 'x-registry-auth': 'e30=' } }),
    call('DELETE /images/again:1'),
    call('POST /images/create'),
    call('POST /images/create?fromImage=BAD'),
    call('POST /images/create?fromImage=127.0.0.1:1/x&tag=1'),
    call('POST /images/create?fromImage=busybox&platform=a/b/c/d'),
    call('POST /images/create?fromSrc=-&repo=imported&tag=1&changes=NONSENSE', archive, { headers: tar }),
    call('POST /images/create?fromSrc=-&repo=imported&tag=1', archive, { headers: tar, opaque: true }),
    call('POST /images/create?fromSrc=-&repo=BAD', archive, { headers: tar }),
    call('DELETE /images/imported:1'),
    call('POST /images/load', 'nonsense', { headers: tar, opaque: true }),
    call('POST /build', 'nonsense', { headers: tar }),
    call('POST /build?t=BAD', archive, { headers: tar }),
    call('POST /build?dockerfile=nosuch', archive, { headers: tar }),
    call('POST /build', archive, { headers: tar }),
    call('POST /build', {}, { headers: { 'content-type': 'text/html' } }),
    call('POST /build?platform=a/b/c/d', archive, { headers: tar }),
    call('POST /commit?container=nosuch'),
    call('POST /commit'),
    call('POST /images/prune'),
    call(`POST /images/prune?${filters({ nonsense: ['x'] })}`),
    call('POST /build/prune'),
    call('GET /images/search'),
    call('GET /images/search?term=x&limit=1000'),
  ];
}

function volumes(): Call[] {
  return [
    call('GET /volumes'),
    call('POST /volumes/create', {}),
    call('POST /volumes/create', { Name: 'named', Labels: { a: 'b' } }),
    call('POST /volumes/create', { Name: 'named' }),
    call('POST /volumes/create', { Name: 'bad/name' }),
    call('POST /volumes/create', { Name: 'optioned', DriverOpts: { nonsense: 'x' } }),
    call('POST /volumes/create', '{'),
    call('GET /volumes/named'),
    call('GET /volumes/nosuch'),
    call(`GET /volumes?${filters({ name: ['named'] })}`),
    call(`GET /volumes?${filters({ name: ['nosuch'] })}`),
    call(`GET /volumes?${filters({ nonsense: ['x'] })}`),
    call(
      'POST /containers/create?name=user',
      { Image: 'busybox', HostConfig: { Binds: ['named:/data'] } },
      { keep: { field: 'Id', as: 'user' } },
    ),
    call('DELETE /volumes/named'),
    call('DELETE /volumes/named?force=1'),
    call('DELETE /volumes/nosuch'),
    call('DELETE /volumes/nosuch?force=1', undefined, { opaque: true }),
    call('DELETE /containers/user', undefined, { opaque: true }),
    call('DELETE /volumes/named', undefined, { opaque: true }),
    call('POST /volumes/prune'),
    call(`POST /volumes/prune?${filters({ nonsense: ['x'] })}`),
  ];
}

function networks(): Call[] {
  return [
    call('GET /networks'),
    call(`GET /networks?${filters({ name: ['nosuch'] })}`),
    call(`GET /networks?${filters({ nonsense: ['x'] })}`),
    call('GET /networks/bridge'),
    call('GET /networks/host'),
    call('GET /networks/none'),
    call('GET /networks/nosuch'),
    call('POST /networks/create', {}),
    call('POST /networks/create', '{'),
    call('POST /networks/create', { Name: 'bridge' }),
    call('POST /networks/create', { Name: 'x', IPAM: { Config: [{ Subnet: 'nonsense' }] } }),
    call('POST /networks/create', { Name: 'net', Labels: { a: 'b' }, CheckDuplicate: true }, { keep: { field: 'Id', as: 'net' } }),
    call('POST /networks/create', { Name: 'net', CheckDuplicate: true }),
    call('GET /networks/net'),
    call('POST /containers/create?name=user', { Image: 'busybox', Cmd: ['sleep', '100'] }, { keep: { field: 'Id', as: 'user' } }),
    call('POST /networks/net/connect', { Container: 'nosuch' }),
    call('POST /networks/host/connect', { Container: 'user' }),
    call('POST /networks/net/connect', { Container: 'user' }, { opaque: true }),
    call('POST /containers/user/start', undefined, { opaque: true }),
    call('GET /containers/user/json'),
    call('GET /networks/net'),
    call('POST /networks/net/connect', { Container: 'user' }),
    call('DELETE /networks/net'),
    call('DELETE /networks/bridge'),
    call('DELETE /networks/nosuch'),
    call('POST /networks/net/disconnect', { Container: 'nosuch' }),
    call('POST /networks/net/disconnect', { Container: 'user' }, { opaque: true }),
    call('POST /networks/net/disconnect', { Container: 'user' }),
    call('DELETE /containers/user?force=1', undefined, { opaque: true }),
    call('DELETE /networks/net', undefined, { opaque: true }),
    call('POST /networks/prune'),
    call(`POST /networks/prune?${filters({ nonsense: ['x'] })}`),
  ];
}

function swarm(): Call[] {
  return [
    ...'swarm nodes services tasks secrets configs'.split(' ').map((noun) => call(`GET /${noun}`)),
    call('POST /swarm/leave'),
    call('GET /plugins'),
    call('GET /plugins/nosuch/json'),
  ];
}

function end(): Call[] {
  return [
    call('POST /containers/prune'),
    call(`POST /containers/prune?${filters({ nonsense: ['x'] })}`),
    call('DELETE /images/busybox'),
    call('GET /images/json'),
  ];
}
