import anyTest, { type TestFn } from "ava"
import { bareMachine, TURN } from "../helpers/lab.ts"
import { WITHOUT_XEN } from "./helpers/plain.ts"
import { Rented, restarts } from "./helpers/rented.ts"

// One machine goes through all of it, in the order of the file: a boot is what is dear.
const test = anyTest.serial as TestFn
let www1: Rented
let bare: string

/** What must be as it was, in the end. */
const PLAIN = `
${WITHOUT_XEN}
md5sum /etc/NetworkManager/system-connections/*
ls /sys/class/net | sort
ip -4 -o addr show scope global | awk '{print $2, $4}'
ip -4 route show default | sed 's/ metric.*//; s/ proto [^ ]*//; s/ src [^ ]*//'
rpm -qa | sort
find /etc/yum.repos.d /etc/pki/rpm-gpg -type f 2>/dev/null || :
find /var/lib/pulumi-xen -type f ! -name lock ! -path '*/guard/*' 2>/dev/null || :
`

/** Beside the one on the uplink: NetworkManager makes a VLAN of its own kind for the second. */
const bridges = {
  inside0: {},
  xenbr7: { uplink: "eth0", vlan: 7, addressing: { ipv4: { addresses: ["198.51.100.7/24"] } } },
}

/** The lab's inventory has the signed repository; `more` is what is said of it otherwise, and `wish` of the host. */
function want(more: object = {}, wish: object = {}): Promise<void> {
  const [signed] = www1.host.packages!.repositories
  return www1.want({ bridges, packages: { repositories: [{ ...signed, ...more }] }, ...wish })
}

test.before(async t => {
  t.timeout(TURN)
  www1 = await Rented.create(await bareMachine("rpm"))
  bare = await www1.run(PLAIN)
})
test.after.always(() => www1?.[Symbol.asyncDispose]())

test("a repository without a key is refused before anything is changed", async t => {
  t.timeout(restarts(1))
  await want({ key: undefined })
  t.regex(await www1.fails(["preview"]), /The repository lab has no key/)
  t.is(await www1.run(PLAIN), bare)
})

for (const [repository, what, says] of [
  ["unsigned", "packages without a signature", /Package xen-hypervisor\S* is not signed/],
  [
    "altered",
    "a package that was altered after it was signed",
    /Problem opening package xen-hypervisor.*GPG check FAILED/s,
  ],
] as const) {
  test(`${what}: dnf refuses it, and no package of Xen is installed`, async t => {
    t.timeout(restarts(1))
    await want({ url: www1.host.repositories![repository] })
    const said = await www1.fails()
    t.log(said)
    t.regex(said, says)
    t.is(await www1.run("rpm -qa | grep -c '^xen' || :"), "0\n")
  })
}

test("the run after that, with the signed repository, makes a Xen host of the machine, with one restart", async t => {
  t.timeout(restarts(2))
  await want()
  const { boots, result } = await www1.bootsDuring(() => www1.up())
  t.log(result)
  t.deepEqual(boots, ["Xen"])
  const seen = await www1.run(`
    cat /proc/xen/capabilities; xl list; ip -4 route show default; nmcli -t -f DEVICE,TYPE,STATE device
    ip -d link show eth0.7; ip -4 -o addr show xenbr7; echo "inside0: $(ls /sys/class/net/inside0/brif)."`)
  t.regex(seen, /control_d.*Domain-0\s+0\s+1024.*dev xenbr0/s)
  t.regex(seen, /xenbr0:bridge:connected/)
  t.regex(seen, /eth0\.7@eth0: .*master xenbr7 .*\n.*\n? +vlan protocol 802\.1Q id 7 /)
  t.regex(seen, /198\.51\.100\.7\/24/)
  t.regex(seen, /inside0: \./)
})

test("the second up does nothing, and refresh finds no drift", async t => {
  t.timeout(restarts(1))
  t.regex(await www1.up(), /7 unchanged/)
  await www1.stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
})

test("other memory for dom0 restarts the machine once more, and nothing else changes", async t => {
  t.timeout(restarts(2))
  await want({}, { memory: 768 })
  const { boots, result } = await www1.bootsDuring(() => www1.up())
  t.regex(result, /~ 1 updated/)
  t.deepEqual(boots, ["Xen"])
  t.regex(await www1.run("xl list"), /Domain-0\s+0\s+768/)
})

test("destroy gives the machine back as it was, with one restart, and it boots that from then on", async t => {
  t.timeout(restarts(2))
  t.deepEqual((await www1.bootsDuring(() => www1.destroy())).boots, ["Linux"])
  t.is(await www1.run(PLAIN), bare)
  await www1.machine.reboot()
  t.is(await www1.run(PLAIN), bare)
})
