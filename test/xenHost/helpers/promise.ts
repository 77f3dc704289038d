import { dirname } from "node:path"
import type { ExecutionContext } from "ava"
import type { LabHost } from "../../../hosts/lab.ts"
import { parseFields } from "../../../provider/host/facts/sections.ts"
import { runScript } from "../../../scripts/lab/shell.ts"
import { eventually } from "./midway.ts"
import type { Machine, Rented } from "./rented.ts"

/** What a guard watches over: the title of its change, and the setting before that and after it. */
export interface Guarded {
  readonly title: RegExp
  readonly before: string
  readonly after: string
}

/** A change of a host as its guards see it. */
export type Way = Readonly<Record<"network" | "dom0", Guarded>>

/**
 * How the machine is reached and what it boots, and how far its guards are. A guard is done when it was confirmed or has taken
 * its change back, the restart that belongs to that included; or it was not armed in full, and nothing was changed.
 */
const LOOK = `
boot=$(cat /proc/sys/kernel/random/boot_id)
for name in network dom0; do
  cd "/var/lib/pulumi-xen/guard/$name" 2>/dev/null || { echo "$name.state=none"; continue; }
  sed -n "s/^\\(state\\|title\\)=/$name.&/p" state
  case $(sed -n 's/^state=//p' state) in
  armed) [ ! -e started ] && ! systemctl is-active --quiet "pulumi-xen-guard-$name.timer" || echo "$name.busy=yes" ;;
  reverting) echo "$name.busy=yes" ;;
  reverted) ! grep -qx "leaving=$boot" state || echo "$name.busy=yes" ;;
  esac
done
echo "network=$(ip -4 route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')"
case $(cat /sys/hypervisor/type 2>/dev/null || :) in
xen) runs="Xen, $(xl info xen_commandline | sed -n 's/.*dom0_mem=\\([0-9]*\\)M.*/\\1/p') MiB" ;;
*) runs=Linux ;;
esac
case $(grub-editenv list | sed -n 's/^saved_entry=//p') in *xen*) next=Xen ;; *) next=Linux ;; esac
[ -z "$(grub-editenv list | sed -n 's/^next_entry=//p')" ] || next="$next after one more"
echo "dom0=$runs, by default $next"`

type Seen = { readonly [field: string]: string }

/** Over a new connection: a machine that does not answer there has not come back. */
async function look({ port, privateKeyPath }: LabHost): Promise<Seen> {
  return parseFields(
    await runScript("look at the machine over ssh", { port, keys: dirname(privateKeyPath) }, LOOK),
  )
}

/** The machine answers, and each guard has its old setting or the one that was confirmed. Waits until they are done. */
export async function keepsPromise(
  t: ExecutionContext,
  www1: Rented<Machine>,
  way: Way,
  when: string,
): Promise<void> {
  let seen: Seen = {}
  await eventually(`${when}: the machine to answer, with its guards done`, 900, async () => {
    seen = await look(www1.host)
    return seen.network !== "" && !("network.busy" in seen || "dom0.busy" in seen)
  })
  for (const [name, { title, before, after }] of Object.entries(way)) {
    const isConfirmed = seen[`${name}.state`] === "confirmed" && title.test(seen[`${name}.title`] ?? "")
    t.is(seen[name], isConfirmed ? after : before, `${when}: ${JSON.stringify(seen)}`)
  }
}

/** From a bare machine to a Xen host of so many MiB. */
export const toXen = (memory: number): Way => ({
  network: { title: /^Make the bridge/, before: "eth0", after: "xenbr0" },
  dom0: {
    title: /^Restart into Xen/,
    before: "Linux, by default Linux",
    after: `Xen, ${memory} MiB, by default Xen`,
  },
})

/** A Xen host's dom0 gets other memory, in MiB. */
export const toMemory = (from: number, to: number): Way => ({
  network: { title: /./, before: "xenbr0", after: "xenbr0" },
  dom0: {
    title: /^Restart with other options/,
    before: `Xen, ${from} MiB, by default Xen`,
    after: `Xen, ${to} MiB, by default Xen`,
  },
})

/** From a Xen host back to the plain machine. */
export const toPlain = (memory: number): Way => ({
  network: { title: /^Remove the bridge/, before: "xenbr0", after: "eth0" },
  dom0: {
    title: /^Restart into plain Linux/,
    before: `Xen, ${memory} MiB, by default Xen`,
    after: "Linux, by default Linux",
  },
})
