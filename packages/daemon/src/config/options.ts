// What berthd can be told, on the command line and in its configuration file: one table for both, with dockerd's names
// (docs.docker.com/reference/cli/dockerd). Durations, sizes and addresses stay strings here; whoever uses one parses it.

/** `flag` is given bare or as =true/=false, `text` takes one value, `list` may come several times, `pairs` are key=value lists. */
export type OptionKind = 'flag' | 'text' | 'number' | 'list' | 'pairs';

export interface OptionRule {
  readonly kind: OptionKind;
  readonly short?: string;
  /** Its name in the configuration file, where that differs from the flag's. */
  readonly file?: string;
  readonly help: string;
}

export const OPTIONS = {
  'add-runtime': { kind: 'pairs', file: 'runtimes', help: 'register another OCI runtime, name=path' },
  'allow-nondistributable-artifacts': { kind: 'list', help: 'registry that foreign layers are pushed to as well: a host or a CIDR range' },
  bip: { kind: 'text', help: 'address and prefix of the default bridge' },
  bridge: { kind: 'text', short: 'b', help: 'name of the default bridge; none switches it off' },
  'cgroup-parent': { kind: 'text', help: 'parent cgroup of all containers' },
  'config-file': { kind: 'text', help: 'configuration file' },
  containerd: { kind: 'text', help: 'socket of a lifecycle service that runs already' },
  'containerd-namespace': { kind: 'text', help: 'namespace in the lifecycle service' },
  'data-root': { kind: 'text', short: 'g', help: 'what must survive a reboot' },
  debug: { kind: 'flag', short: 'D', help: 'log debug messages' },
  'default-address-pool': { kind: 'list', file: 'default-address-pools', help: 'subnets of new networks, base=CIDR,size=bits' },
  'default-cgroupns-mode': { kind: 'text', help: 'private or host' },
  'default-ipc-mode': { kind: 'text', help: 'private or shareable' },
  'default-runtime': { kind: 'text', help: 'runtime of containers that name none' },
  'default-shm-size': { kind: 'text', help: 'size of /dev/shm' },
  'default-ulimit': { kind: 'pairs', file: 'default-ulimits', help: 'ulimits of containers, name=soft[:hard]' },
  dns: { kind: 'list', help: 'DNS server of containers' },
  'dns-opt': { kind: 'list', file: 'dns-opts', help: 'DNS option of containers' },
  'dns-search': { kind: 'list', help: 'DNS search domain of containers' },
  'exec-opt': { kind: 'list', file: 'exec-opts', help: 'native.cgroupdriver=cgroupfs or =systemd: who makes the cgroups of containers' },
  'exec-root': { kind: 'text', help: 'what may vanish with a reboot' },
  experimental: { kind: 'flag', help: 'tell clients to offer what docker calls experimental: checkpoints' },
  'fixed-cidr': { kind: 'text', help: 'part of the bridge subnet that containers get addresses of' },
  group: { kind: 'text', short: 'G', help: 'group of the unix socket' },
  host: { kind: 'list', short: 'H', file: 'hosts', help: 'address to listen on: unix://, tcp://' },
  init: { kind: 'flag', help: 'run an init in every container' },
  'init-path': { kind: 'text', help: 'init for containers that want one; docker-init, tini-static or catatonit in PATH otherwise' },
  'insecure-registry': { kind: 'list', file: 'insecure-registries', help: 'registry that is spoken to without verified TLS' },
  'ip-forward': { kind: 'flag', help: 'switch net.ipv4.ip_forward on' },
  'ip-masq': { kind: 'flag', help: 'masquerade what leaves the bridge' },
  iptables: { kind: 'flag', help: 'write packet filter rules' },
  ip6tables: { kind: 'flag', help: 'write IPv6 packet filter rules' },
  ipv6: { kind: 'flag', help: 'IPv6 on the default bridge' },
  label: { kind: 'list', file: 'labels', help: 'label of this daemon' },
  'limit-rate': { kind: 'text', help: 'bytes a second of one pull or push, e.g. 10m (Berth)' },
  'live-restore': { kind: 'flag', help: 'containers outlive the daemon (they always do)' },
  'log-driver': { kind: 'text', help: 'log driver of containers' },
  'log-format': { kind: 'text', help: "the daemon's own log: text or json" },
  'log-level': { kind: 'text', short: 'l', help: 'debug, info, warn, error, fatal' },
  'log-opt': { kind: 'pairs', file: 'log-opts', help: 'option of the log driver, key=value' },
  mtu: { kind: 'number', help: 'MTU of the default bridge' },
  'max-concurrent-downloads': { kind: 'number', help: 'layers downloaded at once by one pull' },
  'max-concurrent-uploads': { kind: 'number', help: 'layers uploaded at once by one push' },
  'max-download-attempts': { kind: 'number', help: 'how often a request to a registry is tried' },
  pidfile: { kind: 'text', short: 'p', help: 'file for the process id' },
  'registry-mirror': { kind: 'list', file: 'registry-mirrors', help: 'mirror of Docker Hub: a URL; or of another registry: HOST=URL' },
  'registry-certs': { kind: 'list', help: 'directory like /etc/docker/certs.d, looked into first (Berth)' },
  'seccomp-profile': { kind: 'text', help: 'seccomp profile of containers: a path, builtin or unconfined' },
  'selinux-enabled': { kind: 'flag', help: 'accepted; this kernel decides' },
  'shutdown-timeout': { kind: 'number', help: 'seconds that containers get to stop' },
  'storage-driver': { kind: 'text', short: 's', help: 'snapshotter of containers' },
  'storage-opt': { kind: 'list', file: 'storage-opts', help: 'option of the storage driver: size=SIZE limits every container' },
  tls: { kind: 'flag', help: 'TLS on tcp:// addresses' },
  tlscacert: { kind: 'text', help: 'CA that client certificates must come from' },
  tlscert: { kind: 'text', help: 'certificate of the server' },
  tlskey: { kind: 'text', help: 'key of the server' },
  tlsverify: { kind: 'flag', help: 'TLS, and clients must have a certificate' },
  'trace-dir': { kind: 'text', help: 'where spans are written (Berth)' },
  'userland-proxy': { kind: 'flag', help: 'proxy connections of local clients to published ports' },
  validate: { kind: 'flag', help: 'check the configuration and exit' },
  version: { kind: 'flag', short: 'v', help: 'print the version and exit' },
  help: { kind: 'flag', short: 'h', help: 'print this help and exit' },
} as const satisfies Record<string, OptionRule>;

export type OptionName = keyof typeof OPTIONS;
export type OptionValue = boolean | number | string | string[] | Record<string, string>;
export type OptionValues = Partial<Record<OptionName, OptionValue>>;

export function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** The help text, one line an option. */
export function usage(): string {
  const lines = Object.entries<OptionRule>(OPTIONS).map(([name, rule]) => {
    const flag = `${rule.short ? `-${rule.short}, ` : '    '}--${name}${rule.kind === 'flag' ? '' : ` ${rule.kind}`}`;
    return `  ${flag.padEnd(36)} ${rule.help}`;
  });
  return `Usage: berthd [OPTIONS]\n\nServes the Docker Engine API.\n\nOptions:\n${lines.join('\n')}\n`;
}
