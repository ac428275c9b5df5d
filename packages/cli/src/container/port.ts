// `berth port`
import { inspectContainer } from '@berth/client/containers/inspect';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';

export const command: Command = {
  usage: 'port CONTAINER [PRIVATE_PORT[/PROTO]]',
  description: 'List port mappings or a specific mapping for the container',
  flags: {},
  arguments: { min: 1, max: 2 },
  async run(context, args) {
    const { NetworkSettings: settings } = await inspectContainer(context.engine, args.at(0));
    const ports = Object.entries(settings.Ports ?? {});
    const address = (binding: { HostIp?: string; HostPort?: string }) => {
      const ip = binding.HostIp ?? '';
      return `${ip.includes(':') ? `[${ip}]` : ip}:${binding.HostPort ?? ''}`;
    };
    const wanted = args.positional[1];
    if (wanted === undefined) {
      for (const [port, bindings] of ports) for (const binding of bindings ?? []) context.print(`${port} -> ${address(binding)}`);
      return 0;
    }
    const number = wanted.split('/')[0] as string;
    if (!/^\d+$/.test(number))
      throw new ExitError(1, `Error: invalid port (${number}): strconv.ParseUint: parsing ${JSON.stringify(number)}: invalid syntax`);
    const bindings = ports.find(([port]) => port === (wanted.includes('/') ? wanted : `${wanted}/tcp`))?.[1];
    if (!bindings?.length) throw new ExitError(1, `Error: No public port '${wanted}' published for ${args.at(0)}`);
    for (const binding of bindings) context.print(address(binding));
    return 0;
  },
};
