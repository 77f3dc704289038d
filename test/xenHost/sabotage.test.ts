import anyTest, { type TestFn } from "ava"
import { eventually, type Midway, upUntil } from "./helpers/midway.ts"
import { Rented, restarts, type Wish } from "./helpers/rented.ts"

// One machine is broken in every way, one after the other: that each time it comes back is what makes that possible.
const test = anyTest.serial as TestFn
let www1: Rented
let old: string
let menu: string

/** The machine's old setting: the kernel that runs, and its network. */
const OLD = `
uname -r
cat /sys/hypervisor/type 2>/dev/null || :
cat /etc/network/interfaces
ls /etc/network/interfaces.d
ip -4 -o addr show scope global | awk '{print $2, $4}'
ip -4 route show default | sed 's/ metric.*//; s/ proto [^ ]*//; s/ src [^ ]*//'
`
const setting = () => www1.run(OLD)

/** What the machine boots next, and with which options. */
const MENU = "cat /etc/default/grub.d/*; grep -c ^menuentry /boot/grub/grub.cfg; grub-editenv list"

/** A change is to be given up soon where nobody can confirm it; Xen is given what software emulation takes to boot. */
const HASTY = { window: 45, dom0: { window: 60 } }

/** What breaks a `pulumi up` off in the middle. */
const BREAKS: readonly (readonly [what: string, strike: (running: Midway) => Promise<unknown>])[] = [
  [
    "the power fails",
    async running => {
      await www1.machine.powerCut()
      await running.killAll()
      await www1.machine.boot()
    },
  ],
  [
    "the provider is killed",
    async running => {
      await running.killProvider()
      await running.ended()
    },
  ],
  ["pulumi is killed", running => running.killPulumi()],
]

test.before(async t => {
  t.timeout(restarts(1))
  www1 = await Rented.create("debian")
  old = await setting()
})
test.after.always(() => www1?.[Symbol.asyncDispose]())

/** What a killed run has begun on the host may go on there, and even end: then the next has little to do. */
const INSTALLING = [
  /: unpacking xen/,
  /Packages www1 .* (Mend|Install) |Packages www1 (cre|upd)ated/,
] as const
for (const [index, [what, strike]] of BREAKS.entries()) {
  test(`${what} while packages are installed: the machine is what it was`, async t => {
    t.timeout(restarts(1))
    await www1.want()
    await strike(await upUntil(www1.stack, INSTALLING[index] ?? INSTALLING[1]))
    t.is(await setting(), old)
  })
}

const NETWORKS: [what: string, more: Wish, arrange: string][] = [
  [
    "a port that leads nowhere",
    { uplink: "nowhere", addressing: { ipv4: { automatic: true } } },
    "ip link add nowhere type dummy",
  ],
  ["no address", { addressing: "none" }, ""],
  [
    "a gateway that is none",
    // As many hosters have it: what is not the gateway's is not on the wire.
    { addressing: { ipv4: { addresses: ["10.0.2.15/32"], gateway: "10.0.2.99" } } },
    "",
  ],
]
for (const [what, more, arrange] of NETWORKS) {
  test(`a bridge with ${what}: the host takes it back, and answers on its old network`, async t => {
    t.timeout(restarts(1))
    await www1.run(arrange)
    await www1.want({ ...HASTY, ...more })
    t.regex(await www1.fails(), /The host has taken the change back and is on its old setting/)
    t.is(await setting(), old)
    t.is(await www1.run("dpkg --audit"), "", "and what was cut off of the installation is mended")
  })
}

for (const [what, strike] of BREAKS) {
  test(`${what} while the bridge is on trial: the host answers on its old network`, async t => {
    t.timeout(restarts(1))
    await www1.want(HASTY)
    await strike(await upUntil(www1.stack, /Bridge www1 .* waiting for the (change|host)/))
    await eventually("the old network to be back", 300, async () => (await setting()) === old)
    t.regex(
      await www1.run("cat /var/lib/pulumi-xen/guard/network/log"),
      /nobody confirmed in time|restarted before anybody confirmed/,
    )
  })
}

test("where restarts are refused, the bridge is made, and Xen is refused before anything is changed", async t => {
  t.timeout(restarts(1))
  await www1.want({ dom0: { reboot: "refuse" } })
  t.regex(await www1.fails(), /restart/)
  t.regex(await www1.run("ip -4 route show default"), /dev xenbr0/)
  old = await setting()
  menu = await www1.run(MENU)
})

/** Takes a module from Xen's entry as soon as it is chosen: an initrd that was never written. */
const TAKE_MODULE = `
cat >/usr/local/sbin/grub-reboot <<'END'
#!/bin/sh
/usr/sbin/grub-reboot "$@" && sed -i '/^menuentry .*--class xen/,/^}/ s|/boot/initrd|/boot/missing|' /boot/grub/grub.cfg
END
chmod +x /usr/local/sbin/grub-reboot`

const XENS: [what: string, more: () => Wish, arrange: string, restore: string][] = [
  [
    "too little memory for dom0",
    () => ({ xenOptions: [...www1.host.xenOptions, "dom0_mem=16M,max:16M"] }),
    "",
    "",
  ],
  ["a module missing", () => ({}), TAKE_MODULE, "rm /usr/local/sbin/grub-reboot"],
  [
    "a root that is not there",
    () => ({ dom0: { linuxOptions: ["root=/dev/nowhere", "rootdelay=5"] } }),
    "",
    "",
  ],
]
for (const [what, more, arrange, restore] of XENS) {
  test(`a Xen with ${what}: the machine comes back without it, by itself, and the user is told`, async t => {
    t.timeout(restarts(2))
    await www1.run(arrange)
    await www1.want(more())
    t.regex(await www1.fails(), /The host has taken the change back and is on its old setting/)
    await www1.run(restore)
    t.is(await setting(), old)
    t.is(await www1.run(MENU), menu)
  })
}

/** Xen runs, or begins to; or its menu is being written. */
const TRIALS = [
  /waiting for the machine to restart/,
  /waiting for the machine to restart/,
  /Dom0 www1 .* waiting for the change/,
]
for (const [index, [what, strike]] of BREAKS.entries()) {
  test(`${what} while Xen is on trial: the machine goes back to plain Linux by itself`, async t => {
    t.timeout(restarts(2))
    await www1.want(HASTY)
    await strike(await upUntil(www1.stack, TRIALS[index]!))
    await eventually("the old setting to be back", 1200, async () => (await setting()) === old)
    t.regex(
      await www1.run("cat /var/lib/pulumi-xen/guard/dom0/log"),
      /nobody confirmed in time|restarted before anybody confirmed/,
    )
    t.is(await www1.run(MENU), menu)
  })
}

test("after all that, a run with the right input makes a Xen host of the machine", async t => {
  t.timeout(restarts(2))
  await www1.want()
  t.log((await www1.up()).split("\n").slice(-30).join("\n"))
  const seen = await www1.run("cat /proc/xen/capabilities; xl list; ip -4 route show default")
  t.regex(seen, /control_d.*Domain-0\s+0\s+1024.*dev xenbr0/s)
  await www1.stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
})
