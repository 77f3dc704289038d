import type { Midway } from "./midway.ts"
import type { Machine, Rented } from "./rented.ts"

/** The machine's old setting: the kernel that runs, and its network. */
export const OLD = `
uname -r
cat /sys/hypervisor/type 2>/dev/null || :
cat /etc/network/interfaces
ls /etc/network/interfaces.d
ip -4 -o addr show scope global | awk '{print $2, $4}'
ip -4 route show default | sed 's/ metric.*//; s/ proto [^ ]*//; s/ src [^ ]*//'
`

/** What the log of a guard says of a change that was not confirmed: in time, before a restart, or for it was not made. */
export const UNCONFIRMED = /nobody confirmed in time|restarted before anybody confirmed|the change failed/

export type Break = readonly [what: string, strike: (host: Rented<Machine>, running: Midway) => Promise<void>]

/** What breaks a `pulumi up` off in the middle. */
export const BREAKS: readonly Break[] = [
  [
    "the power fails",
    async ({ machine }, running) => {
      await machine.powerCut()
      await running.killAll()
      await machine.boot()
    },
  ],
  [
    "the provider is killed",
    async (_, running) => {
      await running.killProvider()
      await running.ended()
    },
  ],
  ["pulumi is killed", (_, running) => running.killPulumi()],
]

/** Takes a module from Xen's entry as soon as it is chosen: an initrd that was never written. */
export const TAKE_MODULE = `
cat >/usr/local/sbin/grub-reboot <<'END'
#!/bin/sh
/usr/sbin/grub-reboot "$@" && sed -i '/^menuentry .*--class xen/,/^}/ s|/boot/initrd|/boot/missing|' /boot/grub/grub.cfg
END
chmod +x /usr/local/sbin/grub-reboot`

/** Leaves the menu alone again. */
export const GIVE_MODULE = "rm /usr/local/sbin/grub-reboot"
