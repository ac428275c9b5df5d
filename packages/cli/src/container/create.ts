// `berth create`
import type { Command } from '../command.ts';
import { attachmentOf } from '../run-flags/container-request.ts';
import { CREATE_FLAGS } from '../run-flags/flags.ts';
import { create, requestOf } from './create-container.ts';

export const command: Command = {
  usage: 'create [OPTIONS] IMAGE [COMMAND] [ARG...]',
  description: 'Create a new container',
  flags: CREATE_FLAGS,
  arguments: { min: 1 },
  stopAtArgument: true,
  async run(context, args) {
    context.print(await create(context, args, requestOf('create', context, args, attachmentOf(args, false))));
  },
};
