// `serve`: the process that `start` leaves behind. It gets its parameters as a line on descriptor 3 and answers there.
import { prepareShim } from '../shim.ts';
import { followOrders } from '../zygote/orders.ts';

const PARENT = 3;

export function serve(): void {
  followOrders(PARENT, prepareShim('containerd-shim-berth-v1'));
}
