// `serve`: the process that `start` leaves behind. It gets its orders over the socket that it inherits as descriptor 3.
import { prepareShim } from '../shim.ts';
import { followOrders } from '../zygote/orders.ts';

const PARENT = 3;

export function serve(): void {
  followOrders(PARENT, prepareShim('containerd-shim-berth-v1'));
}
