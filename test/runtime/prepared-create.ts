// `berth-runtime create` as a shim does it, with an init that was forked ahead: node FLAGS prepared-create.js BUNDLE ROOT ID
import { openSync } from 'node:fs';
import { createContainer } from '@berth/runtime/container';
import { prepareInit } from '@berth/runtime/prepared-init';

const [bundle = '', root = '', id = ''] = process.argv.slice(2);
const nothing = openSync('/dev/null', 'r+');
createContainer({ id, bundle, root, stdio: { stdin: nothing, stdout: nothing, stderr: nothing }, prepared: prepareInit() });
