import type { ExecutionContext } from "ava"
import { NativeMachine } from "../../helpers/nativeMachine/machine.ts"
import { BREAKS } from "./breaks.ts"
import type { Midway } from "./midway.ts"
import { keepsPromise, type Way } from "./promise.ts"
import { Rented } from "./rented.ts"

/** Seconds in which a change must be confirmed: a DHCP client whose first question is lost asks again after twenty. */
export const windows = { window: 45, dom0: { window: 40 } }

export async function rent(t: ExecutionContext): Promise<Rented<NativeMachine>> {
  t.timeout(20 * 60_000)
  const www1 = await Rented.create(await NativeMachine.start())
  t.teardown(() => www1[Symbol.asyncDispose]())
  return www1
}

/** Xen runs as wanted, on a bridge, and boots again by itself. */
export async function isXenHost(
  t: ExecutionContext,
  www1: Rented<NativeMachine>,
  memory: number,
): Promise<void> {
  t.regex(www1.machine.booted.xen ?? "plain Linux", new RegExp(`dom0_mem=${memory}M,max:${memory}M`))
  t.regex(await www1.run("ip -4 route show default"), /default .*dev xenbr0/)
  t.is(await www1.run("ls /sys/class/net/xenbr0/brif"), "eth0\n")
  t.regex(await www1.run("cat /boot/grub/grubenv"), /^saved_entry=.*xen/m)
  t.is(await www1.run("systemctl is-active pulumi-xen-guard-dom0.timer || :"), "inactive\n")
}

/** A strike, and then a look at the promise; but each fourth time the next run comes at once, and waits for the guard itself. */
export const struckAnd =
  (t: ExecutionContext, www1: Rented<NativeMachine>, way: Way, steps: readonly string[], breaks = BREAKS) =>
  async (running: Midway, index: number): Promise<void> => {
    const [what, strike] = breaks[index % breaks.length]!
    await strike(www1, running)
    if (index % 4 < 3) await keepsPromise(t, www1, way, `${what} at "${steps[index]}"`)
  }
