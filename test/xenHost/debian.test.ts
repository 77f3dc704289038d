import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import { bareMachine, TURN } from "../helpers/lab.ts"
import { make, newFolder, removeFolder } from "../unikernels/support/build.ts"
import { consoleOf, create, put, waitFor } from "../unikernels/support/domains.ts"
import { PLAIN } from "./helpers/plain.ts"
import { Rented, restarts } from "./helpers/rented.ts"

// One machine goes through all of it, in the order of the file: a boot is what is dear.
const test = anyTest.serial as TestFn
let www1: Rented
let bare: string

/** Beside the one on the uplink. Namespaces have no VLANs everywhere; a machine's own kernel does. */
const bridges = {
  inside0: {},
  xenbr7: { uplink: "eth0", vlan: 7, addressing: { ipv4: { addresses: ["198.51.100.7/24"] } } },
}

test.before(async t => {
  t.timeout(TURN)
  www1 = await Rented.create(await bareMachine("debian"))
  bare = await www1.run(PLAIN)
})
test.after.always(() => www1?.[Symbol.asyncDispose]())

test("a preview says what would be done to a bare machine, and does nothing", async t => {
  t.timeout(restarts(1))
  await www1.want({ bridges })
  const { stdout } = await www1.stack.succeed(["preview"])
  t.regex(stdout, /would install xen-system-amd64/)
  t.regex(stdout, /would make the bridge xenbr0 with eth0 as its port/)
  t.regex(stdout, /would restart into Xen \(the machine restarts/)
  t.is(await www1.run(PLAIN), bare)
})

test("one pulumi up makes a Xen host of a bare machine, with one restart", async t => {
  t.timeout(restarts(2))
  const { boots, result: said } = await www1.bootsDuring(() => www1.up())
  t.log(said)
  t.regex(said, /\+ 7 created/)
  t.deepEqual(boots, ["Xen"])
  const seen = await www1.run(`
    cat /proc/xen/capabilities; xl list
    ip -4 route show default; cat /sys/class/net/eth0/master/uevent
    ip -d link show eth0.7; ip -4 -o addr show xenbr7; echo "inside0: $(ls /sys/class/net/inside0/brif)"
    echo "guard: $(systemctl is-active pulumi-xen-guard-dom0.timer)"`)
  t.regex(seen, /control_d/)
  t.regex(seen, /Domain-0\s+0\s+1024/)
  t.regex(seen, /default .*dev xenbr0/)
  t.regex(seen, /INTERFACE=xenbr0/)
  t.regex(seen, /eth0\.7@eth0: .*master xenbr7 .*\n.*\n? +vlan protocol 802\.1Q id 7 /)
  t.regex(seen, /198\.51\.100\.7\/24/)
  t.regex(seen, /inside0: \nguard: inactive/)
})

test("the second up does nothing, and refresh finds no drift", async t => {
  t.timeout(restarts(1))
  const before = await www1.bootId()
  t.regex(await www1.up(), /7 unchanged/)
  await www1.stack.succeed(["refresh", "--yes", "--skip-preview", "--expect-no-changes"])
  t.is(await www1.bootId(), before)
})

test("a guest's console is logged from its first byte", async t => {
  t.timeout(restarts(1))
  const folder = await newFolder()
  t.teardown(() => removeFolder(folder))
  await make("all", folder)
  await put(www1.machine, join(folder, "hello.xen"), "/root/hello.xen")
  const args = "--ipv4=10.0.2.20/24 --ipv4-gateway=10.0.2.2"
  await create(www1.machine, { name: "hello", mac: "00:16:3e:00:00:20", args })
  await waitFor(www1.machine, "grep -q serving /var/log/xen/console/guest-hello.log", 120)
  t.regex(await consoleOf(www1.machine, "hello"), /^hello/)
  await www1.run("xl destroy hello; rm /root/hello.*")
})

test("other memory for dom0 restarts the machine once more, and nothing else changes", async t => {
  t.timeout(restarts(2))
  await www1.want({ bridges, memory: 768 })
  const before = await www1.bootId()
  t.regex((await www1.stack.succeed(["preview"])).stdout, /would restart with other options for Xen and dom0/)
  t.is(await www1.bootId(), before)
  await www1.run("rm -r /var/log/xen/console")
  const { boots, result } = await www1.bootsDuring(() => www1.up())
  t.regex(result, /~ 1 updated/)
  t.deepEqual(boots, ["Xen"])
  t.regex(await www1.run("xl list"), /Domain-0\s+0\s+768/)
  t.is(
    await www1.run("stat -c %a /var/log/xen/console"),
    "700\n",
    "the consoles' folder is there at every boot",
  )
})

test("destroy gives the machine back as it was, with one restart: plain Debian on its old network", async t => {
  t.timeout(restarts(2))
  t.deepEqual((await www1.bootsDuring(() => www1.destroy())).boots, ["Linux"])
  t.is(await www1.run(PLAIN), bare)
  await www1.machine.reboot()
  t.is(await www1.run(PLAIN), bare)
})
